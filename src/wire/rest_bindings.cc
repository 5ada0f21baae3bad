#include "wire/rest_bindings.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "wire/scalar.h"

namespace slipway::wire {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// A header's list: parts between commas, quoted ones with their commas. Dates have a comma
// of their own.
std::vector<std::string> header_list(std::string_view text, bool dates) {
  std::vector<std::string> parts;
  std::string part;
  bool quoted = false;
  bool was_quoted = false;
  int commas = 0;
  const auto finish = [&] {
    parts.push_back(was_quoted ? part : std::string(base::trim(part)));
    part.clear();
    was_quoted = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\' && i + 1 < text.size())
        part += text[++i];
      else if (c == '"')
        quoted = false;
      else
        part += c;
    } else if (c == '"' && base::trim(part).empty()) {
      part.clear();
      quoted = was_quoted = true;
    } else if (c == ',' && !(dates && ++commas % 2 == 1)) {
      finish();
    } else if (!was_quoted || (c != ' ' && c != '\t')) {
      part += c;
    }
  }
  finish();
  return parts;
}

std::string quoted_where_needed(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  return "\"" + base::replace_all(base::replace_all(text, "\\", "\\\\"), "\"", "\\\"") + "\"";
}

Json from_header(const Member& member, std::string_view text) {
  if (member.shape->type == ShapeType::kList) {
    Json list = Json::array();
    const Member& element = member.shape->element;
    const bool dates = element.shape->type == ShapeType::kTimestamp &&
                       time_format_of(element, TimeFormat::kHttpDate) == TimeFormat::kHttpDate;
    if (base::trim(text).empty()) return list;
    for (const std::string& part : header_list(text, dates))
      list.push_back(scalar_from_text(element, part, TimeFormat::kHttpDate));
    return list;
  }
  if (member.json_value) {
    const auto decoded = base::from_base64(text);
    if (!decoded) throw Error("SerializationException", member.wire_name + " is not base64");
    return *decoded;
  }
  return scalar_from_text(member, base::trim(text), TimeFormat::kHttpDate);
}

std::string to_header(const Member& member, const Json& value) {
  if (member.shape->type != ShapeType::kList) {
    const std::string text = text_of_scalar(member, value, TimeFormat::kHttpDate);
    return member.json_value ? base::base64(text) : text;
  }
  const Member& element = member.shape->element;
  std::vector<std::string> parts;
  for (const Json& item : value) {
    const std::string text = text_of_scalar(element, item, TimeFormat::kHttpDate);
    parts.push_back(element.shape->type == ShapeType::kString ? quoted_where_needed(text) : text);
  }
  return base::join(parts, ", ");
}

void decode_query_member(const Member& member, const Pairs& query, Json& input) {
  const Shape& shape = *member.shape;
  if (shape.type == ShapeType::kMap) {
    Json map = Json::object();
    for (const auto& [name, value] : query) {
      if (shape.value.shape->type == ShapeType::kList)
        map[name].push_back(value);
      else if (!map.contains(name))
        map[name] = value;
    }
    if (!map.empty()) input[member.name] = std::move(map);
    return;
  }
  Json list = Json::array();
  for (const auto& [name, value] : query) {
    if (name != member.wire_name) continue;
    if (shape.type != ShapeType::kList) {
      input[member.name] = scalar_from_text(member, value, TimeFormat::kIso8601);
      return;
    }
    list.push_back(scalar_from_text(shape.element, value, TimeFormat::kIso8601));
  }
  if (!list.empty()) input[member.name] = std::move(list);
}

void decode_header_map(const Member& member, const net::Headers& headers, Json& input) {
  const std::string prefix = member.named ? base::lower(member.wire_name) : std::string();
  Json map = Json::object();
  for (const auto& [name, value] : headers) {
    const std::string lower = base::lower(name);
    if (!lower.starts_with(prefix)) continue;
    Json& place = map[lower.substr(prefix.size())];
    // A repeated field is one list.
    place = place.is_null() ? value : place.get<std::string>() + "," + value;
  }
  if (!map.empty()) input[member.name] = std::move(map);
}

}  // namespace

void decode_bindings(const Shape& shape, const Incoming& incoming, Json& input) {
  const Pairs query = base::parse_query(incoming.head.query());
  for (const Member& member : shape.members) {
    switch (member.location) {
      case Location::kUri:
        for (const auto& [name, value] : incoming.labels)
          if (name == member.wire_name)
            input[member.name] = scalar_from_text(member, value, TimeFormat::kIso8601);
        break;
      case Location::kQuery:
        decode_query_member(member, query, input);
        break;
      case Location::kHeader:
        if (const auto value = incoming.head.headers.find(member.wire_name))
          input[member.name] = from_header(member, *value);
        break;
      case Location::kHeaders:
        decode_header_map(member, incoming.head.headers, input);
        break;
      default:
        break;
    }
  }
}

void decode_raw_payload(const Member& payload, const Incoming& incoming, Json& input) {
  if (payload.streaming || incoming.body.size() == 0) return;
  const std::string bytes = incoming.body.text();
  if (payload.shape->type == ShapeType::kBlob) {
    input[payload.name] = base::base64(bytes);
  } else {
    if (!base::is_utf8(bytes)) throw Error("SerializationException", "the body is not UTF-8");
    input[payload.name] = bytes;
  }
}

void encode_bindings(const Shape& shape, const Json& output, const OperationModel& operation,
                     net::Response& response) {
  if (!output.is_object()) return;
  for (const Member& member : shape.members) {
    const auto found = output.find(member.name);
    if (found == output.end() || found->is_null()) continue;
    if (member.location == Location::kStatus) {
      if (found->is_number_integer()) response.status = found->get<int>();
    } else if (member.location == Location::kHeaders) {
      for (const auto& [name, value] : found->items())
        response.headers.add((member.named ? member.wire_name : "") + name,
                             text_of_scalar(member.shape->value, value, TimeFormat::kHttpDate));
    } else if (member.location == Location::kHeader) {
      if (base::equals_ignoring_case(member.wire_name, "content-length")) {
        // The server counts a body itself; HEAD has none to count.
        if (operation.route.method == "HEAD" && found->is_number_integer())
          response.content_length = found->get<std::uint64_t>();
      } else {
        response.headers.set(member.wire_name, to_header(member, *found));
      }
    }
  }
}

net::ResponseBody raw_payload(const Member& payload, Reply& reply) {
  if (reply.payload) return std::move(*reply.payload);
  if (!reply.output.is_object() || !reply.output.contains(payload.name)) return std::string();
  const Json& value = reply.output[payload.name];
  if (!value.is_string()) return std::string();
  const auto& text = value.get_ref<const std::string&>();
  if (payload.shape->type == ShapeType::kBlob) return base::from_base64(text).value_or("");
  return text;
}

bool has_body_members(const Shape& shape) noexcept {
  return std::any_of(shape.members.begin(), shape.members.end(),
                     [](const Member& member) { return member.location == Location::kBody; });
}

}  // namespace slipway::wire
