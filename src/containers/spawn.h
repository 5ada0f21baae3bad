#pragma once

// Starting this binary again in one of its hidden roles.

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace slipway::containers {

// Starts `self` with `arguments`, descriptors 0 to 2 on /dev/null, `inherited` as 3, 4 and so
// on, and nothing else open. Its environment is PATH and the loader's variables: the server's
// own may hold secrets. Uses posix_spawn, so that its cost does not grow with the server. Returns
// the pid, which the caller waits for, or -1 with errno set.
pid_t spawn_self(const std::filesystem::path& self, const std::vector<std::string>& arguments,
                 const std::vector<int>& inherited);

}  // namespace slipway::containers
