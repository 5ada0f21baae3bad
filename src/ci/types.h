#pragma once

// Values of CI: pipelines, jobs and what belongs to them. Names and statuses are GitLab's.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "ci_config/ci_config.h"
#include "forge/types.h"

namespace slipway::ci {

using ci_config::Variable;
using ci_config::Variables;
using forge::Id;

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
  std::vector<std::string> stages;
  Variables variables;  // given from outside: trigger, schedule, API
  std::optional<Id> schedule;
  std::optional<Id> upstream_job;  // the bridge that made it
  std::optional<Id> parent;        // of a child pipeline
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
  bool retried = false;  // a later job took its place
  int attempt = 1;
  std::optional<Id> downstream;  // of a bridge: the pipeline that it made
  std::optional<Id> runner;
  std::optional<double> coverage;
  Variables variables;           // given when it was played
  Json dotenv = Json::object();  // what reports:dotenv brought: {"KEY": "value"}
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

struct Runner {
  Id id = 0;
  std::string description;
  std::string type = "instance_type";  // or "group_type", "project_type"
  std::optional<Id> project;
  std::vector<std::string> tags;
  bool run_untagged = true;
  bool paused = false;
  bool locked = false;
  bool only_protected = false;
  std::optional<int> maximum_timeout;  // seconds
  base::Millis created = 0;
  std::optional<base::Millis> contacted;
  Json info = Json::object();  // version, platform, architecture, executor, features
};

struct Trigger {
  Id id = 0;
  Id project = 0;
  Id owner = 0;
  std::string description;
  std::string token;  // "glptt-…"
  base::Millis created = 0;
  std::optional<base::Millis> last_used;
};

struct Schedule {
  Id id = 0;
  Id project = 0;
  Id owner = 0;
  std::string description;
  std::string ref;
  std::string cron;
  std::string time_zone = "UTC";
  bool active = true;
  Variables variables;
  std::optional<base::Millis> next_run;
  std::optional<Id> last_pipeline;
  base::Millis created = 0;
  base::Millis updated = 0;
};

// A CI variable of the instance, a group or a project, as the API has it.
struct StoredVariable {
  Variable variable;
  std::string environment_scope = "*";
  std::string description;
  bool hidden = false;
};
enum class Owner { kInstance, kGroup, kProject };

struct Environment {
  Id id = 0;
  Id project = 0;
  std::string name;
  std::string slug;
  std::string url;
  std::string tier;
  std::string state = "available";
  std::optional<Id> last_job;
  base::Millis created = 0;
  base::Millis updated = 0;
};

}  // namespace slipway::ci
