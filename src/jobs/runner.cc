#include "jobs/runner.h"

#include <exception>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "jobs/record.h"
#include "jobs/transfer.h"

namespace slipway::jobs {

Runner::Runner(const Workshop& workshop) : workshop_(workshop) {}

Runner::~Runner() { stop(); }

void Runner::start() {
  const std::lock_guard lock(mutex_);
  if (!threads_.empty()) return;
  stopping_ = false;
  for (std::size_t place = 0; place < workshop_.places; ++place) {
    threads_.emplace_back([this] { work(); });
  }
}

void Runner::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    for (const JobKey& key : queue_) taken_.erase(key);
    queue_.clear();  // what has not ended is submitted again after the next start()
  }
  ready_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void Runner::submit(const JobKey& key) {
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || !taken_.insert(key).second) return;
    queue_.push_back(key);
    waits = taken_.size() > workshop_.places;
  }
  ready_.notify_one();
  if (!waits) return;
  const auto job = workshop_.store.find(key);
  if (!job) return;
  const Action action = decide(record_of(*job), Observation{});
  if (action.what != Action::Do::kEnter || action.phase != Phase::kPending) return;
  // Not stored where a place became free meanwhile.
  workshop_.store.change(*job, [&](store::Transaction&, store::Resource& changed) {
    enter(changed, action.phase, message_of(key.kind, action.phase, workshop_.places),
          workshop_.clock.now());
  });
}

std::size_t Runner::unfinished() const {
  const std::lock_guard lock(mutex_);
  return taken_.size();
}

void Runner::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const JobKey key = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    run(key);
    lock.lock();
    taken_.erase(key);
  }
}

// The task loop: what a job's execution throws ends that job alone.
void Runner::run(const JobKey& key) {
  try {
    Execution(workshop_, key, stopping_).drive();
  } catch (const std::exception& error) {
    log(Level::kError, "job failed for a reason of ours",
        {{"job", key.name}, {"kind", names_of(key.kind).resource}, {"reason", error.what()}});
    give_up(key, error.what());
  }
}

void Runner::give_up(const JobKey& key, const std::string& why) {
  try {
    workshop_.store.change_now(key, [&](store::Transaction& transaction, store::Resource& job) {
      if (record_of(job).phase == Phase::kEnded) return;
      workshop_.store.finish(transaction, job,
                             {.what = Action::Do::kEnd,
                              .ending = Ending::kFailed,
                              .reason = "InternalServerError: " + why});
    });
    const auto job = workshop_.store.find(key);
    if (!job) return;
    workshop_.engine.remove(container_of(*job));
    remove_tree(workshop_.directory / container_of(*job));
  } catch (const std::exception& error) {
    // The next start carries on with the job, or sweeps up after it.
    log(Level::kError, "job could not be ended", {{"job", key.name}, {"reason", error.what()}});
  }
}

}  // namespace slipway::jobs
