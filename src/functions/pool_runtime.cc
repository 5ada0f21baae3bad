// The pool as its containers see it: they ask for work, answer, and end.

#include <filesystem>
#include <utility>

#include "base/log.h"
#include "functions/pool.h"
#include "functions/pool_state.h"

namespace slipway::functions {
namespace {

using std::chrono::steady_clock;

struct Ending {
  std::string type;
  std::string message;
};

Ending ending_of(const std::optional<containers::Exit>& exit) {
  if (!exit) return {"Runtime.ExitError", "Runtime exited without providing a reason"};
  if (exit->reason.find("memory") != std::string::npos) {
    return {"Runtime.OutOfMemory", "Runtime exited with error: signal: killed"};
  }
  if (!exit->reason.empty()) return {"Runtime.InvalidEntrypoint", exit->reason};
  if (exit->code == 0) {
    return {"Runtime.ExitError", "Runtime exited without providing a reason"};
  }
  const std::string how = exit->code > 128 ? "signal: " + std::to_string(exit->code - 128)
                                           : "exit status " + std::to_string(exit->code);
  return {"Runtime.ExitError", "Runtime exited with error: " + how};
}

double millis_since(Monotonic from) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - from).count();
}

}  // namespace

std::variant<Delivery, Nothing, Unknown> Pool::next(const std::string& token) {
  const std::lock_guard lock(mutex_);
  const auto found = instances_.find(token);
  if (found == instances_.end()) return Unknown{};
  Instance& instance = *found->second;
  if (!instance.init_ms) instance.init_ms = millis_since(instance.started);
  if (!instance.job) return Nothing{};
  const std::shared_ptr<Job> job = instance.job;
  if (job->handed) {
    // It was given one and asks for the next without an answer: that one is lost.
    finish(*job,
           error_payload("Runtime.NoResponse", job->work.request_id,
                         "Runtime asked for work before it had answered"),
           "Unhandled");
    instance.job = nullptr;
    instance.idle_since = steady_clock::now();
    return Nothing{};
  }
  std::error_code error;
  const auto size = std::filesystem::file_size(engine_.log_path(instance.container), error);
  job->log_offset = error ? 0 : size;
  job->handed = steady_clock::now();
  if (!instance.reports_itself) {
    job->log_before = {start_line(job->work.request_id, instance.version)};
    platform_log_.add(instance.account, instance.log_group, instance.log_stream, job->log_before);
  }
  job->changed.notify_all();
  return Delivery{.request_id = job->work.request_id,
                  .payload = std::move(job->work.payload),
                  .arn = job->arn,
                  .client_context = job->work.client_context,
                  .deadline = clock_.now() + job->timeout.count()};
}

bool Pool::complete(const std::string& token, std::string_view request_id, std::string payload,
                    std::string error) {
  const std::lock_guard lock(mutex_);
  const auto found = instances_.find(token);
  if (found == instances_.end()) return false;
  const InstancePointer instance = found->second;
  const std::shared_ptr<Job> job = instance->job;
  if (!job || !job->handed || job->work.request_id != request_id) return false;
  if (!instance->reports_itself) {
    const bool first = !std::exchange(instance->init_reported, true);
    job->log_after = {end_line(request_id),
                      report_line(request_id, millis_since(*job->handed), instance->memory_mb,
                                  first ? instance->init_ms : std::nullopt)};
    platform_log_.add(instance->account, instance->log_group, instance->log_stream, job->log_after);
  }
  finish(*job, std::move(payload), std::move(error));
  instance->job = nullptr;
  instance->idle_since = steady_clock::now();
  if (instance->retired || job->log_offset > kLogOfContainer) {
    discard(instance);
  } else if (keeper_waits_for_work_) {
    kept_.notify_all();  // it has somebody to look after now
  }
  return true;
}

bool Pool::fail_start(const std::string& token, std::string payload) {
  const std::lock_guard lock(mutex_);
  const auto found = instances_.find(token);
  if (found == instances_.end()) return false;
  const InstancePointer instance = found->second;
  if (instance->job && !instance->job->done) {
    finish(*instance->job, std::move(payload), "Unhandled");
  }
  discard(instance);
  return true;
}

void Pool::container_ended(const std::string& container) {
  const std::optional<containers::Exit> exit = engine_.exit_of(container);
  const std::lock_guard lock(mutex_);
  InstancePointer instance;
  for (const auto& [token, candidate] : instances_) {
    if (candidate->container == container) instance = candidate;
  }
  if (!instance) return;
  if (const std::shared_ptr<Job> job = instance->job; job && !job->done) {
    const std::string& id = job->work.request_id;
    const Ending ending = ending_of(exit);
    // A warm one that died before it took the call: another may take it.
    job->outcome.aborted = !job->handed && instance->init_ms.has_value();
    const std::string text = "RequestId: " + id + " Error: " + ending.message;
    const double duration = millis_since(job->handed ? *job->handed : job->began);
    job->log_after = {text, ending.type, end_line(id),
                      report_line(id, duration, instance->memory_mb, std::nullopt)};
    platform_log_.add(instance->account, instance->log_group, instance->log_stream, job->log_after);
    finish(*job, error_payload(ending.type, id, ending.message), "Unhandled");
  }
  discard(instance);
}

}  // namespace slipway::functions
