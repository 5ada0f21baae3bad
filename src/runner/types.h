#pragma once

// Values of the room: what a job's options ask of its runner.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ci/types.h"

namespace slipway::runner {

using ci::Id;

// One upload: the archive, or one report.
struct ArtifactRequest {
  std::string type = "archive";  // "dotenv", "junit", …
  std::string format = "zip";    // "gzip", "raw"
  std::string name;              // of the archive without ".zip", of a report's file; may be empty
  bool untracked = false;
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  std::string when = "on_success";
  std::string expire_in;
};

struct CacheRequest {
  std::string key = "default";
  bool untracked = false;
  std::vector<std::string> paths;
  std::string policy = "pull-push";
  std::string when = "on_success";
  std::vector<std::string> fallback_keys;
};

struct ServiceRequest {
  std::string image;
  std::vector<std::string> aliases;
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> command;
  ci::Variables variables;
};

// How a job's work ended.
enum class Ending {
  kSuccess,
  kScriptFailure,
  kTimeout,
  kCanceled,
  kImageFailure,
  kSystemFailure,
};

struct Outcome {
  Ending ending = Ending::kSuccess;
  int exit_code = 0;
  std::string message;  // of a failure that is not the script's
};

}  // namespace slipway::runner
