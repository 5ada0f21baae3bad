#pragma once

// What lies in a container's directory. Format: docs/formats/containers.md.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/json.h"
#include "containers/cgroups.h"
#include "containers/containers.h"

namespace slipway::containers {

// A value: only names.
struct Paths {
  explicit Paths(const std::filesystem::path& of)
      : directory(of),
        plan(of / "plan.json"),
        lock(of / "lock"),
        control(of / "control"),
        log(of / "log"),
        running(of / "running.json"),
        exit(of / "exit.json") {}

  std::filesystem::path directory;
  std::filesystem::path plan;     // what the shim is to do
  std::filesystem::path lock;     // held by the shim; "<pid> <boot id>" once it took over
  std::filesystem::path control;  // a FIFO: "stop <grace ms>\n"
  std::filesystem::path log;
  std::filesystem::path running;
  std::filesystem::path exit;
};

// All that the shim must know, so that it depends on nothing but its directory.
struct Plan {
  ContainerSpec spec;              // without image.keep
  std::string runtime;             // full path
  std::filesystem::path skeleton;  // the root's lowest layer
  bool rootless = false;
  std::string cgroup_path;               // for the runtime; empty: none
  CgroupSupport limits;                  // what can be set
  CgroupDirectories cgroup_directories;  // to read and to remove
};
Json to_json(const Plan& plan);
// Throws Error where a member is missing or of a wrong type.
Plan plan_from_json(const Json& json);
// Nothing where it is not there or not whole.
std::optional<Plan> read_plan(const Paths& paths);

// The container's first process, as the machine counts it.
struct Running {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // field 22 of /proc/<pid>/stat: tells a reused pid
};
void write_running(const Paths& paths, const Running& running);
std::optional<Running> read_running(const Paths& paths);
// The field 22 of a /proc/<pid>/stat.
std::optional<std::uint64_t> start_time_of(const std::string& stat);

// Durable: survives a power cut once it returns.
void write_exit(const Paths& paths, const Exit& exit);
std::optional<Exit> read_exit(const Paths& paths);

struct LockHolder {
  pid_t pid = 0;
  std::string boot_id;
};
void write_holder(int lock, const LockHolder& holder);
std::optional<LockHolder> read_holder(const Paths& paths);
bool is_lock_held(const Paths& paths);
std::string boot_id();

// Deletes a tree whatever modes its directories have, never following a link out of it. Takes trees
// of any depth. Throws Error where something cannot be deleted.
void remove_tree(const std::filesystem::path& path);

}  // namespace slipway::containers
