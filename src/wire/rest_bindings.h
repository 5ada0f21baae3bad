#pragma once

// What REST protocols put beside the body: path labels, query parameters, headers, the
// status, and payloads that are a member by themselves.

#include "base/json.h"
#include "net/http.h"
#include "wire/codec.h"
#include "wire/shape.h"

namespace slipway::wire {

// Members from path, query and headers, into `input`. Throws Error{SerializationException}.
void decode_bindings(const Shape& shape, const Incoming& incoming, Json& input);

// A blob or text payload that is the whole body, into `input`. A streaming one is not read.
void decode_raw_payload(const Member& payload, const Incoming& incoming, Json& input);

// Members that are headers or the status, into `response`.
void encode_bindings(const Shape& shape, const Json& output, const OperationModel& operation,
                     net::Response& response);

// The body for a blob or text payload: the reply's own, or the member of its output.
net::ResponseBody raw_payload(const Member& payload, Reply& reply);

bool has_body_members(const Shape& shape) noexcept;

}  // namespace slipway::wire
