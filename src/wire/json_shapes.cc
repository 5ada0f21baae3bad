#include "wire/json_shapes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/strings.h"
#include "wire/scalar.h"

namespace slipway::wire {
namespace {

// The deepest that a body may nest: copying and printing JSON recurse.
constexpr int kDeepest = 200;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("SerializationException", message);
}

// In the words of the JSON reader behind AWS's own services.
std::string_view kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return "STRING_VALUE";
    case Json::value_t::boolean:
      return value.get<bool>() ? "TRUE_VALUE" : "FALSE_VALUE";
    case Json::value_t::number_float:
      return "DECIMAL_VALUE";
    case Json::value_t::array:
      return "Start of list";
    case Json::value_t::object:
      return "Start of structure or map";
    default:
      return "NUMBER_VALUE";
  }
}

[[noreturn]] void refuse_type(const Json& wire, std::string_view type) {
  if (wire.is_structured()) refuse(std::string(kind_of(wire)) + " found where not expected.");
  refuse(std::string(kind_of(wire)) + " can not be converted to " + std::string(type));
}

bool nests_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

Json number_from_json(const Member& member, const Json& wire) {
  if (member.shape->type == ShapeType::kInteger) {
    if (wire.is_number_integer()) return wire;
    if (wire.is_number_float()) {
      const double number = wire.get<double>();
      if (number == std::floor(number) && std::abs(number) < 9e15)
        return static_cast<std::int64_t>(number);
      refuse("DECIMAL_VALUE can not be converted to an Integer");
    }
    refuse_type(wire, "an Integer");
  }
  if (wire.is_number()) return wire;
  if (wire.is_string()) {
    const auto& text = wire.get_ref<const std::string&>();
    if (text == "NaN" || text == "Infinity" || text == "-Infinity") return float_from_text(text);
  }
  refuse_type(wire, "a Double");
}

Json timestamp_from_json(const Json& wire) {
  if (wire.is_number()) return wire;
  if (!wire.is_string()) refuse_type(wire, "a Timestamp");
  return timestamp_from_text(wire.get_ref<const std::string&>());
}

Json list_from_json(const Shape& shape, const Json& wire) {
  if (!wire.is_array()) {
    if (wire.is_object()) refuse("Start of structure or map found where not expected.");
    refuse("Unexpected value type in payload");
  }
  Json list = Json::array();
  for (const Json& element : wire)
    if (!element.is_null()) list.push_back(from_json(shape.element, element));
  return list;
}

Json map_from_json(const Shape& shape, const Json& wire) {
  if (!wire.is_object()) {
    if (wire.is_array()) refuse("Start of list found where not expected.");
    refuse("Unexpected value type in payload");
  }
  Json map = Json::object();
  for (const auto& [key, value] : wire.items())
    if (!value.is_null()) map[key] = from_json(shape.value, value);
  return map;
}

}  // namespace

Json parse_json_body(std::string_view text) {
  if (nests_too_deep(text)) refuse("the body nests too deep");
  auto parsed = base::try_parse_json(text);
  if (!parsed) refuse("the body is not valid JSON");
  return std::move(*parsed);
}

Json structure_from_json(const Shape& shape, const Json& wire) {
  if (!wire.is_object()) {
    if (wire.is_array()) refuse("Start of list found where not expected.");
    refuse("Unexpected value type in payload");
  }
  Json result = Json::object();
  for (const Member& member : shape.members) {
    if (member.location != Location::kBody) continue;
    const auto found = wire.find(member.wire_name);
    if (found != wire.end() && !found->is_null()) result[member.name] = from_json(member, *found);
  }
  return result;
}

Json from_json(const Member& member, const Json& wire) {
  switch (member.shape->type) {
    case ShapeType::kStructure:
      return structure_from_json(*member.shape, wire);
    case ShapeType::kList:
      return list_from_json(*member.shape, wire);
    case ShapeType::kMap:
      return map_from_json(*member.shape, wire);
    case ShapeType::kBoolean:
      if (!wire.is_boolean()) refuse_type(wire, "a Boolean");
      return wire;
    case ShapeType::kInteger:
    case ShapeType::kFloat:
      return number_from_json(member, wire);
    case ShapeType::kTimestamp:
      return timestamp_from_json(wire);
    case ShapeType::kBlob:
      if (!wire.is_string()) refuse_type(wire, "a Blob");
      if (!base::from_base64(wire.get_ref<const std::string&>())) refuse("a Blob is not base64");
      return wire;
    case ShapeType::kDocument:
      return wire;
    case ShapeType::kString:
      if (!wire.is_string()) refuse_type(wire, "a String");
      return wire;
  }
  return wire;
}

Json structure_to_json(const Shape& shape, const Json& value) {
  Json result = Json::object();
  if (!value.is_object()) return result;
  for (const Member& member : shape.members) {
    if (member.location != Location::kBody) continue;
    const auto found = value.find(member.name);
    if (found != value.end() && !found->is_null())
      result[member.wire_name] = to_json(member, *found);
  }
  return result;
}

Json to_json(const Member& member, const Json& value) {
  const Shape& shape = *member.shape;
  switch (shape.type) {
    case ShapeType::kStructure:
      return structure_to_json(shape, value);
    case ShapeType::kList: {
      Json list = Json::array();
      for (const Json& element : value)
        if (!element.is_null()) list.push_back(to_json(shape.element, element));
      return list;
    }
    case ShapeType::kMap: {
      Json map = Json::object();
      for (const auto& [key, element] : value.items())
        if (!element.is_null()) map[key] = to_json(shape.value, element);
      return map;
    }
    case ShapeType::kTimestamp: {
      const TimeFormat format = time_format_of(member, TimeFormat::kEpochSeconds);
      if (format == TimeFormat::kEpochSeconds) return value;
      return text_of_timestamp(value, format);
    }
    case ShapeType::kInteger:
      if (value.is_number_float()) return static_cast<std::int64_t>(value.get<double>());
      return value;
    case ShapeType::kFloat:
      if (value.is_number_float() && !std::isfinite(value.get<double>()))
        return text_of_number(value);
      return value;
    default:
      return value;
  }
}

}  // namespace slipway::wire
