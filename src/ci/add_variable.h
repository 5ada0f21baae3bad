#pragma once

#include <string>
#include <utility>

#include "ci/types.h"

namespace slipway::ci {

inline Variable& add(Variables& variables, std::string key, std::string value) {
  Variable variable;
  variable.key = std::move(key);
  variable.value = std::move(value);
  variables.push_back(std::move(variable));
  return variables.back();
}

// Text that people wrote, which must not be expanded.
inline void add_raw(Variables& variables, std::string key, std::string value) {
  add(variables, std::move(key), std::move(value)).raw = true;
}

}  // namespace slipway::ci
