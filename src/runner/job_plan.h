#pragma once

// What a job's execution consists of, worked out from its assignment: pure.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ci/queue.h"
#include "runner/decide.h"
#include "runner/script.h"
#include "runner/sources.h"
#include "runner/types.h"

namespace slipway::runner {

struct JobPlan {
  std::string image;  // as named; empty: the machine's own
  std::optional<std::vector<std::string>> entrypoint;
  ScriptSpec script;
  Sources sources;  // without its directories
  std::vector<ArtifactRequest> artifacts;
  std::vector<CacheRequest> caches;
  std::vector<ServiceRequest> services;
  std::vector<std::string> host_names;  // of services; they get the loopback's address
};

struct PlanFacts {
  int place = 0;  // of the executor: CI_CONCURRENT_ID
  int slot = 0;   // of the project: CI_CONCURRENT_PROJECT_ID
  bool is_protected = false;
  std::function<std::string(const std::string& path)> last_change;
};

// Paths, names and keys are expanded with the job's variables.
JobPlan plan_of(const ci::Assignment& assignment, const PlanFacts& facts);

// The job's variables and the runner's own, each expanded once, as gitlab-runner does.
ci::Variables runner_variables(const ci::Assignment& assignment, const PlanFacts& facts,
                               const std::string& image);

// A file of hosts, the machine's with these names.
std::string hosts_with(std::string hosts, const std::vector<std::string>& names);

// What makes git, curl, Python and the AWS tools trust the authorities in `bundle`, but for what
// the image says itself ("NAME=value").
std::map<std::string, std::string> trust_in(const std::string& bundle,
                                            const std::vector<std::string>& image_environment);

}  // namespace slipway::runner
