#include <unistd.h>

#include "base/strings.h"
#include "containers/containers.h"
#include "containers/network.h"
#include "containers/shim.h"

namespace slipway::containers {

std::optional<int> run_hidden_role(int argc, char** argv) {
  if (argc < 3) return std::nullopt;
  const std::string_view role = argv[1];
  // Without the exit handlers: a leak checker's would start a thread, which a process that has
  // unshared its process namespace cannot.
  if (role == kShimRole) ::_exit(run_shim(argv[2]));
  if (role == kConnectRole && argc == 5) {
    const auto pid = base::parse_integer(argv[2]);
    const auto port = base::parse_integer(argv[3]);
    const auto timeout = base::parse_integer(argv[4]);
    if (!pid || !port || !timeout) return 2;
    return run_connect_helper(static_cast<pid_t>(*pid), static_cast<std::uint16_t>(*port),
                              std::chrono::milliseconds(*timeout));
  }
  return std::nullopt;
}

}  // namespace slipway::containers
