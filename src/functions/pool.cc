#include "functions/pool.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "functions/output_tail.h"
#include "functions/pool_state.h"

namespace slipway::functions {
namespace {

using std::chrono::steady_clock;

constexpr const char* kPrefix = "function-";
constexpr int kMostPlacements = 3;  // of one invocation, where containers die before they take it

double millis_between(Monotonic from, Monotonic to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

[[noreturn]] void throttle(const char* reason) {
  throw Error("TooManyRequestsException", "Rate Exceeded.", 429,
              {{"Type", "User"}, {"Reason", reason}});
}

bool is_of(const Instance& instance, const Target& target) {
  return instance.account == target.account && instance.name == target.name;
}

bool serves(const Instance& instance, const Target& target) {
  return is_of(instance, target) && instance.version == target.version &&
         instance.revision == target.revision && !instance.retired;
}

// Keeps the one that has been idle for longer.
void keep_longest_idle(std::shared_ptr<Instance>& kept, const std::shared_ptr<Instance>& other) {
  if (!kept || other->idle_since < kept->idle_since) kept = other;
}

}  // namespace

Pool::Pool(const base::Clock& clock, containers::Engine& engine, containers::LogPump& log_pump,
           PlatformLog& platform_log, Launch launch, PoolOptions options)
    : clock_(clock),
      engine_(engine),
      log_pump_(log_pump),
      platform_log_(platform_log),
      launch_(std::move(launch)),
      options_(options) {
  listener_->pool = this;
  engine_.on_exit([listener = listener_](const std::string& container) {
    if (!container.starts_with(kPrefix)) return;
    const std::lock_guard lock(listener->mutex);
    if (listener->pool) listener->pool->container_ended(container);
  });
}

Pool::~Pool() {
  stop();
  const std::lock_guard lock(listener_->mutex);
  listener_->pool = nullptr;
}

void Pool::start() {
  {
    const std::lock_guard lock(mutex_);
    if (running_) return;
    for (const std::string& container : engine_.list()) {
      if (container.starts_with(kPrefix)) discarded_.push_back(container);
    }
    running_ = true;
  }
  keeper_ = std::thread([this] { keep(); });
}

void Pool::stop() {
  {
    Lock lock(mutex_);
    if (!running_) return;
    running_ = false;
    // A container that is just being started must be there before it can be removed.
    settled_.wait(lock, [this] { return launching_ == 0; });
    const auto instances = instances_;
    for (const auto& [token, instance] : instances) {
      if (instance->job && !instance->job->done) {
        instance->job->outcome.aborted = true;
        finish(*instance->job,
               error_payload("ServiceException", instance->job->work.request_id,
                             "the server is stopping"),
               "Unhandled");
      }
      discard(instance);
    }
  }
  kept_.notify_all();
  if (keeper_.joinable()) keeper_.join();
}

Outcome Pool::run(const Target& target, const Work& work) {
  for (int placement = 1;; ++placement) {
    const auto job = std::make_shared<Job>();
    job->work = work;
    job->arn = target.arn;
    job->timeout = target.timeout();
    Lock lock(mutex_);
    const InstancePointer instance = place_job(target, job, lock);
    await(*job, instance, lock);
    // It did not reach the function, so it may be offered again.
    const bool again = job->outcome.aborted && running_ && placement < kMostPlacements;
    job->outcome.reached = job->handed.has_value();
    if (work.tail == Work::Tail::kWanted && !job->outcome.aborted) {
      lock.unlock();
      // Of one that could not even begin: what it said of that.
      job->outcome.log_tail =
          output_tail({.log = engine_.log_path(instance->container),
                       .offset = job->log_offset,
                       .reports_itself = instance->reports_itself && job->handed,
                       .request_id = work.request_id,
                       .before = job->log_before,
                       .after = job->log_after});
      lock.lock();
    }
    release(instance, work);
    if (!again) return std::move(job->outcome);
  }
}

Load Pool::load_of(const Target& target, InstancePointer& warm, InstancePointer& own,
                   InstancePointer& other) const {
  Load load;
  load.limit_own =
      std::min(options_.containers_each, target.reserved.value_or(options_.containers_each));
  load.limit_containers = options_.containers;
  load.live = instances_.size();
  const base::Millis now = clock_.now();
  for (const auto& [token, instance] : instances_) {
    const bool idle = !instance->job;
    if (!is_of(*instance, target)) {
      if (!idle) continue;
      ++load.idle_others;
      keep_longest_idle(other, instance);
    } else if (!idle) {
      ++load.busy_own;
    } else {
      ++load.idle_own;
      keep_longest_idle(own, instance);
      // The one that was used last is the likeliest to be in the machine's caches.
      if (serves(*instance, target) && now < instance->last_call &&
          (!warm || instance->idle_since > warm->idle_since)) {
        warm = instance;
      }
    }
  }
  load.warm = warm != nullptr;
  return load;
}

Pool::InstancePointer Pool::place_job(const Target& target, const std::shared_ptr<Job>& job,
                                      Lock& lock) {
  if (!running_) throw Error("ServiceException", "The server is not running functions now.", 500);
  InstancePointer warm, own, other;
  switch (place(load_of(target, warm, own, other))) {
    case Placement::kThrottleFunction:
      throttle(target.reserved ? "ReservedFunctionConcurrentInvocationLimitExceeded"
                               : "ConcurrentInvocationLimitExceeded");
    case Placement::kThrottleServer:
      throttle("ConcurrentInvocationLimitExceeded");
    case Placement::kReuse:
      warm->job = job;
      if (job->work.tail == Work::Tail::kWanted) ++warm->readers;
      lock.unlock();
      if (wake_) wake_(warm->token);
      lock.lock();
      return warm;
    case Placement::kReplaceOwn:
      discard(own);
      break;
    case Placement::kReplaceOther:
      discard(other);
      break;
    case Placement::kStart:
      break;
  }
  const InstancePointer instance = make_instance(target, job);
  instances_[instance->token] = instance;
  ++launching_;
  lock.unlock();
  try {
    launch(target, instance);
  } catch (...) {
    lock.lock();
    --launching_;
    settled_.notify_all();
    if (job->handed) return instance;  // it runs: what failed came after its start
    discard(instance);
    release(instance, job->work);
    throw;
  }
  lock.lock();
  --launching_;
  settled_.notify_all();
  return instance;
}

Pool::InstancePointer Pool::make_instance(const Target& target, const std::shared_ptr<Job>& job) {
  auto instance = std::make_shared<Instance>();
  const std::string id = base::random_hex(32);
  instance->container = kPrefix + id;
  instance->token = base::random_hex(32);
  instance->account = target.account;
  instance->name = target.name;
  instance->version = target.version;
  instance->revision = target.revision;
  instance->log_group = target.log_group();
  instance->log_stream = log_stream(clock_.now(), target.version, id);
  instance->memory_mb = target.memory_mb();
  instance->reports_itself = target.is_python();
  instance->job = job;
  if (job->work.tail == Work::Tail::kWanted) ++instance->readers;
  return instance;
}

void Pool::launch(const Target& target, const InstancePointer& instance) {
  const base::Millis expires =
      launch_(target, instance->container, instance->token, instance->log_stream);
  log_pump_.follow(instance->container, {.account = instance->account,
                                         .group = instance->log_group,
                                         .stream = instance->log_stream,
                                         .on_lines = nullptr});
  const std::lock_guard lock(mutex_);
  instance->last_call = expires - target.timeout().count();
}

// With the lock held; gives it up while it waits.
void Pool::await(Job& job, const InstancePointer& instance, Lock& lock) {
  while (!job.done) {
    const Monotonic deadline = job.handed ? *job.handed + job.timeout : job.began + options_.init;
    if (steady_clock::now() >= deadline) {
      time_out(job, instance);
    } else {
      job.changed.wait_until(lock, deadline);
    }
  }
}

void Pool::time_out(Job& job, const InstancePointer& instance) {
  const std::string text = timeout_text(job.handed ? job.timeout : options_.init);
  const std::string& id = job.work.request_id;
  const double duration = millis_between(job.handed ? *job.handed : job.began, steady_clock::now());
  const auto line = base::iso8601_millis(clock_.now()) + " " + id + " " + text;
  job.log_after = {line, end_line(id),
                   report_line(id, duration, instance->memory_mb, std::nullopt)};
  platform_log_.add(instance->account, instance->log_group, instance->log_stream, job.log_after);
  finish(job, error_payload("Sandbox.Timedout", id, text), "Unhandled");
  discard(instance);
}

void Pool::discard(const InstancePointer& instance) {
  if (instances_.erase(instance->token) == 0) return;
  instance->job = nullptr;
  if (instance->readers > 0) {
    instance->discarded = true;
    ++awaited_;
    return;
  }
  discarded_.push_back(instance->container);
  kept_.notify_all();
}

void Pool::release(const InstancePointer& instance, const Work& work) {
  if (work.tail != Work::Tail::kWanted || --instance->readers > 0 || !instance->discarded) return;
  instance->discarded = false;
  --awaited_;
  discarded_.push_back(instance->container);
  kept_.notify_all();
}

void Pool::retire(const std::string& account, const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::vector<InstancePointer> idle;
  for (const auto& [token, instance] : instances_) {
    if (instance->account != account || instance->name != name) continue;
    instance->retired = true;
    if (!instance->job) idle.push_back(instance);
  }
  for (const InstancePointer& instance : idle) discard(instance);
}

void Pool::finish(Job& job, std::string payload, std::string error) {
  job.outcome.payload = std::move(payload);
  job.outcome.error = std::move(error);
  job.done = true;
  job.changed.notify_all();
}

std::size_t Pool::live() const {
  const std::lock_guard lock(mutex_);
  return instances_.size();
}

// The thread that removes containers: those that were discarded, and those idle for long.
void Pool::keep() {
  Lock lock(mutex_);
  while (true) {
    std::optional<Monotonic> next;
    std::vector<InstancePointer> expired;
    for (const auto& [token, instance] : instances_) {
      if (instance->job) continue;
      const Monotonic ends = instance->idle_since + options_.idle;
      if (ends <= steady_clock::now()) {
        expired.push_back(instance);
      } else if (!next || ends < *next) {
        next = ends;
      }
    }
    for (const InstancePointer& instance : expired) discard(instance);
    if (!discarded_.empty()) {
      const std::string container = std::move(discarded_.front());
      discarded_.pop_front();
      lock.unlock();
      dispose(container);
      lock.lock();
      continue;
    }
    if (!running_ && awaited_ == 0) return;
    keeper_waits_for_work_ = !next;
    if (next) {
      kept_.wait_until(lock, *next);
    } else {
      kept_.wait(lock);
    }
    keeper_waits_for_work_ = false;
  }
}

void Pool::dispose(const std::string& container) {
  constexpr std::chrono::seconds kPatience{10};
  try {
    if (engine_.state(container) != containers::State::kAbsent) {
      engine_.stop(container, std::chrono::milliseconds(0));
      engine_.wait(container, kPatience);
    }
    log_pump_.drain(container);
    engine_.remove(container);
  } catch (const std::exception& error) {
    // The next start removes it.
    log(Level::kError, "a function's container cannot be removed",
        {{"container", container}, {"error", error.what()}});
  }
}

}  // namespace slipway::functions
