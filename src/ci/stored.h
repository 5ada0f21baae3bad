#pragma once

// Values of CI that outlive pipelines: runners, triggers, schedules, variables, environments.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "ci_config/variables.h"
#include "forge/types.h"

namespace slipway::ci {

using ci_config::Variable;
using ci_config::Variables;
using forge::Id;

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

// Of jobs that must not run beside one another.
struct ResourceGroup {
  Id id = 0;
  Id project = 0;
  std::string key;
  // Or "oldest_first", "newest_first", "newest_ready_first": by their pipelines.
  std::string process_mode = "unordered";
  base::Millis created = 0;
  base::Millis updated = 0;
};

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
