#pragma once

// The builder's steps without a container: in a CI job, which is one already.

#include "images/build.h"

namespace slipway::ship {

// Runs each step as a process of this machine, with the paths of its mounts replaced by the
// directories that they show. Only for the base `host`, whose files are this machine's own; throws
// Error{BuildError} for any other. A step has an hour.
class StepsHere final : public images::StepRunner {
 public:
  int run(const images::UnpackedImage& base, const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& environment,
          const std::vector<std::pair<std::filesystem::path, std::string>>& writable_mounts,
          std::function<void(std::string_view)> on_line) override;
};

}  // namespace slipway::ship
