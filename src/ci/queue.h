#pragma once

// The job queue: one way for every runner. The embedded executor calls it in the process; stock
// gitlab-runner processes reach it through the coordinator's API (runner/).

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "ci/types.h"

namespace slipway::ci {

// What a runner gets with a job.
struct Assignment {
  Job job;
  Pipeline pipeline;
  forge::Project project;
  std::string token;    // glcbt-…, valid while the job runs
  Variables variables;  // in rising precedence, expanded
  std::chrono::seconds timeout{3600};
  // Jobs whose archives it gets first, in order.
  std::vector<Job> dependencies;
  bool complete = true;  // false: one of another project or pipeline is not there
};

struct TraceResult {
  enum class Outcome { kAccepted, kMismatch, kGone, kForbidden } outcome = Outcome::kAccepted;
  std::uint64_t size = 0;  // stored now
  Status status = Status::kRunning;
};

struct JobUpdate {
  std::string state;  // "running", "success", "failed"
  std::string failure_reason;
  std::optional<int> exit_code;
  std::optional<std::string> checksum;  // "crc32:0a1b2c3d" of the whole trace
  std::optional<std::uint64_t> bytes;
};
enum class UpdateOutcome { kDone, kTraceIncomplete, kGone, kForbidden };

// Thread-safe.
class Queue {
 public:
  virtual ~Queue() = default;

  // Adds a runner and returns it with its token (glrt-…), which is not kept.
  virtual std::pair<Runner, std::string> add_runner(Runner runner) = 0;
  virtual std::optional<Runner> runner_of(std::string_view token) const = 0;
  virtual std::optional<Runner> runner(Id id) const = 0;
  virtual std::vector<Runner> runners() const = 0;
  virtual void update_runner(const Runner& runner) = 0;
  virtual void remove_runner(Id id) = 0;
  // The token that registers runners the old way; made at first use.
  virtual std::string registration_token() = 0;

  // The next job for a runner, which is running from now on; waits for one at most `wait`.
  // `features` is info.features of the runner.
  virtual std::optional<Assignment> take(Id runner, const Json& info,
                                         std::chrono::milliseconds wait) = 0;
  // The job that runs with this token; nothing once it has ended.
  virtual std::optional<Job> job_of(std::string_view token) const = 0;
  // The assignment again, of a running job that the runner holds: after a restart.
  virtual std::vector<Assignment> held_by(Id runner) = 0;

  // Appends at `offset`, which must be the size stored so far; masks the job's masked variables.
  virtual TraceResult append_trace(Id job, std::uint64_t offset, std::string_view bytes) = 0;
  virtual UpdateOutcome update(Id job, const JobUpdate& update) = 0;  // and a sign of life
  // Takes over a file. Throws Error{Invalid} for a dotenv report that breaks the rules, or an
  // archive with a path that leaves the project.
  virtual Artifact add_artifact(Id job, Artifact artifact, const std::filesystem::path& file) = 0;
  // "running", "canceling", "canceled"…: what a runner must know between its calls.
  virtual Status status(Id job) const = 0;

  // Called, on some thread of CI, when a job became pending. Must not block. At most one.
  virtual void on_pending(std::function<void()> woken) = 0;
};

}  // namespace slipway::ci
