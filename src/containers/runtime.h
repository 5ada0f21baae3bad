#pragma once

// Which OCI runtime this machine has.

#include <string>

#include "containers/decide.h"

namespace slipway::containers {

struct Runtime {
  std::string name;  // "crun" or "runc"
  std::string path;  // in full
};

// The first that is there and runs. Throws Error that says what to install where none is.
Runtime find_runtime(const std::string& wanted, CgroupLayout layout);

}  // namespace slipway::containers
