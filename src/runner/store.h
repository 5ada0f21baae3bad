#pragma once

// What the executor remembers of the jobs that it has: table runner_jobs, one row a job, from its
// taking until its end is told and everything it left is gone.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runner/types.h"
#include "store/database.h"

namespace slipway::runner {

enum class Phase {
  kTaken,      // nothing that must not be done again
  kPrepared,   // sources, cache and scripts are there; its container may have been started
  kStarted,    // its container was started
  kUploading,  // its container has ended, and `outcome` says how
};
std::string_view text(Phase phase);

struct JobRow {
  Id job = 0;
  Id project = 0;
  int slot = 0;  // of the project's build directories
  Phase phase = Phase::kTaken;
  std::uint64_t trace_at = 0;  // bytes of the trace before the container's first
  Outcome outcome;
};

// Thread-safe.
class JobStore {
 public:
  explicit JobStore(store::Database& database);
  std::optional<Id> runner() const;  // who the executor is to the queue
  void set_runner(Id id);
  std::vector<JobRow> jobs() const;
  void put(const JobRow& row);
  void remove(Id job);

 private:
  store::Database& database_;
};

}  // namespace slipway::runner
