#pragma once

// The places at which jobs run: a fixed number of threads and a queue.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "jobs/execution.h"
#include "jobs/types.h"

namespace slipway::jobs {

// Thread-safe.
class Runner {
 public:
  explicit Runner(const Workshop& workshop);
  ~Runner();  // stop()

  void start();
  // Leaves jobs as they are recorded. Repeatable; submit() after it only keeps the queue.
  void stop();

  // Takes a job that is recorded; one that it has already is no second one. Where no place is
  // free, records that the job is pending.
  void submit(const JobKey& key);
  // Those that wait and those that run.
  std::size_t unfinished() const;

 private:
  void work();
  void run(const JobKey& key);
  // The job's end where the machinery itself failed.
  void give_up(const JobKey& key, const std::string& why);

  const Workshop& workshop_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<JobKey> queue_;          // guarded by mutex_; bounded by JobsOptions::max_unfinished
  std::set<JobKey> taken_;            // guarded by mutex_; those in the queue and those that run
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace slipway::jobs
