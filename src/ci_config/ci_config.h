#pragma once

// `.gitlab-ci.yml`: from its text to the jobs of a pipeline, or to GitLab's words on what is wrong.
//
// Pure: whatever is outside (files of this and other projects, the changed paths) comes through
// Source. The same engine serves pushes, the lint API, `slipway ci lint` and `slipway ci run`.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "ci_config/variables.h"

namespace slipway::ci_config {

// Where included files and the repository's state come from. Called on the caller's thread.
class Source {
 public:
  virtual ~Source() = default;
  // A file of the project whose configuration this is, at its commit.
  virtual std::optional<std::string> local(const std::string& path) = 0;
  // Every path of that commit: wildcards of include:local, rules:exists.
  virtual std::vector<std::string> paths() = 0;
  // A source that reads another project at a ref (empty: its default branch). Throws Error
  // with GitLab's words where it is not there or the user may not read it.
  virtual std::unique_ptr<Source> project(const std::string& path, const std::string& ref) = 0;
  // Throws Error{HttpStatus}, whose message is the number, for an answer that is none.
  virtual std::optional<std::string> remote(const std::string& url) = 0;
  // Paths changed by the push, or against `compare_to` where not empty; nothing where there is no
  // diff (a new branch, a schedule, a tag), which makes rules:changes true.
  virtual std::optional<std::vector<std::string>> changed_paths(const std::string& compare_to) = 0;
  // A file of a job's artifacts in the parent pipeline: include:artifact of a child pipeline.
  virtual std::optional<std::string> artifact(const std::string& /*job*/,
                                              const std::string& /*path*/) {
    return std::nullopt;
  }
};

struct Context {
  std::string file = ".gitlab-ci.yml";   // its name, for messages
  std::string pipeline_source = "push";  // CI_PIPELINE_SOURCE
  std::string ref;                       // "main", "v1.0"
  bool tag = false;
  // What rules, workflow and include may use: predefined (not those of a job), instance, group,
  // project and pipeline variables, in rising precedence. The file's own are put below project's.
  Variables predefined;
  Variables outer;         // instance, group, project, then pipeline variables
  bool every_job = false;  // asks no rules: what a lint without a pipeline shows
};

enum class When { kOnSuccess, kOnFailure, kAlways, kManual, kDelayed, kNever };
std::string_view text(When when);

struct Need {
  std::string job;  // a name after parallel's expansion
  bool artifacts = true;
  bool optional = false;
  // needs:project and needs:pipeline; empty otherwise.
  std::string project, ref, pipeline;
};

struct Retry {
  int max = 0;                    // 0 to 2
  std::vector<std::string> when;  // failure reasons; empty: always
  std::vector<int> exit_codes;    // empty: any
};

struct TriggerSpec {
  std::string project;  // empty: a child pipeline; variables not yet expanded
  std::string branch;
  std::string strategy;  // "", "depend" or "mirror"
  bool forward_yaml_variables = true;
  bool forward_pipeline_variables = false;
  // Of a child pipeline: GitLab's include entries ({"local": …}, {"artifact": …, "job": …}, …).
  Json include = Json::array();
};

struct JobSpec {
  std::string name;  // with "1/3" or ": [a, b]" of parallel
  std::string base_name;
  std::string stage;
  int stage_index = 0;
  When when = When::kOnSuccess;
  bool allow_failure = false;
  std::vector<int> allow_failure_exit_codes;  // not empty: only these are allowed
  std::chrono::seconds start_in{0};
  std::optional<std::vector<Need>> needs;  // given: scheduled by its needs, not by stages
  std::optional<std::vector<std::string>> dependencies;
  std::optional<TriggerSpec> trigger;  // a bridge; it has no script
  std::vector<std::string> script;     // before_script and script
  std::vector<std::string> after_script;
  std::vector<std::string> tags;
  Variables variables;  // default, job and rules variables of the file, in rising precedence
  Retry retry;
  std::optional<std::chrono::seconds> timeout;
  bool interruptible = false;
  std::string resource_group;  // not expanded yet
  Json environment;            // null, or {"name", "url", "action", "deployment_tier", …}
  std::string coverage;        // regular expression; empty: none
  int node_index = 0;          // of parallel, from 1; 0: not parallel
  int node_total = 1;
  // As GitLab's runner payload has them, normalised: "image" {"name", "entrypoint"…}, "services"
  // [...], "artifacts" {"paths", "exclude", "untracked", "name", "when", "expire_in", "reports"},
  // "cache" [{"key", "paths", "policy", "when", …}]. Absent where not given.
  Json options = Json::object();
};

struct Plan {
  std::string name;  // workflow:name, not expanded
  std::vector<std::string> stages;
  std::vector<JobSpec> jobs;                 // in the file's order within the stages' order
  Variables variables;                       // the file's global variables, and workflow:rules'
  std::string auto_cancel = "conservative";  // workflow:auto_cancel:on_new_commit
  std::string on_job_failure = "none";       // workflow:auto_cancel:on_job_failure, or "all"
};

struct Where {
  std::string file;
  int line = 0;  // from 1; 0: not known
};

struct Result {
  std::optional<Plan> plan;  // nothing where there are errors
  // In GitLab's words: "jobs:test config contains unknown keys: scripts".
  std::vector<std::string> errors;
  std::vector<Where> error_places;  // of each error
  std::vector<std::string> warnings;
  // No error, and no pipeline: workflow:rules filtered it out, or no job is left.
  bool filtered = false;
  std::string filter_reason;  // "Pipeline filtered out by workflow rules." / "The resulting
                              // pipeline would have been empty. …"
  std::string merged_yaml;
  std::vector<Json> includes;  // {"type", "location", "context_project", …} of the lint API
};

// Never throws for what the text says; Error comes only from `source` and is turned into an error.
// Bounds: 150 includes, 11 levels of extends, 10 of nested arrays, 50 needs, 200 parallel.
Result compile(const std::string& text, const Context& context, Source& source);

// Whether a rule's `if` holds. Throws Error{InvalidExpression} for bad syntax.
bool holds(const std::string& expression, const Variables& variables);

// "1h 30m", "2 days", "3600", "never" (nothing). Throws Error{InvalidDuration}.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace slipway::ci_config
