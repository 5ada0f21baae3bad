#pragma once

// Values of shapes in XML: REST-XML bodies both ways, and the answers of the query protocol.

#include <string>
#include <string_view>

#include "base/json.h"
#include "wire/shape.h"
#include "wire/xml.h"

namespace slipway::wire {

// The members of `shape` that travel in the body. Throws Error{SerializationException} where
// an element's text is not of its type.
Json structure_from_xml(const Shape& shape, const XmlElement& element);

// One element for the member, or several where it is flattened.
void member_to_xml(XmlWriter& writer, const Member& member, const Json& value);
// The members of `shape` that travel in the body and are elements.
void structure_to_xml(XmlWriter& writer, const Shape& shape, const Json& value);
// ` xmlns="…"` and the attributes that the shape's members are.
std::string attributes_of(const Shape& shape, const std::optional<XmlNamespace>& space,
                          const Json& value);

}  // namespace slipway::wire
