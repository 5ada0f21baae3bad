#pragma once

// The config.json of a bundle, by the OCI runtime specification 1.0.

#include <string>
#include <vector>

#include "base/json.h"
#include "containers/decide.h"
#include "containers/directory.h"

namespace slipway::containers {

// One of the runtime's mounts beyond the usual ones.
struct BindMount {
  std::string source;
  std::string target;
  Access access = Access::kReadOnly;
};

// What the shim found and made before it can write the configuration.
struct BundleFacts {
  std::string root;
  User user;
  std::vector<BindMount> mounts;  // of the base, the resolver and so on; before the caller's
  std::uint32_t open_files = 0;   // the limit that this machine allows; 0: leave it
};

Json oci_config(const Plan& plan, const BundleFacts& facts);

// The runtime's command line: starts the container of the bundle and comes back.
std::vector<std::string> runtime_command(const Plan& plan, const std::string& bundle);

// NAME=value in order: the defaults, the image's, the caller's; a later one replaces an earlier
// one.
std::vector<std::string> environment_of(const ContainerSpec& spec);
std::string hostname_of(const ContainerSpec& spec);

}  // namespace slipway::containers
