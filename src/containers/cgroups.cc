#include "containers/cgroups.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::containers {
namespace {

constexpr const char* kName = "slipway";
constexpr const char* kUnified = "unified";  // the empty version 2 tree of the hybrid layout

// Files of /proc and of control groups have no size: read until the end.
std::optional<std::string> read_small(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_small(const std::string& path, std::string_view text) {
  const base::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // A controller that cannot be enabled is found missing by the probe afterwards.
  if (file && ::write(file.get(), text.data(), text.size()) < 0) return;
}

struct CgroupMount {
  std::string root;
  std::string point;
  bool version2 = false;
  std::set<std::string> controllers;
};

// "36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup cgroup rw,memory"
std::vector<CgroupMount> cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (const std::string& line : base::split(mountinfo, '\n')) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> left = base::split(std::string_view(line).substr(0, dash), ' ');
    const std::vector<std::string> right =
        base::split(std::string_view(line).substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    if (right[0] != "cgroup" && right[0] != "cgroup2") continue;
    CgroupMount mount{left[3], left[4], right[0] == "cgroup2", {}};
    for (const std::string& option : base::split(right[2], ',')) mount.controllers.insert(option);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

// "4:memory:/path", "3:cpu,cpuacct:/path", "0::/path": the path, by controller.
std::map<std::string, std::string> own_paths(std::string_view own) {
  std::map<std::string, std::string> paths;
  for (const std::string& line : base::split(own, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string path = line.substr(second + 1);
    const std::string names = line.substr(first + 1, second - first - 1);
    if (names.empty()) paths[""] = path;
    for (const std::string& name : base::split(names, ',')) paths[name] = path;
  }
  return paths;
}

// The directory of group `path` in a mount that may show only the part below its root.
std::string directory_in(const CgroupMount& mount, std::string path) {
  if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
  if (path == "/") path.clear();
  return mount.point + path;
}

CgroupTree parse_version2(const CgroupMount& mount, const std::string& own, Privilege privilege) {
  CgroupTree tree;
  tree.layout = CgroupLayout::kVersion2;
  std::string parent;
  if (privilege == Privilege::kNone) {
    parent = std::filesystem::path(own).parent_path().string();
    if (parent == "/") parent.clear();
  }
  tree.parents[""] = directory_in(mount, parent);
  tree.runtime_parent = parent + "/" + kName;
  return tree;
}

std::uint64_t number_in(const std::string& text) {
  const auto number = base::parse_integer(base::trim(text));
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

// The number behind `key` in lines of "key number".
std::uint64_t keyed_number(const std::optional<std::string>& text, std::string_view key) {
  if (!text) return 0;
  for (const std::string& line : base::split(*text, '\n')) {
    const std::vector<std::string> words = base::split(line, ' ');
    if (words.size() == 2 && words[0] == key) return number_in(words[1]);
  }
  return 0;
}

std::optional<std::string> read_in(const CgroupDirectories& directories,
                                   const std::string& controller, const std::string& file) {
  const auto found = directories.find(controller);
  if (found == directories.end()) return std::nullopt;
  return read_small(found->second + "/" + file);
}

std::uint64_t less(std::uint64_t all, std::uint64_t part) { return all > part ? all - part : 0; }

}  // namespace

CgroupTree parse_cgroups(std::string_view mountinfo, std::string_view own, Privilege privilege) {
  const std::vector<CgroupMount> mounts = cgroup_mounts(mountinfo);
  const std::map<std::string, std::string> paths = own_paths(own);
  CgroupTree tree;
  const CgroupMount* version2 = nullptr;
  for (const CgroupMount& mount : mounts) {
    if (mount.version2) {
      version2 = &mount;
      continue;
    }
    // Every hierarchy, also those without limits: the runtime makes a group in each.
    for (const auto& [controller, path] : paths) {
      if (!mount.controllers.contains(controller)) continue;
      tree.parents[controller] = directory_in(mount, path);
    }
  }
  if (!tree.parents.empty()) {
    tree.layout = version2 ? CgroupLayout::kHybrid : CgroupLayout::kVersion1;
    tree.runtime_parent = kName;
    if (version2 && paths.contains("")) {
      tree.parents[kUnified] = directory_in(*version2, paths.at(""));
    }
    return tree;
  }
  const auto path = paths.find("");
  if (version2 && path != paths.end()) return parse_version2(*version2, path->second, privilege);
  return tree;
}

CgroupTree read_cgroups(Privilege privilege) {
  return parse_cgroups(read_small("/proc/self/mountinfo").value_or(""),
                       read_small("/proc/self/cgroup").value_or(""), privilege);
}

CgroupSupport probe_cgroups(const CgroupTree& tree) {
  CgroupSupport support;
  for (const auto& [controller, parent] : tree.parents) {
    if (tree.layout == CgroupLayout::kVersion2) {
      for (const char* wanted : {"+cpu", "+memory", "+pids"}) {
        write_small(parent + "/cgroup.subtree_control", wanted);
      }
    }
    const std::string directory = parent + "/" + kName;
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) continue;
    if (::access(directory.c_str(), W_OK) != 0) continue;
    const auto has = [&](const char* file) {
      return ::access((directory + "/" + file).c_str(), W_OK) == 0;
    };
    support.cpu |= has("cpu.max") || has("cpu.cfs_quota_us");
    support.memory |= has("memory.max") || has("memory.limit_in_bytes");
    support.processes |= has("pids.max");
    // Version 1 shows pids.max only below the root, which is where this directory is.
    if (tree.layout == CgroupLayout::kVersion2) {
      for (const char* wanted : {"+cpu", "+memory", "+pids"}) {
        write_small(directory + "/cgroup.subtree_control", wanted);
      }
    }
  }
  return support;
}

CgroupDirectories cgroup_directories(const CgroupTree& tree, const std::string& container) {
  CgroupDirectories directories;
  for (const auto& [controller, parent] : tree.parents) {
    directories[controller] = parent + "/" + kName + "/" + container;
  }
  return directories;
}

bool killed_for_memory(const CgroupDirectories& directories) {
  return keyed_number(read_in(directories, "memory", "memory.oom_control"), "oom_kill") > 0 ||
         keyed_number(read_in(directories, "", "memory.events"), "oom_kill") > 0;
}

std::optional<Usage> usage_of(const CgroupDirectories& directories) {
  Usage usage;
  // The page cache that can be dropped at once is not what the container needs.
  if (const auto stat = read_in(directories, "", "cpu.stat")) {
    usage.cpu_seconds = static_cast<double>(keyed_number(stat, "usage_usec")) / 1e6;
    const auto memory = read_in(directories, "", "memory.current");
    if (!memory) return std::nullopt;
    usage.memory_bytes = less(
        number_in(*memory), keyed_number(read_in(directories, "", "memory.stat"), "inactive_file"));
    return usage;
  }
  const auto cpu = read_in(directories, "cpuacct", "cpuacct.usage");
  const auto memory = read_in(directories, "memory", "memory.usage_in_bytes");
  if (!cpu || !memory) return std::nullopt;
  usage.cpu_seconds = static_cast<double>(number_in(*cpu)) / 1e9;
  usage.memory_bytes =
      less(number_in(*memory),
           keyed_number(read_in(directories, "memory", "memory.stat"), "total_inactive_file"));
  return usage;
}

void remove_cgroups(const CgroupDirectories& directories) noexcept {
  for (const auto& [controller, directory] : directories) ::rmdir(directory.c_str());
}

}  // namespace slipway::containers
