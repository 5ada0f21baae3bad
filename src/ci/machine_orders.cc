// What people and runners order: take, play, retry, cancel.

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/error.h"
#include "ci/machine.h"
#include "ci/record.h"

namespace slipway::ci {
namespace {

constexpr std::int64_t kPage = 100;  // pending jobs looked at together
constexpr base::Millis kRedundantFor = 3LL * 24 * 3600 * 1000;
constexpr int kDeepestChild = 8;

bool may_end_gracefully(store::Reader& reader, Id runner) {
  bool may = false;
  reader.query("select document from ci_runners where id = ?", {runner}, [&](const auto& row) {
    const Runner found = runner_of_json(base::parse_json(row.text(0), "runner"));
    may =
        base::boolean_or(base::object_or_empty(found.info, "features"), "cancel_gracefully", false);
  });
  return may;
}

// GitLab fails a job whose sources are no longer there rather than run it without them.
bool lacks_artifacts(const std::vector<JobRow>& rows, const Job& job) {
  std::vector<Job> jobs;
  jobs.reserve(rows.size());
  for (const JobRow& row : rows) jobs.push_back(row.job);
  const auto sources = artifact_sources(jobs, job);
  return std::any_of(sources.begin(), sources.end(), [&](std::size_t index) {
    return jobs[index].erased.has_value() || jobs[index].artifacts_expired;
  });
}

}  // namespace

std::optional<JobRow> Machine::assign(const Runner& runner, const std::string& token,
                                      const Patience& patience) {
  std::map<Id, std::int64_t> running;
  transaction_.query(
      "select project, count(*) from ci_jobs where status = 'running' and kind = 'build'"
      " group by project",
      {}, [&](const auto& row) { running[row.integer(0)] = row.integer(1); });
  bool failed = false;
  for (Id after = 0;;) {
    auto rows = rows_where(
        transaction_, "where status = 'pending' and kind = 'build' and id > ? order by id limit ?",
        {after, kPage});
    if (rows.empty()) break;
    after = rows.back().job.id;
    // The project that has least running comes first, within it the oldest job.
    std::stable_sort(rows.begin(), rows.end(), [&](const JobRow& one, const JobRow& other) {
      return running[one.job.project] < running[other.job.project];
    });
    for (JobRow& seen : rows) {
      // Read again: a job that failed on the way may have canceled this one.
      auto now = failed ? find_job(transaction_, seen.job.id) : std::nullopt;
      JobRow& row = now ? *now : seen;
      if (row.job.status != Status::kPending) continue;
      const auto pipeline = find_pipeline(transaction_, row.job.pipeline);
      if (!pipeline) continue;
      if (!fits(runner, row.job, base::boolean_or(pipeline->context, "protected", false))) continue;
      if (lacks_artifacts(rows_of(transaction_, pipeline->id, false), row.job)) {
        end(row, {.status = Status::kFailed,
                  .reason = "missing_dependency_failure",
                  .message = "",
                  .exit_code = std::nullopt});
        failed = true;
        continue;
      }
      const base::Millis allowed = row.job.spec.timeout
                                       ? row.job.spec.timeout->count()
                                       : base::integer_or(pipeline->context, "timeout", 3600);
      row.timeout =
          1000 * std::min<base::Millis>(
                     allowed, runner.maximum_timeout.value_or(std::numeric_limits<int>::max()));
      row.job.status = Status::kRunning;
      row.job.runner = runner.id;
      row.job.started = now_;
      row.token = token;
      row.due = overdue_at({.started = now_,
                            .contacted = now_,
                            .timeout = row.timeout,
                            .grace = patience.grace,
                            .heartbeat = patience.heartbeat});
      save(row);
      transaction_.after_commit(wakes_.due);
      settle();
      return row;
    }
  }
  settle();
  return std::nullopt;
}

Job Machine::play(Id id, Id user, const Variables& variables) {
  JobRow row = row_of(id);
  if (!is_playable(row.job)) {
    throw Error("Invalid", "400 Bad request - Unplayable Job", 400);
  }
  row.job.user = user;
  row.job.variables = variables;
  enqueue(row);
  start_again(row);
  settle();
  return row_of(id).job;
}

Job Machine::retry(Id id, Id user) {
  JobRow row = row_of(id);
  if (!is_retryable(row.job)) {
    throw Error("Forbidden", "403 Forbidden - Job is not retryable", 403);
  }
  const Id made = clone(row, user, true);
  start_again(row_of(made));
  settle();
  return row_of(made).job;
}

Job Machine::cancel(Id id) {
  JobRow row = row_of(id);
  if (is_cancelable(row.job.status)) {
    stop(row);
    settle();
  }
  return row_of(id).job;
}

// A runner that can is told to end the job itself, with its after_script.
void Machine::stop(JobRow& row) {
  if (row.job.status == Status::kRunning && row.job.runner && !row.job.is_bridge() &&
      may_end_gracefully(transaction_, *row.job.runner)) {
    row.job.status = Status::kCanceling;
    save(row);
    return;
  }
  end(row, {.status = Status::kCanceled, .reason = "", .message = "", .exit_code = std::nullopt});
}

void Machine::cancel_pipeline(Id id) {
  cancel_rows_of(pipeline_of(id), 0);
  settle();
}

void Machine::give_up_pipeline(Id id, const std::string& why) {
  auto pipeline = find_pipeline(transaction_, id);
  if (!pipeline) return;
  pipeline->yaml_errors = {"The pipeline could not be prepared: " + why};
  update(transaction_, *pipeline);
  set_prepared(transaction_, id);  // as it is only settled from then on
  cancel_rows_of(*pipeline, 0);
  settle();
}

void Machine::cancel_rows_of(const Pipeline& pipeline, int depth) {
  for (const JobRow& each : rows_of(transaction_, pipeline.id, false)) {
    // Read again: what ended before it may have changed it.
    JobRow row = row_of(each.job.id);
    if (is_cancelable(row.job.status)) stop(row);
  }
  if (depth >= kDeepestChild) return;
  for (const Pipeline& child :
       pipelines_where(transaction_, "where parent = ? order by id", {pipeline.id})) {
    if (!is_complete(child.status)) cancel_rows_of(child, depth + 1);
  }
  dirty_.push_back(pipeline.id);
}

void Machine::retry_pipeline(Id id, Id user) {
  const Pipeline pipeline = pipeline_of(id);
  for (JobRow& row : rows_of(transaction_, id, false)) {
    const Status status = row.job.status;
    if ((status == Status::kFailed || status == Status::kCanceled) && is_retryable(row.job)) {
      clone(row, user, false);
    } else if (status == Status::kSkipped) {
      row.job.status = Status::kCreated;
      save(row);
    }
  }
  reset_upstream(pipeline);
  dirty_.push_back(id);
  settle();
}

void Machine::cancel_redundant(const Pipeline& pipeline) {
  if (pipeline.parent || pipeline.source == "external" || pipeline.status == Status::kSkipped ||
      !base::boolean_or(pipeline.context, "cancels_older", true)) {
    return;
  }
  const auto older = pipelines_where(
      transaction_,
      "where project = ? and ref = ? and id < ? and sha <> ? and created > ? and source <>"
      " 'external' and status in ('created', 'waiting_for_resource', 'preparing', 'pending',"
      " 'running', 'scheduled') order by id",
      {pipeline.project, pipeline.ref, pipeline.id, pipeline.sha, now_ - kRedundantFor});
  for (const Pipeline& each : older) interrupt(each, 0);
}

// By the pipeline's own rule; its children by theirs.
void Machine::interrupt(const Pipeline& pipeline, int depth) {
  std::vector<Job> jobs;
  for (JobRow& row : rows_of(transaction_, pipeline.id, false)) jobs.push_back(std::move(row.job));
  const std::string mode = base::text_or(pipeline.context, "auto_cancel", "conservative");
  const auto cancel = redundant(mode, jobs);
  for (const std::size_t index : cancel) {
    JobRow row = row_of(jobs[index].id);
    if (is_cancelable(row.job.status)) stop(row);
  }
  if (cancel.empty() || depth >= kDeepestChild) return;
  for (const Pipeline& child :
       pipelines_where(transaction_, "where parent = ? order by id", {pipeline.id})) {
    if (!is_complete(child.status)) interrupt(child, depth + 1);
  }
}

}  // namespace slipway::ci
