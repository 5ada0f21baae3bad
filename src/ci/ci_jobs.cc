// The half of Ci that is about jobs and settings.

#include <algorithm>
#include <utility>

#include "ci/ci.h"
#include "ci/resources.h"
#include "ci/state.h"

namespace slipway::ci {
namespace {

constexpr std::uint64_t kWholeTrace = 1ull << 40;
constexpr int kExternalStage = 1'000'000;
constexpr std::int64_t kMostDeployments = 10'000;
constexpr int kMostUpcoming = 1000;

std::vector<Job> jobs_in(std::vector<JobRow> rows) {
  std::vector<Job> jobs;
  jobs.reserve(rows.size());
  for (JobRow& row : rows) jobs.push_back(std::move(row.job));
  return jobs;
}

}  // namespace

std::vector<Job> Ci::jobs_of(Id pipeline, bool with_retried) const {
  return jobs_in(state_->workshop.database.read(
      [&](store::Reader& reader) { return rows_of(reader, pipeline, with_retried); }));
}

std::vector<Job> Ci::jobs_of_project(Id project, int offset, int limit, int* total) const {
  return jobs_in(state_->workshop.database.read([&](store::Reader& reader) {
    if (total != nullptr) {
      *total = static_cast<int>(count(reader, "ci_jobs where project = ?", {project}));
    }
    return rows_where(reader, "where project = ? order by id desc limit ? offset ?",
                      {project, std::int64_t{limit}, std::int64_t{offset}});
  }));
}

std::optional<Job> Ci::job(Id id) const {
  auto found =
      state_->workshop.database.read([&](store::Reader& reader) { return find_job(reader, id); });
  if (!found) return std::nullopt;
  return std::move(found->job);
}

Job Ci::play(Id id, const forge::User& user, const Variables& variables) {
  state_->check_may_run(user, state_->pipeline(state_->row(id).job.pipeline));
  return state_->workshop.change(
      [&](Machine& machine) { return machine.play(id, user.id, variables); });
}

Job Ci::retry(Id id, const forge::User& user) {
  state_->check_may_run(user, state_->pipeline(state_->row(id).job.pipeline));
  return state_->workshop.change([&](Machine& machine) { return machine.retry(id, user.id); });
}

Job Ci::cancel(Id id) {
  return state_->workshop.change([&](Machine& machine) { return machine.cancel(id); });
}

// First the record, then the files: what a crash leaves of them the task removes.
void Ci::State::drop_artifacts(Id id, bool with_trace) {
  workshop.change([&](Machine&, store::Transaction& transaction) {
    auto there = find_job(transaction, id);
    if (!there) throw Error("NotFound", "404 Job Not Found", 404);
    if (with_trace && (!is_complete(there->job.status) || there->job.is_bridge())) {
      throw Error("Forbidden", "403 Forbidden - Job is not erasable!", 403);
    }
    there->job.artifacts_expired = !with_trace && !there->job.artifacts.empty();
    there->job.artifacts.clear();
    there->job.dotenv = Json::object();
    there->expires.reset();
    Json files{{"artifacts", Json::array({id})}};
    if (with_trace) {
      there->job.erased = workshop.clock.now();
      there->job.trace_size = 0;
      files["traces"] = Json::array({id});
    }
    update(transaction, *there);
    insert(transaction, Task{.key = (with_trace ? "erased:" : "dropped:") + std::to_string(id),
                             .kind = "files",
                             .document = files});
    transaction.after_commit(workshop.wakes.work);
  });
  artifacts.remove(id);
  if (with_trace) traces.remove(id);
}

Job Ci::erase(Id id) {
  state_->drop_artifacts(id, true);
  return state_->row(id).job;
}

void Ci::delete_artifacts(Id id) { state_->drop_artifacts(id, false); }

void Ci::keep_artifacts(Id id) {
  state_->workshop.database.write([&](store::Transaction& transaction) {
    auto there = find_job(transaction, id);
    if (!there || there->job.artifacts.empty()) throw Error("NotFound", "404 Not found", 404);
    for (Artifact& artifact : there->job.artifacts) artifact.expires.reset();
    there->expires.reset();
    update(transaction, *there);
  });
}

std::string Ci::trace(Id job) const { return state_->traces.read(job, 0, kWholeTrace); }

std::string Ci::trace_from(Id job, std::uint64_t offset, std::size_t limit) const {
  return state_->traces.read(job, offset, limit);
}

std::optional<std::filesystem::path> Ci::artifact_path(Id id, const std::string& type) const {
  const auto found = job(id);
  if (!found) return std::nullopt;
  return state_->artifacts.path(*found, type);
}

std::optional<Job> Ci::latest_job(Id project, const std::string& ref,
                                  const std::string& name) const {
  return state_->workshop.database.read(
      [&](store::Reader& reader) { return find_latest_job(reader, project, ref, name); });
}

Variables Ci::variables_of(const Job& job) const {
  const JobRow row = state_->row(job.id);
  return state_->variables.of(row, state_->pipeline(row.job.pipeline));
}

std::vector<StoredVariable> Ci::variables(Owner owner, Id id) const {
  return state_->settings.variables(owner, id);
}
void Ci::set_variable(Owner owner, Id id, const StoredVariable& variable, bool must_be_new) {
  state_->settings.set_variable(owner, id, variable, must_be_new);
}
void Ci::remove_variable(Owner owner, Id id, const std::string& key, const std::string& scope) {
  state_->settings.remove_variable(owner, id, key, scope);
}

std::vector<Trigger> Ci::triggers(Id project) const { return state_->settings.triggers(project); }
Trigger Ci::save_trigger(Trigger trigger) { return state_->settings.save(std::move(trigger)); }
void Ci::remove_trigger(Id project, Id id) { state_->settings.remove_trigger(project, id); }

std::vector<Schedule> Ci::schedules(Id project) const {
  return state_->settings.schedules(project);
}
std::optional<Schedule> Ci::schedule(Id id) const { return state_->settings.schedule(id); }
Schedule Ci::save_schedule(Schedule schedule) { return state_->settings.save(std::move(schedule)); }
void Ci::remove_schedule(Id id) { state_->settings.remove_schedule(id); }

Pipeline Ci::play_schedule(Id id, const forge::User& user) {
  const auto schedule = state_->settings.schedule(id);
  if (!schedule) throw Error("NotFound", "404 Pipeline Schedule Not Found", 404);
  Making making;
  making.request = {.project = schedule->project,
                    .ref = schedule->ref,
                    .source = "schedule",
                    .variables = schedule->variables,
                    .schedule = schedule->id};
  const Pipeline made = state_->creation.create(user, making);
  state_->settings.note_pipeline(id, made.id);
  return made;
}

std::vector<Environment> Ci::environments(Id project) const {
  return state_->settings.environments(project);
}

std::vector<Job> Ci::deployments(Id project) const {
  return jobs_in(state_->workshop.database.read([&](store::Reader& reader) {
    return rows_where(reader,
                      "where project = ? and kind = 'build' and document like"
                      " '%\"environment_id\":%' order by id desc limit ?",
                      {project, kMostDeployments});
  }));
}

std::vector<ResourceGroup> Ci::resource_groups(Id project) const {
  return state_->workshop.database.read(
      [&](store::Reader& reader) { return ci::resource_groups(reader, project); });
}

std::optional<ResourceGroup> Ci::resource_group(Id project, const std::string& key) const {
  return state_->workshop.database.read([&](store::Reader& reader) {
    return find_resource_group(reader, resource_of(project, key));
  });
}

ResourceGroup Ci::set_process_mode(Id project, const std::string& key, const std::string& mode) {
  return state_->workshop.change([&](Machine& machine, store::Transaction& transaction) {
    auto found = find_resource_group(transaction, resource_of(project, key));
    if (!found) throw Error("NotFound", "404 Not found", 404);
    found->process_mode = mode;
    found->updated = state_->workshop.clock.now();
    update(transaction, *found);
    machine.reorder(resource_of(project, key));
    return *found;
  });
}

std::vector<Job> Ci::upcoming_jobs(Id project, const std::string& key) const {
  return jobs_in(state_->workshop.database.read([&](store::Reader& reader) {
    return ci::upcoming_jobs(reader, resource_of(project, key), kMostUpcoming);
  }));
}

std::optional<Job> Ci::current_job(Id project, const std::string& key) const {
  auto found = state_->workshop.database.read(
      [&](store::Reader& reader) { return ci::current_job(reader, resource_of(project, key)); });
  if (!found) return std::nullopt;
  return std::move(found->job);
}

std::vector<Job> Ci::commit_statuses(Id project, const std::string& sha) const {
  return jobs_in(state_->workshop.database.read([&](store::Reader& reader) {
    return rows_where(reader,
                      "where retried = 0 and pipeline in (select id from ci_pipelines where"
                      " project = ? and sha = ?) order by id",
                      {project, sha});
  }));
}

Job Ci::set_commit_status(const forge::User& user, Id project_id, const std::string& sha,
                          const Json& given) {
  const auto project = state_->workshop.forge.project(project_id);
  if (!project) throw Error("NotFound", "404 Project Not Found", 404);
  const auto repository = state_->workshop.forge.repository(project_id);
  const auto commit = repository.commit(repository.resolve(sha).value_or(sha));
  if (!commit) throw Error("NotFound", "404 Commit Not Found", 404);
  const auto state = status_of(base::text_or(given, "state"));
  if (!state || *state == Status::kManual || *state == Status::kScheduled) {
    throw Error("Invalid", "state does not have a valid value", 400);
  }
  std::string name = base::text_or(given, "name", base::text_or(given, "context", "default"));
  std::string ref = base::text_or(given, "ref");
  if (ref.empty()) {
    ref = project->default_branch;
    for (const forge::Ref& each : repository.refs("refs/heads/")) {
      if (each.commit == commit->id) ref = each.name.substr(std::string("refs/heads/").size());
    }
  }
  // It counts as one of the pipeline's jobs, and its pipeline as the ref's.
  const Id wanted = base::integer_or(given, "pipeline_id", 0);
  Pipeline owner;
  owner.project = project_id;
  owner.ref = ref;
  if (wanted > 0) owner = state_->pipeline(wanted);
  if (owner.project != project_id) throw Error("NotFound", "404 Pipeline Not Found", 404);
  state_->check_may_run(user, owner);
  const base::Millis now = state_->workshop.clock.now();
  const Id made = state_->workshop.change([&](Machine& machine, store::Transaction& transaction) {
    auto found = wanted > 0 ? pipelines_where(transaction, "where id = ? and project = ?",
                                              {wanted, project_id})
                            : pipelines_where(transaction,
                                              "where project = ? and sha = ? and ref = ? and parent"
                                              " is null order by id desc limit 1",
                                              {project_id, commit->id, ref});
    if (wanted > 0 && found.empty()) throw Error("NotFound", "404 Pipeline Not Found", 404);
    Pipeline pipeline;
    if (!found.empty()) {
      pipeline = found.front();
    } else {
      pipeline.id = next_number(transaction, "pipeline");
      pipeline.iid = next_number(transaction, "pipeline/" + std::to_string(project_id));
      pipeline.project = project_id;
      pipeline.user = user.id;
      pipeline.ref = ref;
      pipeline.sha = commit->id;
      pipeline.before_sha = forge::kNoCommit;
      pipeline.source = "external";
      pipeline.created = pipeline.updated = now;
      pipeline.stages = {"external"};
      pipeline.context = {{"path", project->full_path}, {"commit", {{"message", commit->message}}}};
      insert(transaction, pipeline, "", true);
      machine.tell_created(pipeline);
    }
    std::optional<JobRow> row;
    for (JobRow& each : rows_of(transaction, pipeline.id, false)) {
      if (each.job.external && each.job.spec.name == name) row = std::move(each);
    }
    const bool is_new = !row || is_complete(row->job.status);
    if (is_new) {
      JobRow fresh;
      if (row) {
        row->job.retried = true;
        update(transaction, *row);
        fresh.job.attempt = row->job.attempt + 1;
      }
      fresh.job.id = next_number(transaction, "job");
      fresh.job.pipeline = pipeline.id;
      fresh.job.project = project_id;
      fresh.job.user = user.id;
      fresh.job.external = true;
      fresh.job.created = now;
      fresh.job.spec.name = fresh.job.spec.base_name = name;
      fresh.job.spec.stage = "external";
      fresh.job.spec.stage_index = kExternalStage;
      fresh.job.spec.options = {{"target_url", base::text_or(given, "target_url")},
                                {"description", base::text_or(given, "description")}};
      fresh.job.status = Status::kPending;
      insert(transaction, fresh);
      row = std::move(fresh);
    }
    row->job.status = *state;
    if (given.contains("coverage")) row->job.coverage = base::number_or(given, "coverage", 0);
    if (*state == Status::kRunning || is_complete(*state)) {
      if (!row->job.started) row->job.started = now;
    }
    if (is_complete(*state)) row->job.finished = now;
    if (*state == Status::kFailed) row->job.failure_reason = "unknown_failure";
    const Id id = row->job.id;
    machine.change(std::move(*row));
    return id;
  });
  return state_->row(made).job;
}

}  // namespace slipway::ci
