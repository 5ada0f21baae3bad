#pragma once

// Makes a container's root file system, in the mount namespace of the calling process: nothing
// of it is left when the process is gone.

#include <filesystem>
#include <string>
#include <vector>

#include "containers/directory.h"
#include "containers/oci_config.h"

namespace slipway::containers {

struct Root {
  std::filesystem::path root;      // the merged tree
  std::filesystem::path bundle;    // a tmpfs for config.json and the runtime's own state
  std::vector<BindMount> mounts;   // what the runtime adds to it
  std::vector<std::string> notes;  // for the container's log: what is not as usual here
};

// Throws Error where this machine cannot mount what the image needs.
Root make_root(const Plan& plan, const Paths& paths);

// A file of the merged tree, links followed inside of it only. Empty where there is none.
std::string read_in_root(const std::filesystem::path& root, const std::string& path);

}  // namespace slipway::containers
