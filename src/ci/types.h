#pragma once

// Values of CI: pipelines, jobs and what belongs to them. Names and statuses are GitLab's.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "ci/stored.h"
#include "ci_config/ci_config.h"
#include "forge/types.h"

namespace slipway::ci {

enum class Status {
  kCreated,
  kWaitingForResource,
  kPreparing,
  kPending,
  kRunning,
  kSuccess,
  kFailed,
  kCanceling,
  kCanceled,
  kSkipped,
  kManual,
  kScheduled,
};
std::string_view text(Status status);
std::optional<Status> status_of(std::string_view text);
// success, failed, canceled, skipped
bool is_complete(Status status);

struct Pipeline {
  Id id = 0;
  Id iid = 0;  // counts within the project
  Id project = 0;
  Id user = 0;
  std::string ref;  // "main"
  bool tag = false;
  std::string sha;
  std::string before_sha;
  std::string source;  // "push", "schedule", "pipeline", "parent_pipeline", "trigger", "web", "api"
  Status status = Status::kCreated;
  std::string name;
  std::vector<std::string> yaml_errors;
  std::vector<std::string> yaml_error_places;  // of each: ".gitlab-ci.yml:3", "" where not known
  std::vector<std::string> stages;
  Variables variables;  // given from outside: trigger, schedule, API
  std::optional<Id> schedule;
  std::optional<Id> upstream_job;  // the bridge that made it
  std::optional<Id> parent;        // of a child pipeline
  // What later steps need and nobody filters by: {"commit": {"message", "author", "timestamp",
  // "tag_message"}, "auto_cancel", "on_job_failure", "cancels_older", "protected", "timeout"}.
  Json context = Json::object();
  base::Millis created = 0;
  base::Millis updated = 0;
  std::optional<base::Millis> started;
  std::optional<base::Millis> finished;
};

struct Artifact {
  std::string type;    // "archive", "dotenv", "junit", "metadata", …
  std::string format;  // "zip", "gzip", "raw"
  std::string filename;
  std::uint64_t size = 0;
  std::string sha256;
  std::optional<base::Millis> expires;
};

// A build, or a bridge where spec.trigger is given.
struct Job {
  Id id = 0;
  Id pipeline = 0;
  Id project = 0;
  Id user = 0;
  ci_config::JobSpec spec;
  Status status = Status::kCreated;
  std::string failure_reason;   // "script_failure", …; empty where it did not fail
  std::string failure_message;  // one sentence more, where there is one
  std::optional<int> exit_code;
  bool retried = false;            // a later job took its place
  bool immediate = false;          // retried by hand: starts though it is manual or delayed
  bool artifacts_expired = false;  // it had some, and they are gone
  bool external = false;           // a status from outside; no runner takes it
  bool debug_trace = false;        // its trace shows what only those may see who may run it
  int attempt = 1;
  std::optional<Id> downstream;  // of a bridge: the pipeline that it made
  std::optional<Id> runner;
  std::optional<Id> environment_id;  // that it was started to deploy to
  std::optional<double> coverage;
  Variables variables;                     // given when it was played
  Json dotenv = Json::object();            // what reports:dotenv brought: {"KEY": "value"}
  std::vector<std::string> secret_dotenv;  // keys of it whose value shows a secret of the job
  std::vector<Artifact> artifacts;
  std::uint64_t trace_size = 0;
  base::Millis created = 0;
  std::optional<base::Millis> queued;
  std::optional<base::Millis> started;
  std::optional<base::Millis> finished;
  std::optional<base::Millis> scheduled;  // of a delayed job: when it starts
  std::optional<base::Millis> erased;

  bool is_bridge() const { return spec.trigger.has_value(); }
  const std::string& name() const { return spec.name; }
  const std::string& stage() const { return spec.stage; }
};

}  // namespace slipway::ci
