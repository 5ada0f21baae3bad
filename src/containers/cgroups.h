#pragma once

// Control groups, both versions: where a container's group lies, whether this process may
// make groups at all, and what they tell. The limits themselves are set by the runtime.
//
// Version 1 groups are made below this process's own, so limits that the machine set for
// the server hold for its containers too. Version 2 does not allow groups below one that has
// processes: there they are made in /slipway as root, else beside this process's own.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "containers/decide.h"

namespace slipway::containers {

// Directories, by controller ("cpu", "memory", "name=systemd"…; version 2: "").
struct CgroupTree {
  CgroupLayout layout = CgroupLayout::kNone;
  std::map<std::string, std::string> parents;  // below which "slipway" is made
  std::string runtime_parent;  // what the runtime is told: "slipway", or absolute on version 2
};

// From the texts of /proc/self/mountinfo and /proc/self/cgroup.
enum class Privilege { kRoot, kNone };
CgroupTree parse_cgroups(std::string_view mountinfo, std::string_view own, Privilege privilege);
// Of this process.
CgroupTree read_cgroups(Privilege privilege);

// Which limits can be had here.
struct CgroupSupport {
  bool cpu = false;
  bool memory = false;
  bool processes = false;
  bool any() const { return cpu || memory || processes; }
};
// Makes the "slipway" groups and looks which controllers they have.
CgroupSupport probe_cgroups(const CgroupTree& tree);

// The directories of one container's group, by controller.
using CgroupDirectories = std::map<std::string, std::string>;
CgroupDirectories cgroup_directories(const CgroupTree& tree, const std::string& container);
bool killed_for_memory(const CgroupDirectories& directories);
// Nothing where the group is gone or does not count.
std::optional<Usage> usage_of(const CgroupDirectories& directories);
// The groups must have no processes any more; what is not there is fine.
void remove_cgroups(const CgroupDirectories& directories) noexcept;

}  // namespace slipway::containers
