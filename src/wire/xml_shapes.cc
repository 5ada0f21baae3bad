#include "wire/xml_shapes.h"

#include "wire/scalar.h"

namespace slipway::wire {
namespace {

bool is_flattened(const Member& member) { return member.flattened || member.shape->flattened; }

std::string_view without_prefix(std::string_view name) {
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view name_of(const Member& part, std::string_view otherwise) {
  return part.named ? std::string_view(part.wire_name) : otherwise;
}

Json value_from_xml(const Member& member, const XmlElement& element);

void entry_from_xml(const Shape& map, const XmlElement& entry, Json& into) {
  const XmlElement* key = entry.find(name_of(map.key, "key"));
  const XmlElement* value = entry.find(name_of(map.value, "value"));
  if (key && value) into[key->text] = value_from_xml(map.value, *value);
}

Json value_from_xml(const Member& member, const XmlElement& element) {
  const Shape& shape = *member.shape;
  if (shape.type == ShapeType::kStructure) return structure_from_xml(shape, element);
  if (shape.type == ShapeType::kList) {
    Json list = Json::array();
    for (const XmlElement& child : element.children)
      list.push_back(value_from_xml(shape.element, child));
    return list;
  }
  if (shape.type == ShapeType::kMap) {
    Json map = Json::object();
    for (const XmlElement& child : element.children) entry_from_xml(shape, child, map);
    return map;
  }
  return scalar_from_text(member, element.text, TimeFormat::kIso8601);
}

std::string namespace_attribute(const std::optional<XmlNamespace>& space) {
  if (!space || space->uri.empty()) return {};
  return " xmlns" + (space->prefix.empty() ? "" : ":" + space->prefix) + "=\"" +
         escape_xml(space->uri) + "\"";
}

void value_to_xml(XmlWriter& writer, const Member& member, std::string_view name,
                  const Json& value) {
  const Shape& shape = *member.shape;
  const auto& space = member.xml_namespace ? member.xml_namespace : shape.xml_namespace;
  if (shape.type == ShapeType::kStructure) {
    writer.open(name, attributes_of(shape, space, value));
    structure_to_xml(writer, shape, value);
    writer.close(name);
  } else if (shape.type == ShapeType::kList) {
    writer.open(name, namespace_attribute(space));
    const std::string_view element = name_of(shape.element, "member");
    for (const Json& item : value) value_to_xml(writer, shape.element, element, item);
    writer.close(name);
  } else if (shape.type == ShapeType::kMap) {
    writer.open(name, namespace_attribute(space));
    for (const auto& [key, item] : value.items()) {
      writer.open("entry");
      value_to_xml(writer, shape.key, name_of(shape.key, "key"), key);
      value_to_xml(writer, shape.value, name_of(shape.value, "value"), item);
      writer.close("entry");
    }
    writer.close(name);
  } else {
    writer.element(name, text_of_scalar(member, value, TimeFormat::kIso8601),
                   namespace_attribute(space));
  }
}

}  // namespace

Json structure_from_xml(const Shape& shape, const XmlElement& element) {
  Json result = Json::object();
  for (const Member& member : shape.members) {
    if (member.location != Location::kBody) continue;
    if (member.xml_attribute) {
      for (const auto& [name, value] : element.attributes)
        if (name == member.wire_name || without_prefix(name) == without_prefix(member.wire_name))
          result[member.name] = scalar_from_text(member, value, TimeFormat::kIso8601);
      continue;
    }
    const std::string_view name = without_prefix(member.wire_name);
    if (!is_flattened(member) ||
        (member.shape->type != ShapeType::kList && member.shape->type != ShapeType::kMap)) {
      if (const XmlElement* child = element.find(name))
        result[member.name] = value_from_xml(member, *child);
      continue;
    }
    const bool is_list = member.shape->type == ShapeType::kList;
    Json values = is_list ? Json::array() : Json::object();
    for (const XmlElement& child : element.children) {
      if (child.name != name) continue;
      if (is_list)
        values.push_back(value_from_xml(member.shape->element, child));
      else
        entry_from_xml(*member.shape, child, values);
    }
    if (!values.empty()) result[member.name] = std::move(values);
  }
  return result;
}

std::string attributes_of(const Shape& shape, const std::optional<XmlNamespace>& space,
                          const Json& value) {
  std::string attributes = namespace_attribute(space);
  for (const Member& member : shape.members) {
    if (!member.xml_attribute) continue;
    const auto found = value.find(member.name);
    if (found != value.end() && !found->is_null())
      attributes += " " + member.wire_name + "=\"" +
                    escape_xml(text_of_scalar(member, *found, TimeFormat::kIso8601)) + "\"";
  }
  return attributes;
}

void member_to_xml(XmlWriter& writer, const Member& member, const Json& value) {
  const std::string& name = member.wire_name;
  if (is_flattened(member) && member.shape->type == ShapeType::kList) {
    for (const Json& item : value) {
      Member element = member.shape->element;
      if (member.xml_namespace) element.xml_namespace = member.xml_namespace;
      value_to_xml(writer, element, name, item);
    }
  } else if (is_flattened(member) && member.shape->type == ShapeType::kMap) {
    const Shape& map = *member.shape;
    for (const auto& [key, item] : value.items()) {
      writer.open(name, namespace_attribute(member.xml_namespace));
      value_to_xml(writer, map.key, name_of(map.key, "key"), key);
      value_to_xml(writer, map.value, name_of(map.value, "value"), item);
      writer.close(name);
    }
  } else {
    value_to_xml(writer, member, name, value);
  }
}

void structure_to_xml(XmlWriter& writer, const Shape& shape, const Json& value) {
  if (!value.is_object()) return;
  for (const Member& member : shape.members) {
    if (member.location != Location::kBody || member.xml_attribute) continue;
    const auto found = value.find(member.name);
    if (found != value.end() && !found->is_null()) member_to_xml(writer, member, *found);
  }
}

}  // namespace slipway::wire
