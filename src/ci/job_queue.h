#pragma once

// The queue itself: hands out jobs, and takes what runners tell of them.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include "ci/artifacts.h"
#include "ci/job_variables.h"
#include "ci/queue.h"
#include "ci/trace.h"
#include "ci/workshop.h"

namespace slipway::ci {

// Thread-safe.
class JobQueue final : public Queue {
 public:
  JobQueue(const Workshop& workshop, Settings& settings, const JobVariables& variables,
           const Artifacts& artifacts, Traces& traces)
      : workshop_(workshop),
        settings_(settings),
        variables_(variables),
        artifacts_(artifacts),
        traces_(traces) {}

  std::pair<Runner, std::string> add_runner(Runner runner) override;
  std::optional<Runner> runner_of(std::string_view token) const override;
  std::optional<Runner> runner(Id id) const override;
  std::vector<Runner> runners() const override;
  void update_runner(const Runner& runner) override;
  void remove_runner(Id id) override;
  std::string registration_token() override;

  std::optional<Assignment> take(Id runner, const Json& info,
                                 std::chrono::milliseconds wait) override;
  std::optional<Job> job_of(std::string_view token) const override;
  std::vector<Assignment> held_by(Id runner) override;
  TraceResult append_trace(Id job, std::uint64_t offset, std::string_view bytes) override;
  UpdateOutcome update(Id job, const JobUpdate& update) override;
  Artifact add_artifact(Id job, Artifact artifact, const std::filesystem::path& file) override;
  Status status(Id job) const override;
  void on_pending(std::function<void()> woken) override;

  // A build became pending: wakes who waits in take().
  void wake();
  // Who waits in take() returns empty-handed, now and until open().
  void close();
  void open();
  // When the job was last heard of by this process; nothing where it was not yet.
  std::optional<base::Millis> contacted(Id job) const;
  // The job has ended, by whatever: its trace is written out.
  void settle_trace(Id job);

 private:
  Assignment assignment_of(JobRow row) const;
  std::optional<Assignment> assignment_or_end(JobRow row);
  void give_up(Id job, const std::string& reason);  // nobody can be told what to run
  void note_contact(Id job);
  void note_runner(const Runner& runner, const Json& info);
  void end(const JobRow& row, const JobUpdate& update);
  std::optional<JobRow> find(Id job) const;

  const Workshop& workshop_;
  Settings& settings_;
  const JobVariables& variables_;
  const Artifacts& artifacts_;
  Traces& traces_;
  mutable std::mutex mutex_;
  std::condition_variable pending_;
  std::uint64_t generation_ = 0;  // guarded by mutex_; counts pending builds
  bool closed_ = false;           // guarded by mutex_
  // The last sign of life of each running job and of each runner; guarded by mutex_.
  std::map<Id, base::Millis> contacts_;
  std::map<Id, base::Millis> runner_contacts_;
  mutable std::mutex listener_mutex_;
  std::function<void()> listener_;  // guarded by listener_mutex_
};

}  // namespace slipway::ci
