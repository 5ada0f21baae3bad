#pragma once

#include <functional>
#include <string_view>

#include "base/subprocess.h"

namespace slipway::ship {

// As base::run(), with whole lines of both streams as they come, on this thread.
base::CommandResult run_by_lines(base::Command command,
                                 const std::function<void(std::string_view)>& on_line);

}  // namespace slipway::ship
