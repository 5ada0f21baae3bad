#pragma once

// The changes of CI's state: each runs in one transaction, decides all that follows from it
// (decide.h), in this pipeline and in those above and below it, and records the work outside.

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ci/decide.h"
#include "ci/store.h"
#include "ci/types.h"
#include "store/database.h"

namespace slipway::ci {

// Who is told after the commit, on the writer's thread.
struct Wakes {
  std::function<void()> pending;      // a build waits for a runner
  std::function<void()> work;         // a task waits for the worker
  std::function<void()> due;          // something is due at a new time
  std::function<void(Id job)> ended;  // a job that had a trace has ended
};

struct Ending {
  Status status = Status::kFailed;
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
};

// How long a job may be silent, and be late.
struct Patience {
  base::Millis heartbeat = 120'000;
  base::Millis grace = 30'000;
};

// Lives within one transaction. Every public call leaves a state from which nothing follows.
class Machine {
 public:
  Machine(store::Transaction& transaction, base::Millis now, const std::string& account,
          const Wakes& wakes)
      : transaction_(transaction), now_(now), account_(account), wakes_(wakes) {}

  // The pipeline's commit is kept: its jobs may start. Cancels what it makes redundant.
  void begin(Id pipeline);
  // Takes the next job that fits for the runner: it runs from now on, with this token.
  std::optional<JobRow> assign(const Runner& runner, const std::string& token,
                               const Patience& patience);
  void finish(Id job, const Ending& ending);
  void start_delayed(Id job);
  // The order in which jobs get the resource has changed.
  void reorder(const std::string& resource);
  // For an external status, and a bridge whose pipeline has been made.
  void change(JobRow row);

  // Throw Error{Invalid} or {Forbidden} where the job is not in a state for it.
  Job play(Id job, Id user, const Variables& variables);
  Job retry(Id job, Id user);
  Job cancel(Id job);
  void retry_pipeline(Id pipeline, Id user);
  void cancel_pipeline(Id pipeline);
  // Of one whose jobs cannot be started: cancels them and keeps the reason with the pipeline.
  void give_up_pipeline(Id pipeline, const std::string& why);

  // A bridge's pipeline is there; it succeeds now unless it has a strategy. Throws Error{Conflict}
  // where the bridge no longer waits for one.
  void link(Id bridge, const Pipeline& downstream);
  void tell_created(const Pipeline& pipeline);
  void tell_finished(const Pipeline& pipeline);

 private:
  void settle();
  void settle_one(Id pipeline);
  void apply(JobRow& row, Next next);
  void enqueue(JobRow& row);
  void acquire(const std::string& resource);
  void end(JobRow& row, const Ending& ending);
  void stop(JobRow& row);
  Id clone(JobRow& row, Id user, bool immediate);
  void start_again(const JobRow& row);
  void reset_upstream(const Pipeline& pipeline);
  void inherit(const Pipeline& pipeline);
  void cancel_redundant(const Pipeline& pipeline);
  void interrupt(const Pipeline& pipeline, int depth);
  void cancel_rows_of(const Pipeline& pipeline, int depth);
  void tell(const char* type, const Pipeline& pipeline);
  void tell_finished(const Job& job);
  void save(JobRow& row);
  Pipeline pipeline_of(Id id);
  JobRow row_of(Id id);

  store::Transaction& transaction_;
  const base::Millis now_;
  const std::string& account_;
  const Wakes& wakes_;
  std::deque<Id> dirty_;  // pipelines that something may follow in
  std::set<Id> reset_;    // bridges that were set back in this transaction
};

}  // namespace slipway::ci
