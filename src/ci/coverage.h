#pragma once

// A job's coverage, out of what it printed. Pure.

#include <optional>
#include <string>
#include <string_view>

namespace slipway::ci {

// The number in the last match of `expression` ("/TOTAL.*?(\d+)%/", or without slashes); nothing
// where there is none, or the expression is broken or too slow.
std::optional<double> coverage_in(std::string_view trace, const std::string& expression);

}  // namespace slipway::ci
