#pragma once

// The threads of CI: one does recorded tasks, one watches the clock.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "ci/artifacts.h"
#include "ci/bridges.h"
#include "ci/creation.h"
#include "ci/job_queue.h"
#include "ci/settings.h"
#include "ci/trace.h"
#include "ci/workshop.h"

namespace slipway::ci {

// Thread-safe. Tasks are recorded and repeatable: what a crash interrupts is done after the next
// start().
class Caretaker {
 public:
  struct Parts {
    const Workshop& workshop;
    Settings& settings;
    const Creation& creation;
    const Bridges& bridges;
    const Artifacts& artifacts;
    Traces& traces;
    JobQueue& queue;
  };
  explicit Caretaker(const Parts& parts);
  ~Caretaker();

  void start();
  void stop();

  void wake_for_work();
  void wake_for_time();
  void note_ended(Id job);

  // Returns when something is due next.
  std::optional<base::Millis> run_due();

 private:
  void work();
  void watch();
  bool run_tasks();
  void run(const Task& task);
  void give_up(const Task& task, const std::string& why);
  void run_schedule(const Task& task);
  void remove_files(const Json& what);
  void look_after_waiting(const JobRow& row);
  void look_after(const JobRow& row);
  void expire(const JobRow& row);

  const Parts parts_;
  base::Millis started_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_work_ = false;                 // guarded by mutex_
  bool has_time_ = false;                 // guarded by mutex_
  bool stopping_ = false;                 // guarded by mutex_
  std::deque<Id> ended_;                  // guarded by mutex_
  std::mutex due_mutex_;                  // held while what is due is done: by one thread at a time
  std::optional<base::Millis> last_due_;  // when that was; guarded by due_mutex_
  std::thread worker_;
  std::thread watcher_;
};

}  // namespace slipway::ci
