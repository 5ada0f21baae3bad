#pragma once

// Values of shapes in JSON: the bodies of the AWS JSON and REST-JSON protocols.

#include <string_view>

#include "base/json.h"
#include "wire/shape.h"

namespace slipway::wire {

// Parses a body. Throws Error{SerializationException} where it is not JSON or nests deeper
// than anything that an API means.
Json parse_json_body(std::string_view text);

// The value of `member` from the wire, by the model's names. Members that the model does not know
// and nulls are dropped. Throws Error{SerializationException} where a type is another.
Json from_json(const Member& member, const Json& wire);
// The same for the members in `shape` that travel in the body.
Json structure_from_json(const Shape& shape, const Json& wire);

Json to_json(const Member& member, const Json& value);
Json structure_to_json(const Shape& shape, const Json& value);

}  // namespace slipway::wire
