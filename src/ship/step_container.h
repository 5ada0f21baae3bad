#pragma once

// Runs one command in a container on the user's machine and waits for it: a build step, a
// lint, the repository's tests.

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "containers/containers.h"
#include "images/build.h"

namespace slipway::ship {

struct Step {
  images::UnpackedImage image;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::string working_directory;
  std::vector<containers::Mount> mounts;
  containers::Network network = containers::Network::kNone;
  std::chrono::seconds timeout{3600};
};

// Calls `on_line` with each line of output, in order, on this thread. Returns the exit code;
// throws Error where the container cannot be started or outlives the timeout (it is stopped then).
int run_step(containers::Engine& engine, const Step& step,
             const std::function<void(std::string_view)>& on_line);

// The builder's steps, with network: they fetch packages.
class ContainerSteps final : public images::StepRunner {
 public:
  explicit ContainerSteps(containers::Engine& engine) : engine_(engine) {}
  int run(const images::UnpackedImage& base, const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& environment,
          const std::vector<std::pair<std::filesystem::path, std::string>>& writable_mounts,
          std::function<void(std::string_view)> on_line) override;

 private:
  containers::Engine& engine_;
};

}  // namespace slipway::ship
