#pragma once

// The process that stands between the server and one container: its roles on the command line.

#include <filesystem>

namespace slipway::containers {

inline constexpr const char* kShimRole = "--slipway-container-shim";
// Descriptors that the server leaves to the shim.
inline constexpr int kShimLock = 3;     // the container's lock, already held
inline constexpr int kShimControl = 4;  // the FIFO, open for both directions

// argv: self, kShimRole, directory. Returns to the server's waitpid() once the shim proper, the
// first process of a process namespace of its own, has taken over; that one never returns here.
// Being the first there, its death, also by SIGKILL, ends the container: the kernel sees to it.
int run_shim(const std::filesystem::path& directory);

}  // namespace slipway::containers
