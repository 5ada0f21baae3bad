#pragma once

// The decisions of CI, pure: from the statuses of a pipeline's jobs to what happens next. Order
// and outcomes are GitLab's; whoever changes a status asks process() until nothing follows.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ci/types.h"

namespace slipway::ci {

struct Part {
  Status status = Status::kCreated;
  bool allow_failure = false;
};

// The status of many as one: of a stage, a pipeline, or (dag) of the jobs that a job needs.
// Success where there are none.
Status composite(const std::vector<Part>& parts, bool dag);

// What scheduling knows of a job. Retried jobs are left out.
struct Node {
  std::string name;
  int stage = 0;
  Status status = Status::kCreated;
  bool allow_failure = false;
  ci_config::When when = ci_config::When::kOnSuccess;
  bool immediate = false;     // a manual or delayed job that starts at once
  bool has_resource = false;  // of a resource group
  // Given: waits for these alone; names without a job count for nothing.
  std::optional<std::vector<std::string>> needs;
};
Node node_of(const Job& job);

enum class Next { kSkip, kWaitForHuman, kDelay, kEnqueue };
struct Step {
  std::size_t node = 0;
  Next next = Next::kSkip;
  bool operator==(const Step&) const = default;
};

// What becomes of the created jobs, in order of stages and needs.
std::vector<Step> process(std::vector<Node> nodes);

// The status that follows on `now`. A pipeline that has run does not go back to pending.
Status pipeline_status(Status now, const std::vector<Node>& nodes);
Status stage_status(Status now, const std::vector<Node>& nodes, int stage);

// The skipped jobs that are to be processed again when `node` starts again.
std::vector<std::size_t> to_reset(const std::vector<Node>& nodes, std::size_t node);

// Running, or on its way to it. A manual job is neither.
bool is_cancelable(Status status);
bool is_playable(const Job& job);
bool is_retryable(const Job& job);

// Whether a failure makes the job again, by its own `retry`.
bool retries_itself(const ci_config::Retry& retry, int attempt, const std::string& reason,
                    std::optional<int> exit_code);
// Whether allow_failure:exit_codes forgives this one.
bool is_forgiven(const ci_config::JobSpec& spec, std::optional<int> exit_code);

// What a bridge becomes when its downstream pipeline has this status; nothing: stays as it is.
std::optional<Status> inherited(const std::string& strategy, Status downstream);

// Jobs to cancel in an older pipeline, for a newer commit on its branch. `mode` is the older
// pipeline's workflow:auto_cancel:on_new_commit.
std::vector<std::size_t> redundant(const std::string& mode, const std::vector<Job>& jobs);

// The pick rule. `ref_protected`: the job's pipeline runs on a protected ref.
bool fits(const Runner& runner, const Job& job, bool ref_protected);

// In words for people why no runner will take the job; "" where one may.
std::string why_stuck(const std::vector<Runner>& runners, const Job& job, bool ref_protected);
// Until when a job waits for a runner: an hour where none may take it, else a day.
base::Millis stuck_at(base::Millis queued, bool has_runner);

// Names, in the pipeline, of the jobs whose artifacts the job gets, in order.
std::vector<std::size_t> artifact_sources(const std::vector<Job>& jobs, const Job& of);

// A job that must end by itself now, and for what reason.
struct Overdue {
  std::string reason;  // "job_execution_timeout", "stuck_or_timeout_failure"
};
struct Liveness {
  base::Millis started = 0;
  base::Millis contacted = 0;
  base::Millis timeout = 0;    // how long the job may run
  base::Millis grace = 0;      // more, for the runner to end it itself
  base::Millis heartbeat = 0;  // how long it may be silent
};
std::optional<Overdue> overdue(const Liveness& job, base::Millis now);
base::Millis overdue_at(const Liveness& job);

}  // namespace slipway::ci
