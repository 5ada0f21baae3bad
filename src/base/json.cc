#include "base/json.h"

#include "base/error.h"
#include "base/json_depth.h"

template class nlohmann::basic_json<>;

namespace slipway::base {
namespace {

const Json* member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// Levels of lists and objects in each other. No client's documents come near it; what nests deeper
// is no JSON here.
constexpr std::size_t kDeepest = 512;

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
  if (nests_deeper(text, kDeepest)) {
    throw Error("ParseError",
                std::string(what) + " nests deeper than " + std::to_string(kDeepest) + " levels");
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw Error("ParseError", std::string(what) + " is not valid JSON (at byte " +
                                  std::to_string(error.byte) + ")");
  }
}

std::optional<Json> try_parse_json(std::string_view text) {
  if (nests_deeper(text, kDeepest)) return std::nullopt;
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string dump_json_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string text_or(const Json& object, std::string_view key, std::string_view otherwise) {
  const Json* value = member(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string(otherwise);
}

std::int64_t integer_or(const Json& object, std::string_view key, std::int64_t otherwise) {
  const Json* value = member(object, key);
  return value && value->is_number_integer() ? value->get<std::int64_t>() : otherwise;
}

double number_or(const Json& object, std::string_view key, double otherwise) {
  const Json* value = member(object, key);
  return value && value->is_number() ? value->get<double>() : otherwise;
}

bool boolean_or(const Json& object, std::string_view key, bool otherwise) {
  const Json* value = member(object, key);
  return value && value->is_boolean() ? value->get<bool>() : otherwise;
}

const Json& object_or_empty(const Json& object, std::string_view key) {
  static const Json kEmpty = Json::object();
  const Json* value = member(object, key);
  return value && value->is_object() ? *value : kEmpty;
}

const Json& array_or_empty(const Json& object, std::string_view key) {
  static const Json kEmpty = Json::array();
  const Json* value = member(object, key);
  return value && value->is_array() ? *value : kEmpty;
}

}  // namespace slipway::base
