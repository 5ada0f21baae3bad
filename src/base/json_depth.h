#pragma once

// How deep a JSON text nests, before it is parsed: values are copied, written and destroyed by
// recursion, and what nests without end would not fit a thread's stack.

#include <cstddef>
#include <string_view>

namespace slipway::base {

// Whether lists and objects stand in each other in more than `levels` levels. Right for every JSON
// text; of others it may say anything. Takes time in proportion to the text, and no memory.
bool nests_deeper(std::string_view text, std::size_t levels);

}  // namespace slipway::base
