#include "observe/log_parts.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::observe {
namespace {

constexpr std::size_t kDigits = 28;

std::string padded(std::int64_t number) {
  const std::string digits = std::to_string(number < 0 ? 0 : number);
  return std::string(kDigits - digits.size(), '0') + digits;
}

std::optional<std::int64_t> unpadded(std::string_view digits) {
  const std::size_t start = digits.find_first_not_of('0');
  if (start == std::string_view::npos) return 0;
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  return base::parse_integer(digits.substr(start));
}

}  // namespace

void refuse_parameter(const std::string& message) {
  throw Error("InvalidParameterException", message);
}

void throw_no_group() {
  throw Error("ResourceNotFoundException", "The specified log group does not exist.");
}

void throw_no_stream() {
  throw Error("ResourceNotFoundException", "The specified log stream does not exist.");
}

std::string group_name(const Json& input) {
  std::string name = base::text_or(input, "logGroupName");
  if (name.empty()) name = base::text_or(input, "logGroupIdentifier");
  if (name.empty()) refuse_parameter("A log group name or identifier is required.");
  const auto arn = base::parse_arn(name);
  constexpr std::string_view kPrefix = "log-group:";
  if (!arn || !arn->resource.starts_with(kPrefix)) return name;
  name = arn->resource.substr(kPrefix.size());
  return name.substr(0, name.find(':'));
}

LogGroup require_group(store::Reader& reader, const LogsCaller& caller, const std::string& name) {
  const auto group = find_group(reader, caller.account, name);
  if (!group) throw_no_group();
  return *group;
}

LogStream require_stream(store::Reader& reader, const LogGroup& group, const std::string& name) {
  const auto stream = find_stream(reader, group.id, name);
  if (!stream) throw_no_stream();
  return *stream;
}

std::string group_arn(const LogsCaller& caller, const std::string& name) {
  return base::Arn{"logs", caller.region, caller.account, "log-group:" + name}.text();
}

std::string write_token(const EventToken& token) {
  return std::string(token.kind == TokenKind::kForward ? "f/" : "b/") + padded(token.position.at) +
         padded(token.position.sequence);
}

std::optional<EventToken> parse_token(std::string_view text) {
  if (text.size() != 2 + 2 * kDigits) return std::nullopt;
  if (!text.starts_with("f/") && !text.starts_with("b/")) return std::nullopt;
  const auto at = unpadded(text.substr(2, kDigits));
  const auto sequence = unpadded(text.substr(2 + kDigits));
  if (!at || !sequence) return std::nullopt;
  return EventToken{text.front() == 'f' ? TokenKind::kForward : TokenKind::kBackward,
                    {*at, *sequence}};
}

}  // namespace slipway::observe
