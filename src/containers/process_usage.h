#pragma once

// What a container uses, counted over its processes: for machines that give no control groups.

#include <optional>

#include <sys/types.h>

#include "containers/containers.h"

namespace slipway::containers {

// Of the process namespace that process `pid` is in. Time of processes that ended and were
// waited for by an ancestor in the namespace is included. Nothing where `pid` is gone.
std::optional<Usage> usage_of_processes(pid_t pid);

}  // namespace slipway::containers
