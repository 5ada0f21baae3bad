#pragma once

// Whether a job is in the pipeline, and with what: `rules`, or `only` and `except`; `workflow`.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ci_config/ci_config.h"
#include "ci_config/conditions.h"
#include "ci_config/jobs.h"

namespace slipway::ci_config {

struct Decision {
  bool included = false;
  When when = When::kOnSuccess;
  bool allow_failure = false;
  // A rule's allow_failure overrides the job's exit codes as well.
  bool keeps_exit_codes = true;
  std::chrono::seconds start_in{0};
  Variables variables;          // of the rule
  const Node* needs = nullptr;  // of the rule; lives as long as the job's configuration
  std::optional<bool> interruptible;
};

// The run that is decided about.
struct Run {
  const Context& context;
  Conditions& conditions;
  bool has_workflow_rules = false;
};

// `variables`: all that the job's rules may use. Throws Error with GitLab's words where a rule
// cannot be decided.
Decision decide(const Job& job, const Run& run, const Variables& variables);

struct WorkflowDecision {
  bool runs = true;
  Variables variables;
  // Empty: not given.
  std::string auto_cancel, on_job_failure;
};

// `workflow`: null where there is none.
WorkflowDecision decide_workflow(const Node* workflow, Conditions& conditions,
                                 const Variables& variables);

}  // namespace slipway::ci_config
