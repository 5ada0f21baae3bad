#pragma once

// What CI is asked for.

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "ci/types.h"

namespace slipway::ci {

// The open merge requests of a branch, as CI_OPEN_MERGE_REQUESTS has them: "group/project!7,…".
using OpenMergeRequests = std::function<std::string(Id project, const std::string& branch)>;

struct NewPipeline {
  Id project = 0;
  std::string ref;     // branch or tag
  std::string source;  // "api", "web", "trigger", "schedule", "pipeline", …
  Variables variables;
  std::string sha;         // the ref's where empty
  std::string before_sha;  // of a push
  // The same key makes the same pipeline once: a push's id, a schedule's moment.
  std::string once;
  std::optional<Id> schedule, upstream_job, parent;
  std::optional<std::string> configuration;  // of a child pipeline: its own text
  // json_of(MergeRequestFacts), with its ref and `sha`; null: not for a merge request.
  Json merge_request;
};

struct PipelineFilter {
  std::optional<std::string> ref, sha, status, source, username, name, scope;
  std::optional<base::Millis> updated_after, updated_before;
  std::string order_by = "id";
  bool ascending = false;
  int offset = 0, limit = 20;
};

}  // namespace slipway::ci
