#pragma once

// JSON values. One alias for the whole code, and the few reads that request
// handlers repeat.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

// Its members are compiled once, in json.cc: most of a source's compile time would go there.
extern template class nlohmann::basic_json<>;

namespace slipway::base {

using Json = nlohmann::json;

// Parses `text`. Throws Error{ParseError} that names `what` and the position.
Json parse_json(std::string_view text, std::string_view what);

// Parses `text`, or returns nothing where it is not JSON.
std::optional<Json> try_parse_json(std::string_view text);

// The compact text of `value`. Bytes that are not UTF-8 become U+FFFD, so that
// what a user's program printed can never make an answer fail.
std::string dump_json(const Json& value);
std::string dump_json_pretty(const Json& value);

// The member `key` of an object, or the default where it is absent, null or of
// another type.
std::string text_or(const Json& object, std::string_view key, std::string_view otherwise = "");
std::int64_t integer_or(const Json& object, std::string_view key, std::int64_t otherwise);
double number_or(const Json& object, std::string_view key, double otherwise);
bool boolean_or(const Json& object, std::string_view key, bool otherwise);

// The member `key`, or an empty object/array that lives for ever.
const Json& object_or_empty(const Json& object, std::string_view key);
const Json& array_or_empty(const Json& object, std::string_view key);

}  // namespace slipway::base

namespace slipway {
using base::Json;
}
