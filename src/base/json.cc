#include "base/json.h"

#include <algorithm>

#include "base/error.h"

template class nlohmann::basic_json<>;

namespace slipway::base {
namespace {

const Json* member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// Levels of lists and objects in each other. What nests deeper is no JSON here: values are copied
// and written by recursion, and what nests without end would not fit a thread's stack.
constexpr std::size_t kDeepest = 512;

bool opens(char c) { return c == '{' || c == '['; }

bool is_too_deep(std::string_view text) {
  // Nearly every text has too few of them to nest so deep, which is quick to see.
  const auto opening = std::count_if(text.begin(), text.end(), opens);
  if (static_cast<std::size_t>(opening) <= kDeepest) return false;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (opens(c)) {
      if (++depth > kDeepest) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
  if (is_too_deep(text)) {
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
  if (is_too_deep(text)) return std::nullopt;
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
