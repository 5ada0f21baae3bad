#pragma once

// The decisions of this room, as pure functions: tested by tables.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "containers/containers.h"

namespace slipway::containers {

// Container ids name directories and cgroups: [a-z0-9][a-z0-9.-]{0,127}.
bool is_container_id(std::string_view id);

// How the machine's control groups are mounted. Hybrid is version 1 with an empty
// version 2 tree beside it.
enum class CgroupLayout { kNone, kVersion1, kHybrid, kVersion2 };

// The runtimes to try, best first. crun starts faster, but refuses the hybrid layout.
std::vector<std::string> runtimes_to_try(const std::string& wanted, CgroupLayout layout);

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
};
// The USER of an image ("", "name", "uid", "uid:gid", "name:group") by the image's own
// /etc/passwd and /etc/group. Throws Error where a name is in neither.
User resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

// Why the runtime could not start the container, from the log that it kept in JSON lines. The
// code is the shell's and Docker's: 127 no such program, 126 not executable, 125 anything else.
Exit start_failure(std::string_view runtime_log, base::Millis at);

// How a container ended, from its wait status. `killed_for_memory`: its control group says so.
Exit exit_from_status(int wait_status, bool killed_for_memory, base::Millis at);

// What stands behind a container's directory after a restart of the server.
struct Found {
  bool lock_held = false;
  bool taken_over = false;  // a shim wrote its name into the lock file
  bool exit_written = false;
};
enum class Recovery { kRunning, kExited, kLost, kNeverStarted };
Recovery recover(const Found& found);

}  // namespace slipway::containers
