#pragma once

// Scalars between the wire's text and the API's JSON (api.h says how that looks).

#include <string>
#include <string_view>

#include "base/json.h"
#include "wire/shape.h"

namespace slipway::wire {

// The format that counts: the member's own, its shape's, or the place's.
TimeFormat time_format_of(const Member& member, TimeFormat otherwise) noexcept;

// Throws Error{SerializationException} where `text` is not of the shape's type.
Json scalar_from_text(const Member& member, std::string_view text, TimeFormat otherwise);
// The inverse; "" for what a broken handler gave.
std::string text_of_scalar(const Member& member, const Json& value, TimeFormat otherwise);

// A timestamp as JSON number from any format that a client may send.
Json timestamp_from_text(std::string_view text);
std::string text_of_timestamp(const Json& seconds, TimeFormat format);

// "NaN", "Infinity" and "-Infinity", which JSON cannot say as numbers.
Json float_from_text(std::string_view text);
std::string text_of_number(const Json& value);

}  // namespace slipway::wire
