#include "base/json_depth.h"

#include <algorithm>

namespace slipway::base {
namespace {

bool opens(char c) { return c == '{' || c == '['; }

}  // namespace

bool nests_deeper(std::string_view text, std::size_t levels) {
  // Nearly every text has too few of them to nest so deep, which is quick to see.
  const auto opening = std::count_if(text.begin(), text.end(), opens);
  if (static_cast<std::size_t>(opening) <= levels) return false;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (opens(c)) {
      if (++depth > levels) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace slipway::base
