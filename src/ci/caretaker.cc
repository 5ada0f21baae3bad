#include "ci/caretaker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pthread.h>

#include "base/log.h"
#include "ci/decide.h"
#include "ci/removal.h"

namespace slipway::ci {
namespace {

constexpr int kBatch = 100;
constexpr int kAttempts = 5;
constexpr auto kPause = std::chrono::seconds(1);        // after a task that failed
constexpr auto kLongestWait = std::chrono::minutes(1);  // the clock may have been set
constexpr base::Millis kDay = 24LL * 3600 * 1000;

}  // namespace

Caretaker::Caretaker(const Parts& parts) : parts_(parts), started_(parts.workshop.clock.now()) {}

Caretaker::~Caretaker() { stop(); }

void Caretaker::start() {
  const std::lock_guard lock(mutex_);
  if (worker_.joinable()) return;
  stopping_ = false;
  has_work_ = has_time_ = true;
  // A runner is given its time again: it could not reach us while we were away.
  started_ = parts_.workshop.clock.now();
  worker_ = std::thread([this] { work(); });
  watcher_ = std::thread([this] { watch(); });
}

void Caretaker::stop() {
  std::thread worker;
  std::thread watcher;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    worker.swap(worker_);
    watcher.swap(watcher_);
  }
  changed_.notify_all();
  if (worker.joinable()) worker.join();
  if (watcher.joinable()) watcher.join();
}

void Caretaker::wake_for_work() {
  {
    const std::lock_guard lock(mutex_);
    has_work_ = true;
  }
  changed_.notify_all();
}

void Caretaker::wake_for_time() {
  {
    const std::lock_guard lock(mutex_);
    has_time_ = true;
  }
  changed_.notify_all();
}

void Caretaker::note_ended(Id job) {
  {
    const std::lock_guard lock(mutex_);
    ended_.push_back(job);
    has_work_ = true;
  }
  changed_.notify_all();
}

void Caretaker::work() {
  ::pthread_setname_np(::pthread_self(), "ci-worker");
  std::unique_lock lock(mutex_);
  bool failed = false;
  while (true) {
    const auto ready = [this] { return stopping_ || has_work_; };
    if (failed) {
      changed_.wait_for(lock, kPause, [this] { return stopping_; });
    } else {
      changed_.wait(lock, ready);
    }
    if (stopping_) return;
    has_work_ = false;
    std::deque<Id> ended;
    ended.swap(ended_);
    lock.unlock();
    try {
      for (const Id job : ended) parts_.queue.settle_trace(job);
      failed = !run_tasks();
    } catch (const std::exception& error) {
      log(Level::kError, "the worker of CI was held up", {{"reason", error.what()}});
      failed = true;
    }
    lock.lock();
  }
}

// Returns whether all that was found is done.
bool Caretaker::run_tasks() {
  bool all = true;
  while (all) {
    const std::vector<Task> found =
        parts_.workshop.database.read([](store::Reader& reader) { return tasks(reader, kBatch); });
    if (found.empty()) return true;
    for (const Task& task : found) {
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return true;
      }
      try {
        run(task);
        parts_.workshop.database.write(
            [&](store::Transaction& transaction) { remove_task(transaction, task.key); });
      } catch (const std::exception& error) {
        if (task.attempts + 1 >= kAttempts) {
          give_up(task, error.what());
          continue;
        }
        log(Level::kWarning, "a task of CI failed and is tried again",
            {{"task", task.key}, {"reason", error.what()}});
        Task again = task;
        ++again.attempts;
        parts_.workshop.database.write(
            [&](store::Transaction& transaction) { insert(transaction, again); });
        all = false;
      }
    }
  }
  return all;
}

void Caretaker::run(const Task& task) {
  if (task.kind == "prepare") {
    parts_.creation.prepare(base::integer_or(task.document, "pipeline", 0));
  } else if (task.kind == "bridge") {
    parts_.bridges.run(base::integer_or(task.document, "job", 0));
  } else if (task.kind == "schedule") {
    run_schedule(task);
  } else if (task.kind == "files") {
    remove_files(task.document);
  } else if (task.kind == "removed") {
    remove_some_of(parts_.workshop, base::integer_or(task.document, "project", 0));
  }
}

void Caretaker::give_up(const Task& task, const std::string& why) {
  log(Level::kError, "a task of CI failed for good", {{"task", task.key}, {"reason", why}});
  if (task.kind == "bridge") {
    parts_.bridges.give_up(base::integer_or(task.document, "job", 0), why);
  }
  parts_.workshop.change([&](Machine& machine, store::Transaction& transaction) {
    remove_task(transaction, task.key);
    if (task.kind == "prepare") {
      machine.give_up_pipeline(base::integer_or(task.document, "pipeline", 0), why);
    }
  });
}

void Caretaker::run_schedule(const Task& task) {
  const auto schedule = parts_.settings.schedule(base::integer_or(task.document, "schedule", 0));
  if (!schedule) return;
  const auto user = parts_.workshop.forge.user(schedule->owner);
  if (!user) return;
  Making making;
  making.request = {.project = schedule->project,
                    .ref = schedule->ref,
                    .source = "schedule",
                    .variables = schedule->variables,
                    .once = task.key,
                    .schedule = schedule->id};
  try {
    parts_.settings.note_pipeline(schedule->id, parts_.creation.create(*user, making).id);
  } catch (const Error& error) {
    if (error.code() != "Invalid" && error.code() != "NotFound") throw;
    log(Level::kInfo, "a schedule made no pipeline",
        {{"schedule", schedule->id}, {"reason", error.what()}});
  }
}

void Caretaker::remove_files(const Json& what) {
  for (const Json& job : base::array_or_empty(what, "traces")) {
    parts_.traces.remove(job.get<Id>());
  }
  for (const Json& job : base::array_or_empty(what, "artifacts")) {
    parts_.artifacts.remove(job.get<Id>());
  }
  const std::string ref = base::text_or(what, "ref");
  const Id project = base::integer_or(what, "project", 0);
  if (!ref.empty() && parts_.workshop.forge.project(project)) {
    parts_.workshop.forge.repository(project).drop(ref);
  }
}

void Caretaker::watch() {
  ::pthread_setname_np(::pthread_self(), "ci-clock");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    has_time_ = false;
    lock.unlock();
    std::chrono::milliseconds wait = kLongestWait;
    try {
      if (const auto next = run_due()) {
        const base::Millis left = *next - parts_.workshop.clock.now();
        wait = std::clamp(std::chrono::milliseconds(left), std::chrono::milliseconds(1), wait);
      }
    } catch (const std::exception& error) {
      log(Level::kError, "what is due in CI could not be done", {{"reason", error.what()}});
      wait = kPause;
    }
    lock.lock();
    changed_.wait_for(lock, wait, [this] { return stopping_ || has_time_; });
  }
}

std::optional<base::Millis> Caretaker::run_due() {
  const std::lock_guard alone(due_mutex_);
  const base::Millis now = parts_.workshop.clock.now();
  std::vector<JobRow> due;
  std::vector<JobRow> expired;
  parts_.workshop.database.read([&](store::Reader& reader) {
    due = rows_where(reader, "where due <= ? order by due limit ?", {now, std::int64_t{kBatch}});
    expired = rows_where(reader, "where expires <= ? order by expires limit ?",
                         {now, std::int64_t{kBatch}});
  });
  // What is wrong with one job must not keep the others waiting.
  const auto each_alone = [](Id job, auto&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      log(Level::kError, "a job's due work could not be done",
          {{"job", job}, {"reason", error.what()}});
    }
  };
  for (const JobRow& row : due) each_alone(row.job.id, [&] { look_after(row); });
  for (const JobRow& row : expired) each_alone(row.job.id, [&] { expire(row); });
  // The clock may have been set back, or have been wrong before this start. What runs again at a
  // moment that it ran at already makes no second pipeline.
  const bool clock_changed = !last_due_ || now < *last_due_;
  last_due_ = now;
  auto next = parts_.workshop.database.write([&](store::Transaction& transaction) {
    if (clock_changed) realign_schedules(transaction, now);
    return start_due_schedules(transaction, now, parts_.workshop.wakes);
  });
  parts_.workshop.database.read([&](store::Reader& reader) {
    for (const char* column : {"due", "expires"}) {
      reader.query(
          std::string("select min(") + column + ") from ci_jobs where " + column + " is not null",
          {}, [&](const store::Row& row) {
            if (!row.is_null(0))
              next = std::min(next.value_or(row.integer(0)), base::Millis{row.integer(0)});
          });
    }
  });
  return next;
}

// As GitLab does with jobs that no runner takes.
void Caretaker::look_after_waiting(const JobRow& row) {
  const auto runners = parts_.queue.runners();
  const base::Millis now = parts_.workshop.clock.now();
  // Nobody could take it while the server was away.
  const base::Millis queued = std::max(row.job.queued.value_or(row.job.created), started_);
  parts_.workshop.change([&](Machine& machine, store::Transaction& transaction) {
    auto there = find_job(transaction, row.job.id);
    if (!there || there->due != row.due || there->job.status != Status::kPending) return;
    const auto pipeline = find_pipeline(transaction, there->job.pipeline);
    const std::string why = why_stuck(
        runners, there->job, pipeline && base::boolean_or(pipeline->context, "protected", false));
    if (now < stuck_at(queued, why.empty())) {
      there->due = stuck_at(queued, why.empty());
      // The runners may change meanwhile.
      if (*there->due > now + stuck_at(0, false)) there->due = now + stuck_at(0, false);
      update(transaction, *there);
      return;
    }
    machine.finish(row.job.id, {.status = Status::kFailed,
                                .reason = "stuck_or_timeout_failure",
                                .message = why,
                                .exit_code = std::nullopt});
  });
}

void Caretaker::look_after(const JobRow& row) {
  const Workshop& workshop = parts_.workshop;
  const base::Millis now = workshop.clock.now();
  if (row.job.status == Status::kScheduled) {
    workshop.change([&](Machine& machine) { machine.start_delayed(row.job.id); });
    return;
  }
  if (row.job.status == Status::kPending) return look_after_waiting(row);
  const base::Millis started = row.job.started.value_or(row.job.created);
  const Liveness liveness{
      .started = started,
      .contacted = parts_.queue.contacted(row.job.id).value_or(std::max(started, started_)),
      .timeout = row.timeout,
      .grace = workshop.patience().grace,
      .heartbeat = workshop.patience().heartbeat};
  const auto over = overdue(liveness, now);
  workshop.change([&](Machine& machine, store::Transaction& transaction) {
    auto there = find_job(transaction, row.job.id);
    if (!there || there->due != row.due) return;
    if (is_complete(there->job.status)) {
      there->due.reset();
    } else if (!over) {
      there->due = overdue_at(liveness);
    } else {
      machine.finish(row.job.id, {.status = Status::kFailed,
                                  .reason = over->reason,
                                  .message = "",
                                  .exit_code = std::nullopt});
      return;
    }
    update(transaction, *there);
  });
}

void Caretaker::expire(const JobRow& row) {
  parts_.workshop.change([&](Machine&, store::Transaction& transaction) {
    auto there = find_job(transaction, row.job.id);
    if (!there || there->expires != row.expires) return;
    const auto pipeline = find_pipeline(transaction, there->job.pipeline);
    const base::Millis now = parts_.workshop.clock.now();
    const bool is_latest =
        pipeline && pipeline->status == Status::kSuccess && !there->job.retried &&
        count(transaction,
              "ci_pipelines where project = ? and ref = ? and status = 'success' and id > ?"
              " and parent is null",
              {pipeline->project, pipeline->ref, pipeline->id}) == 0;
    if (is_latest || !is_complete(there->job.status)) {
      // What the ref offers for download stays until something newer is there.
      there->expires = now + kDay;
    } else {
      there->job.artifacts_expired =
          std::any_of(there->job.artifacts.begin(), there->job.artifacts.end(),
                      [](const Artifact& artifact) { return artifact.type == "archive"; });
      there->job.artifacts.clear();
      there->expires.reset();
      insert(transaction, Task{.key = "expired:" + std::to_string(row.job.id),
                               .kind = "files",
                               .document = {{"artifacts", Json::array({row.job.id})}}});
      transaction.after_commit(parts_.workshop.wakes.work);
    }
    update(transaction, *there);
  });
}

}  // namespace slipway::ci
