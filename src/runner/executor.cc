// The executor's threads: places at which jobs run, and one that keeps the running ones alive.

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <pthread.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "containers/directory.h"
#include "runner/job_run.h"
#include "runner/runner.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLookForJobs{5};  // should a word of a pending job be lost
constexpr std::chrono::seconds kHeartbeat{20};
constexpr std::chrono::hours kIdleBuild{7 * 24};
constexpr std::chrono::hours kIdleCache{30 * 24};

Json own_info() {
  Json features = Json::object();
  for (const char* name : {"variables",
                           "image",
                           "services",
                           "artifacts",
                           "cache",
                           "fallback_cache_keys",
                           "shared",
                           "upload_multiple_artifacts",
                           "upload_raw_artifacts",
                           "refspecs",
                           "masking",
                           "raw_variables",
                           "artifacts_exclude",
                           "multi_build_steps",
                           "trace_reset",
                           "trace_checksum",
                           "trace_size",
                           "cancelable",
                           "cancel_gracefully",
                           "return_exit_code",
                           "service_variables",
                           "service_multiple_aliases"}) {
    features[name] = true;
  }
  return {{"name", "slipway"},       {"version", "1.0"},
          {"revision", "slipway"},   {"platform", "linux"},
          {"architecture", "amd64"}, {"executor", "slipway"},
          {"shell", "bash"},         {"features", std::move(features)}};
}

// What other rooms' threads reach; it outlives the executor, for their callbacks do.
struct Bell {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t pending = 0;                           // guarded by mutex; counts the words of CI
  bool stopping = true;                                // guarded by mutex
  std::map<std::string, std::shared_ptr<Wake>> wakes;  // guarded by mutex; by container
};

// Deletes directories or files of `directory` that nobody has touched for `age`.
void remove_idle(const fs::path& directory, std::chrono::hours age) {
  std::error_code error;
  std::vector<fs::path> idle;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const auto touched = fs::last_write_time(entry->path(), ignored);
    if (!ignored && fs::file_time_type::clock::now() - touched > age) idle.push_back(entry->path());
  }
  for (const fs::path& path : idle) {
    if (fs::is_directory(path)) {
      containers::remove_tree(path);
    } else {
      fs::remove(path);
    }
  }
}

// The job of a container "ci-<job>" or "ci-<job>-service-<n>".
std::optional<Id> job_of_container(const std::string& id) {
  if (!id.starts_with("ci-")) return std::nullopt;
  return base::parse_integer(std::string_view(id).substr(3, id.find('-', 3) - 3));
}

}  // namespace

struct Executor::State {
  State(ci::Ci& ci, forge::Forge& forge, images::Images& images, containers::Engine& engine,
        store::Database& database, const base::Clock& clock, ExecutorOptions given)
      : options(std::move(given)), store(database), workshop{ci,     ci.queue(), forge,
                                                             images, engine,     store,
                                                             clock,  options,    stopping} {
    engine.on_exit([bell = bell](const std::string& id) {
      const std::lock_guard lock(bell->mutex);
      if (const auto found = bell->wakes.find(id); found != bell->wakes.end())
        found->second->ring();
    });
  }

  void start();
  void stop();
  void work(int place);
  void keep_alive();
  std::optional<std::pair<ci::Assignment, JobRow>> next();
  JobRow new_row(const ci::Assignment& assignment);
  void run(ci::Assignment assignment, JobRow row, int place);
  void identify();
  void recover();
  void sweep(const std::set<Id>& held);

  const ExecutorOptions options;
  JobStore store;
  std::atomic<bool> stopping{true};
  const std::shared_ptr<Bell> bell = std::make_shared<Bell>();
  const Workshop workshop;
  const Json info = own_info();
  Id runner = 0;
  std::deque<std::pair<ci::Assignment, JobRow>> resumed;  // guarded by bell->mutex
  std::set<std::pair<Id, int>> slots;                     // guarded by bell->mutex; project, slot
  std::set<Id> running;                                   // guarded by bell->mutex
  std::mutex control;                                     // held by start() and stop()
  std::vector<std::thread> threads;                       // guarded by control
};

void Executor::State::identify() {
  const std::optional<Id> known = store.runner();
  if (known && workshop.queue.runner(*known)) {
    runner = *known;
    return;
  }
  ci::Runner self;
  self.description = "slipway";
  self.info = info;
  runner = workshop.queue.add_runner(self).first.id;
  store.set_runner(runner);
}

void Executor::State::recover() {
  std::map<Id, JobRow> rows;
  for (JobRow& row : store.jobs()) rows.emplace(row.job, row);
  std::set<Id> held;
  for (ci::Assignment& assignment : workshop.queue.held_by(runner)) {
    const Id job = assignment.job.id;
    held.insert(job);
    const auto known = rows.find(job);
    if (known != rows.end()) {
      const std::lock_guard lock(bell->mutex);
      slots.emplace(known->second.project, known->second.slot);
      resumed.emplace_back(std::move(assignment), known->second);
      rows.erase(known);
    } else {
      // Taken, and then the process died before it was recorded.
      JobRow row = new_row(assignment);
      const std::lock_guard lock(bell->mutex);
      resumed.emplace_back(std::move(assignment), std::move(row));
    }
  }
  for (const auto& [job, row] : rows) clean_up(workshop, row);
  sweep(held);
}

void Executor::State::sweep(const std::set<Id>& held) {
  for (const std::string& id : workshop.engine.list()) {
    const auto job = job_of_container(id);
    if (job && !held.contains(*job)) workshop.engine.remove(id);
  }
  std::error_code error;
  std::vector<fs::path> doomed;
  for (fs::directory_iterator entry(options.directory / "tmp", error), end; !error && entry != end;
       entry.increment(error)) {
    const auto job = base::parse_integer(entry->path().stem().string());
    if (!job || !held.contains(*job)) doomed.push_back(entry->path());
  }
  for (const fs::path& path : doomed) containers::remove_tree(path);
  for (fs::directory_iterator project(options.directory / "cache", error), end;
       !error && project != end; project.increment(error)) {
    remove_idle(project->path(), kIdleCache);
  }
  if (held.empty()) {
    error.clear();
    for (fs::directory_iterator project(options.directory / "builds", error), end;
         !error && project != end; project.increment(error)) {
      remove_idle(project->path(), kIdleBuild);
    }
  }
}

void Executor::State::start() {
  const std::lock_guard controlling(control);
  if (!threads.empty()) return;
  fs::create_directories(options.directory);
  ::chmod(options.directory.c_str(), 0700);
  for (const char* name : {"builds", "cache", "tmp"}) {
    fs::create_directories(options.directory / name);
  }
  identify();
  recover();
  stopping = false;
  {
    const std::lock_guard lock(bell->mutex);
    bell->stopping = false;
  }
  workshop.queue.on_pending([bell = bell] {
    {
      const std::lock_guard lock(bell->mutex);
      ++bell->pending;
    }
    bell->changed.notify_all();
  });
  std::size_t places = options.concurrent;
  if (places == 0) places = std::max(2u, std::thread::hardware_concurrency());
  for (std::size_t place = 0; place < places; ++place) {
    threads.emplace_back([this, place] { work(static_cast<int>(place)); });
  }
  threads.emplace_back([this] { keep_alive(); });
}

void Executor::State::stop() {
  const std::lock_guard controlling(control);
  stopping = true;
  {
    const std::lock_guard lock(bell->mutex);
    bell->stopping = true;
    for (const auto& [id, wake] : bell->wakes) wake->ring();
  }
  bell->changed.notify_all();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  const std::lock_guard lock(bell->mutex);
  resumed.clear();  // held as before; the next start() finds them
  slots.clear();
}

JobRow Executor::State::new_row(const ci::Assignment& assignment) {
  JobRow row;
  row.job = assignment.job.id;
  row.project = assignment.project.id;
  {
    const std::lock_guard lock(bell->mutex);
    while (slots.contains({row.project, row.slot})) ++row.slot;
    slots.emplace(row.project, row.slot);
  }
  store.put(row);
  return row;
}

std::optional<std::pair<ci::Assignment, JobRow>> Executor::State::next() {
  while (true) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(bell->mutex);
      if (bell->stopping) return std::nullopt;
      if (!resumed.empty()) {
        auto first = std::move(resumed.front());
        resumed.pop_front();
        return first;
      }
      seen = bell->pending;
    }
    try {
      if (auto assignment = workshop.queue.take(runner, info, std::chrono::milliseconds(0))) {
        JobRow row = new_row(*assignment);
        return std::pair(std::move(*assignment), std::move(row));
      }
    } catch (const std::exception& error) {
      log(Level::kError, "jobs cannot be taken", {{"reason", error.what()}});
    }
    std::unique_lock lock(bell->mutex);
    bell->changed.wait_for(lock, kLookForJobs,
                           [&] { return bell->stopping || bell->pending != seen; });
  }
}

void Executor::State::work(int place) {
  ::pthread_setname_np(::pthread_self(), ("job-" + std::to_string(place)).c_str());
  while (auto job = next()) run(std::move(job->first), std::move(job->second), place);
}

// The task loop: what a job's execution throws ends that job alone.
void Executor::State::run(ci::Assignment assignment, JobRow row, int place) {
  const Id job = row.job;
  const std::pair<Id, int> slot(row.project, row.slot);
  const std::string container = JobPlaces(options.directory, job, row.project, row.slot).container;
  const auto wake = std::make_shared<Wake>();
  {
    const std::lock_guard lock(bell->mutex);
    if (bell->stopping) wake->ring();
    bell->wakes[container] = wake;
    running.insert(job);
  }
  try {
    JobRun execution(workshop, std::move(assignment), std::move(row), place, *wake);
    try {
      execution.drive();
    } catch (const std::exception& error) {
      log(Level::kError, "job failed for a reason of ours",
          {{"job", job}, {"reason", error.what()}});
      execution.give_up(error.what());
    }
  } catch (const std::exception& error) {
    // The next start carries on with it, or CI ends it for its silence.
    log(Level::kError, "job could not be ended", {{"job", job}, {"reason", error.what()}});
  }
  const std::lock_guard lock(bell->mutex);
  bell->wakes.erase(container);
  running.erase(job);
  slots.erase(slot);
}

void Executor::State::keep_alive() {
  ::pthread_setname_np(::pthread_self(), "job-heartbeat");
  std::unique_lock lock(bell->mutex);
  while (!bell->stopping) {
    const auto until = std::chrono::steady_clock::now() + kHeartbeat;
    bell->changed.wait_until(lock, until, [&] { return bell->stopping; });
    if (bell->stopping) return;
    std::set<Id> jobs = running;
    for (const auto& [assignment, row] : resumed) jobs.insert(row.job);
    lock.unlock();
    for (const Id job : jobs) {
      try {
        ci::JobUpdate update;
        update.state = "running";
        workshop.queue.update(job, update);
      } catch (const std::exception& error) {
        log(Level::kWarning, "a job's sign of life was not taken",
            {{"job", job}, {"reason", error.what()}});
      }
    }
    lock.lock();
  }
}

Executor::Executor(ci::Ci& ci, forge::Forge& forge, images::Images& images,
                   containers::Engine& engine, store::Database& database, const base::Clock& clock,
                   ExecutorOptions options)
    : state_(std::make_unique<State>(ci, forge, images, engine, database, clock,
                                     std::move(options))) {}

Executor::~Executor() { stop(); }

void Executor::start() { state_->start(); }

void Executor::stop() { state_->stop(); }

}  // namespace slipway::runner
