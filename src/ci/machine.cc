#include "ci/machine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "ci/record.h"
#include "ci/resources.h"
#include "store/outbox.h"

namespace slipway::ci {
namespace {

// A change can run up and down a tree of pipelines; this ends a circle that should not be.
constexpr int kMostRounds = 10'000;

std::vector<Node> nodes_of(const std::vector<JobRow>& rows) {
  std::vector<Node> nodes;
  nodes.reserve(rows.size());
  for (const JobRow& row : rows) nodes.push_back(node_of(row.job));
  return nodes;
}

bool has_strategy(const Job& job) { return job.is_bridge() && !job.spec.trigger->strategy.empty(); }

}  // namespace

Pipeline Machine::pipeline_of(Id id) {
  auto found = find_pipeline(transaction_, id);
  if (!found) throw Error("NotFound", "404 Pipeline Not Found", 404);
  return std::move(*found);
}

JobRow Machine::row_of(Id id) {
  auto found = find_job(transaction_, id);
  if (!found) throw Error("NotFound", "404 Job Not Found", 404);
  return std::move(*found);
}

void Machine::save(JobRow& row) {
  update(transaction_, row);
  dirty_.push_back(row.job.pipeline);
}

void Machine::settle() {
  for (int round = 0; !dirty_.empty() && round < kMostRounds; ++round) {
    const Id next = dirty_.front();
    dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), next), dirty_.end());
    settle_one(next);
  }
}

void Machine::settle_one(Id id) {
  auto pipeline = find_pipeline(transaction_, id);
  if (!pipeline || !is_prepared(transaction_, id)) return;
  std::vector<JobRow> rows = rows_of(transaction_, id, false);
  if (rows.empty()) return;
  std::vector<Node> nodes = nodes_of(rows);
  for (auto steps = process(nodes); !steps.empty(); steps = process(nodes)) {
    for (const Step& step : steps) {
      apply(rows[step.node], step.next);
      nodes[step.node].status = rows[step.node].job.status;
    }
  }
  const Status next = pipeline_status(pipeline->status, nodes);
  const bool changed = next != pipeline->status;
  pipeline->status = next;
  pipeline->updated = now_;
  const bool has_run = std::any_of(rows.begin(), rows.end(), [](const JobRow& row) {
    return row.job.started.has_value() && !row.job.external;
  });
  if (!pipeline->started && (has_run || next == Status::kRunning)) pipeline->started = now_;
  if (!is_complete(next)) {
    pipeline->finished.reset();
  } else if (changed) {
    pipeline->finished = now_;
  }
  update(transaction_, *pipeline);
  if (!changed) return;
  if (is_complete(next)) tell_finished(*pipeline);
  inherit(*pipeline);
}

void Machine::apply(JobRow& row, Next next) {
  switch (next) {
    case Next::kSkip:
      row.job.status = Status::kSkipped;
      break;
    case Next::kWaitForHuman:
      row.job.status = Status::kManual;
      break;
    case Next::kDelay:
      row.job.status = Status::kScheduled;
      row.job.scheduled = now_ + row.job.spec.start_in.count() * 1000;
      row.due = row.job.scheduled;
      transaction_.after_commit(wakes_.due);
      break;
    case Next::kEnqueue:
      enqueue(row);
      return;
  }
  save(row);
  // Others may have waited for its turn to pass.
  if (!row.resource.empty()) acquire(row.resource);
}

// With a resource group the job first waits for its turn, if only for this line.
void Machine::enqueue(JobRow& row) {
  row.due.reset();
  row.job.queued = now_;
  if (!row.resource.empty() && row.job.status != Status::kWaitingForResource) {
    row.job.status = Status::kWaitingForResource;
    save(row);
    acquire(row.resource);
    if (auto again = find_job(transaction_, row.job.id)) row = std::move(*again);
    return;
  }
  row.job.status = Status::kPending;
  if (row.job.is_bridge()) {
    insert(transaction_, Task{.key = "bridge:" + std::to_string(row.job.id),
                              .kind = "bridge",
                              .document = {{"job", row.job.id}}});
    transaction_.after_commit(wakes_.work);
  } else {
    // The caretaker's clock looks every minute: nobody is woken for what is hours away.
    row.due = stuck_at(now_, false);
    transaction_.after_commit(wakes_.pending);
  }
  save(row);
}

// Gives a free resource to whose turn it is.
void Machine::acquire(const std::string& resource) {
  if (current_job(transaction_, resource)) return;
  auto next = upcoming_jobs(transaction_, resource, 1);
  if (next.empty() || next.front().job.status != Status::kWaitingForResource) return;
  enqueue(next.front());
}

void Machine::reorder(const std::string& resource) {
  acquire(resource);
  settle();
}

void Machine::end(JobRow& row, const Ending& ending) {
  Job& job = row.job;
  const bool had_runner = !row.token.empty();
  job.status = ending.status;
  job.exit_code = ending.exit_code;
  job.finished = now_;
  row.token.clear();
  forget_secrets(transaction_, job.id);
  row.due.reset();
  if (ending.status == Status::kFailed) {
    job.failure_reason = ending.reason.empty() ? "unknown_failure" : ending.reason;
    job.failure_message = ending.message;
    if (is_forgiven(job.spec, ending.exit_code)) job.spec.allow_failure = true;
  }
  save(row);
  tell_finished(job);
  if (had_runner) {
    transaction_.after_commit([wake = wakes_.ended, id = job.id] { wake(id); });
  }
  if (ending.status == Status::kFailed && !job.is_bridge() && !job.external &&
      retries_itself(job.spec.retry, job.attempt, job.failure_reason, ending.exit_code)) {
    clone(row, job.user, true);
  } else if (ending.status == Status::kFailed && !job.spec.allow_failure) {
    const auto pipeline = find_pipeline(transaction_, job.pipeline);
    if (pipeline && base::text_or(pipeline->context, "on_job_failure") == "all") {
      cancel_rows_of(*pipeline, 0);
    }
  }
  if (!row.resource.empty()) acquire(row.resource);
}

// The new job has the old one's place; its dependents are processed again with it.
Id Machine::clone(JobRow& row, Id user, bool immediate) {
  row.job.retried = true;
  save(row);
  JobRow made;
  made.resource = row.resource;
  Job& job = made.job;
  job.id = next_number(transaction_, "job");
  job.pipeline = row.job.pipeline;
  job.project = row.job.project;
  job.user = user;
  job.spec = row.job.spec;
  if (!job.spec.allow_failure_exit_codes.empty()) job.spec.allow_failure = false;
  job.attempt = row.job.attempt + 1;
  job.immediate = immediate;
  job.variables = row.job.variables;
  job.created = now_;
  insert(transaction_, made);
  dirty_.push_back(job.pipeline);
  return job.id;
}

void Machine::start_again(const JobRow& row) {
  std::vector<JobRow> rows = rows_of(transaction_, row.job.pipeline, false);
  const auto self = std::find_if(rows.begin(), rows.end(),
                                 [&](const JobRow& each) { return each.job.id == row.job.id; });
  if (self == rows.end()) return;
  const auto index = static_cast<std::size_t>(self - rows.begin());
  for (const std::size_t each : to_reset(nodes_of(rows), index)) {
    rows[each].job.status = Status::kCreated;
    rows[each].job.finished.reset();
    save(rows[each]);
  }
  reset_upstream(pipeline_of(row.job.pipeline));
}

// A bridge that follows this pipeline, and what was skipped after it, waits once more.
void Machine::reset_upstream(const Pipeline& pipeline) {
  if (!pipeline.upstream_job || !reset_.insert(*pipeline.upstream_job).second) return;
  auto bridge = find_job(transaction_, *pipeline.upstream_job);
  if (!bridge || !has_strategy(bridge->job) || bridge->job.retried) return;
  if (!is_complete(bridge->job.status) && bridge->job.status != Status::kManual) return;
  bridge->job.status = Status::kPending;
  bridge->job.failure_reason.clear();
  bridge->job.failure_message.clear();
  bridge->job.finished.reset();
  save(*bridge);
  start_again(*bridge);
}

void Machine::inherit(const Pipeline& pipeline) {
  if (!pipeline.upstream_job) return;
  auto bridge = find_job(transaction_, *pipeline.upstream_job);
  if (!bridge || !has_strategy(bridge->job) || bridge->job.retried) return;
  if (bridge->job.downstream != pipeline.id || is_complete(bridge->job.status)) return;
  const auto status = inherited(bridge->job.spec.trigger->strategy, pipeline.status);
  if (!status || *status == bridge->job.status) return;
  if (*status == Status::kManual) {
    bridge->job.status = *status;
    save(*bridge);
    return;
  }
  end(*bridge, {.status = *status,
                .reason = *status == Status::kFailed ? "downstream_pipeline_failed" : "",
                .message = "",
                .exit_code = std::nullopt});
}

void Machine::begin(Id id) {
  set_prepared(transaction_, id);
  remove_task(transaction_, "prepare:" + std::to_string(id));
  const auto pipeline = find_pipeline(transaction_, id);
  if (!pipeline) return;
  cancel_redundant(*pipeline);
  dirty_.push_back(id);
  settle();
}

void Machine::finish(Id id, const Ending& ending) {
  JobRow row = row_of(id);
  if (is_complete(row.job.status)) return;
  Ending actual = ending;
  if (row.job.status == Status::kCanceling) {
    actual = {.status = Status::kCanceled, .reason = "", .message = "", .exit_code = {}};
  }
  end(row, actual);
  settle();
}

void Machine::start_delayed(Id id) {
  JobRow row = row_of(id);
  if (row.job.status != Status::kScheduled) return;
  enqueue(row);
  settle();
}

void Machine::change(JobRow row) {
  save(row);
  if (is_complete(row.job.status)) tell_finished(row.job);
  settle();
}

void Machine::link(Id id, const Pipeline& downstream) {
  JobRow row = row_of(id);
  if (!row.job.is_bridge()) return;  // a script that called the API
  if (row.job.status != Status::kPending || row.job.downstream) {
    throw Error("Conflict", "the trigger job does not wait for a pipeline", 409);
  }
  row.job.downstream = downstream.id;
  row.job.started = now_;
  if (!downstream.yaml_errors.empty()) {
    std::string message;
    for (const std::string& error : downstream.yaml_errors) {
      message += (message.empty() ? "" : ", ") + error;
    }
    end(row, {.status = Status::kFailed,
              .reason = "downstream_pipeline_creation_failed",
              .message = message,
              .exit_code = std::nullopt});
  } else if (has_strategy(row.job)) {
    row.job.status = Status::kRunning;
    save(row);
  } else {
    end(row, {.status = Status::kSuccess, .reason = "", .message = "", .exit_code = {}});
  }
  settle();
}

void Machine::tell_created(const Pipeline& pipeline) { tell("Pipeline.Created", pipeline); }
void Machine::tell_finished(const Pipeline& pipeline) { tell("Pipeline.Finished", pipeline); }

void Machine::tell(const char* type, const Pipeline& pipeline) {
  const std::string path = base::text_or(pipeline.context, "path");
  store::append(transaction_, {.at = now_,
                               .account = account_,
                               .type = type,
                               .subject = path + "#" + std::to_string(pipeline.id),
                               .detail = {{"pipeline", pipeline.id},
                                          {"project", pipeline.project},
                                          {"path", path},
                                          {"ref", pipeline.ref},
                                          {"sha", pipeline.sha},
                                          {"source", pipeline.source},
                                          {"status", text(pipeline.status)},
                                          {"name", pipeline.name}}});
}

void Machine::tell_finished(const Job& job) {
  const auto pipeline = find_pipeline(transaction_, job.pipeline);
  if (!pipeline) return;
  const std::string path = base::text_or(pipeline->context, "path");
  store::append(transaction_, {.at = now_,
                               .account = account_,
                               .type = "Job.Finished",
                               .subject = path + "#" + std::to_string(job.id),
                               .detail = {{"job", job.id},
                                          {"pipeline", job.pipeline},
                                          {"project", job.project},
                                          {"path", path},
                                          {"ref", pipeline->ref},
                                          {"sha", pipeline->sha},
                                          {"source", pipeline->source},
                                          {"status", text(job.status)},
                                          {"name", job.spec.name},
                                          {"stage", job.spec.stage},
                                          {"failure_reason", job.failure_reason}}});
}

}  // namespace slipway::ci
