#pragma once

// The pseudo-base "host": which parts of the machine a container on it sees, and the skeleton,
// the lowest layer of every root, with the directories that mounts need.
//
// The list is a list of what is let in: nothing else of /etc, no home, no /var.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::containers {

enum class Base { kEmpty, kHost };

// Makes the skeleton at `directory`. Repeatable.
void build_skeleton(const std::filesystem::path& directory, Base base);

struct HostPath {
  std::string path;
  bool directory = false;
};
// What of the machine is mounted read-only over the skeleton; links are in the skeleton itself.
std::vector<HostPath> host_paths();

// File systems of the machine mounted below `path`, by the text of /proc/self/mountinfo. A
// read-only bind does not cover them, so each is bound by itself.
std::vector<std::string> mounts_below(std::string_view mountinfo, std::string_view path);

}  // namespace slipway::containers
