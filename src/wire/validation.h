#pragma once

// Inputs held to their model's constraints, refused in the words that AWS uses.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "wire/shape.h"

namespace slipway::wire {

enum class Strictness {
  kAll,
  kRequired  // S3 checks what its operations need by itself
};

// The message, "1 validation error detected: Value …", or nothing where the input is right.
std::optional<std::string> find_violations(const Shape& shape, const Json& input,
                                           Strictness strictness = Strictness::kAll);

// Whether the whole of `text` matches. A pattern that cannot be compiled allows everything; a
// match that takes more than a bounded number of steps counts as none.
bool matches_pattern(const Shape& shape, std::string_view text);

}  // namespace slipway::wire
