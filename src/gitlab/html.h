#pragma once

// Text as HTML.

#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::gitlab {

// For element contents and quoted attributes.
std::string escaped(std::string_view text);

// A job's trace: escaped, colours as <span class="…">, sections as <details> with the seconds that
// they took, other terminal sequences left out; of a line that was written over with \r the last
// version. Belongs into an element that keeps white space.
std::string trace_html(std::string_view trace);

}  // namespace slipway::gitlab
