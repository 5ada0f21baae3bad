#include "wire/scalar.h"

#include <cmath>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view type) {
  throw Error("SerializationException", "'" + std::string(base::utf8_prefix(text, 128)) +
                                            "' can not be converted to " + std::string(type));
}

}  // namespace

TimeFormat time_format_of(const Member& member, TimeFormat otherwise) noexcept {
  if (member.time_format != TimeFormat::kDefault) return member.time_format;
  if (member.shape->time_format != TimeFormat::kDefault) return member.shape->time_format;
  return otherwise;
}

Json timestamp_from_text(std::string_view text) {
  if (const auto integer = base::parse_integer(text)) return *integer;
  if (const auto number = base::parse_number(text); number && std::isfinite(*number))
    return *number;
  auto at = base::parse_iso8601(text);
  if (!at) at = base::parse_http_date(text);
  if (!at) refuse(text, "a Timestamp");
  if (*at % 1000 == 0) return *at / 1000;
  return base::epoch_seconds(*at);
}

std::string text_of_timestamp(const Json& seconds, TimeFormat format) {
  if (seconds.is_string()) return seconds.get<std::string>();
  if (!seconds.is_number()) return {};
  if (format == TimeFormat::kEpochSeconds) return text_of_number(seconds);
  const base::Millis at = base::from_epoch_seconds(seconds.get<double>());
  if (format == TimeFormat::kHttpDate) return base::http_date(at);
  return at % 1000 == 0 ? base::iso8601(at) : base::iso8601_millis(at);
}

Json float_from_text(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const auto number = base::parse_number(text);
  if (!number || !std::isfinite(*number)) refuse(text, "a Double");
  return *number;
}

std::string text_of_number(const Json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    if (number == std::floor(number) && std::abs(number) < 1e15)
      return std::to_string(static_cast<std::int64_t>(number));
  }
  return value.dump();
}

Json scalar_from_text(const Member& member, std::string_view text, TimeFormat otherwise) {
  switch (member.shape->type) {
    case ShapeType::kBoolean:
      if (text == "true" || text == "True") return true;
      if (text == "false" || text == "False") return false;
      refuse(text, "a Boolean");
    case ShapeType::kInteger:
      if (const auto number = base::parse_integer(text)) return *number;
      refuse(text, "an Integer");
    case ShapeType::kFloat:
      return float_from_text(text);
    case ShapeType::kTimestamp:
      if (time_format_of(member, otherwise) == TimeFormat::kEpochSeconds &&
          !base::parse_number(text))
        refuse(text, "a Timestamp");
      return timestamp_from_text(text);
    case ShapeType::kBlob:
      if (!base::from_base64(text)) refuse(text, "a Blob");
      return std::string(text);
    default:
      return std::string(text);
  }
}

std::string text_of_scalar(const Member& member, const Json& value, TimeFormat otherwise) {
  if (member.shape->type == ShapeType::kTimestamp)
    return text_of_timestamp(value, time_format_of(member, otherwise));
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return text_of_number(value);
  return value.is_null() ? std::string() : base::dump_json(value);
}

}  // namespace slipway::wire
