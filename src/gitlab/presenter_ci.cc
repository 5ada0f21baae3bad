#include "base/strings.h"
#include "gitlab/presenter.h"

namespace slipway::gitlab {
namespace {

constexpr base::Millis kOnlineFor = 2LL * 3600 * 1000;
constexpr base::Millis kStaleAfter = 7LL * 24 * 3600 * 1000;

Json seconds_between(const std::optional<base::Millis>& from,
                     const std::optional<base::Millis>& to) {
  if (!from || !to) return nullptr;
  return static_cast<double>(*to - *from) / 1000.0;
}

Json whole_seconds_between(const std::optional<base::Millis>& from,
                           const std::optional<base::Millis>& to) {
  if (!from || !to) return nullptr;
  return (*to - *from) / 1000;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string_view shown(ci::Status status) {
  switch (status) {
    case ci::Status::kSuccess:
      return "Passed";
    case ci::Status::kWaitingForResource:
      return "Waiting";
    default:
      return "";
  }
}

std::string_view variable_type(const ci::Variable& variable) {
  return variable.file ? "file" : "env_var";
}

std::string_view runner_status(const ci::Runner& runner, base::Millis now) {
  if (!runner.contacted) return now - runner.created > kStaleAfter ? "stale" : "never_contacted";
  const base::Millis silent = now - *runner.contacted;
  if (silent <= kOnlineFor) return "online";
  return silent > kStaleAfter ? "stale" : "offline";
}

}  // namespace

std::string_view deployment_status(ci::Status status) {
  switch (status) {
    case ci::Status::kSuccess:
    case ci::Status::kFailed:
    case ci::Status::kCanceled:
    case ci::Status::kSkipped:
      return text(status);
    case ci::Status::kRunning:
    case ci::Status::kCanceling:
      return "running";
    case ci::Status::kManual:
      return "blocked";
    default:
      return "created";
  }
}

Json detailed_status(ci::Status status, const std::string& details_path) {
  const std::string name(text(status));
  std::string words = base::replace_all(name, "_", " ");
  std::string title(shown(status));
  if (title.empty()) {
    title = words;
    title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  }
  if (status == ci::Status::kSuccess) words = "passed";
  const std::string group = base::replace_all(
      status == ci::Status::kWaitingForResource ? "waiting-for-resource" : name, "_", "-");
  return {{"icon", "status_" + (status == ci::Status::kWaitingForResource ? "pending" : name)},
          {"text", title},
          {"label", words},
          {"group", group},
          {"tooltip", words},
          {"has_details", true},
          {"details_path", details_path},
          {"illustration", nullptr},
          {"favicon", nullptr}};
}

std::string Presenter::pipeline_url(const ci::Pipeline& pipeline) {
  return web_url(project_of(pipeline.project), "/-/pipelines/" + std::to_string(pipeline.id));
}

std::string Presenter::job_url(const ci::Job& job) {
  return web_url(project_of(job.project), "/-/jobs/" + std::to_string(job.id));
}

Json Presenter::pipeline(const ci::Pipeline& pipeline) {
  return {{"id", pipeline.id},
          {"iid", pipeline.iid},
          {"project_id", pipeline.project},
          {"sha", pipeline.sha},
          {"ref", pipeline.ref},
          {"status", text(pipeline.status)},
          {"source", pipeline.source},
          {"created_at", base::iso8601_millis(pipeline.created)},
          {"updated_at", base::iso8601_millis(pipeline.updated)},
          {"web_url", pipeline_url(pipeline)},
          {"name", text_or_null(pipeline.name)}};
}

Json Presenter::pipeline_detail(const ci::Pipeline& found) {
  Json all = pipeline(found);
  double coverage = 0;
  int covered = 0;
  for (const ci::Job& job : ci_.jobs_of(found.id)) {
    if (!job.coverage) continue;
    coverage += *job.coverage;
    ++covered;
  }
  Json average;
  if (covered > 0) {
    std::string digits = std::to_string(coverage / covered);
    average = digits.substr(0, digits.find('.') + 3);
  }
  const std::string details =
      "/" + project_of(found.project).full_path + "/-/pipelines/" + std::to_string(found.id);
  all.update({{"before_sha", found.before_sha.empty() ? forge::kNoCommit : found.before_sha},
              {"tag", found.tag},
              {"yaml_errors", text_or_null(base::join(found.yaml_errors, "\n"))},
              {"yaml_error_places", found.yaml_error_places},
              {"user", user(found.user)},
              {"started_at", time_json(found.started)},
              {"finished_at", time_json(found.finished)},
              {"committed_at", nullptr},
              {"duration", whole_seconds_between(found.started, found.finished)},
              {"queued_duration", whole_seconds_between(found.created, found.started)},
              {"coverage", average},
              {"archived", false},
              {"detailed_status", detailed_status(found.status, details)}});
  return all;
}

Json Presenter::job_fields(const ci::Job& job) {
  const forge::Project& project = project_of(job.project);
  auto known = pipelines_.find(job.pipeline);
  if (known == pipelines_.end())
    known = pipelines_.emplace(job.pipeline, ci_.pipeline(job.pipeline)).first;
  const auto& owner = known->second;
  return {{"id", job.id},
          {"status", text(job.status)},
          {"stage", job.stage()},
          {"name", job.name()},
          {"ref", owner ? owner->ref : ""},
          {"tag", owner && owner->tag},
          {"coverage", job.coverage ? Json(*job.coverage) : Json()},
          {"allow_failure", job.spec.allow_failure},
          {"created_at", base::iso8601_millis(job.created)},
          {"started_at", time_json(job.started)},
          {"finished_at", time_json(job.finished)},
          {"erased_at", time_json(job.erased)},
          {"duration", seconds_between(job.started, job.finished ? *job.finished : now_)},
          {"queued_duration", seconds_between(job.queued, job.started)},
          {"user", user(job.user)},
          {"commit", owner ? commit(project, owner->sha) : Json()},
          {"pipeline", owner ? pipeline(*owner) : Json()},
          {"web_url", job_url(job)},
          {"project",
           {{"ci_job_token_scope_enabled",
             base::boolean_or(project.settings, "ci_job_token_scope_enabled", false)}}}};
}

Json Presenter::job(const ci::Job& job) {
  Json all = job_fields(job);
  if (!job.failure_reason.empty()) all["failure_reason"] = job.failure_reason;
  Json artifacts = Json::array();
  Json expires;
  for (const ci::Artifact& artifact : job.artifacts) {
    artifacts.push_back({{"file_type", artifact.type},
                         {"size", artifact.size},
                         {"filename", artifact.filename},
                         {"file_format", artifact.format}});
    if (artifact.type == "archive") {
      all["artifacts_file"] = {{"filename", artifact.filename}, {"size", artifact.size}};
      expires = time_json(artifact.expires);
    }
  }
  if (job.trace_size > 0) {
    artifacts.push_back({{"file_type", "trace"},
                         {"size", job.trace_size},
                         {"filename", "job.log"},
                         {"file_format", nullptr}});
  }
  Json runner;
  if (job.runner) {
    if (const auto found = ci_.queue().runner(*job.runner)) runner = this->runner(*found);
  }
  all.update({{"artifacts", artifacts},
              {"artifacts_expire_at", expires},
              {"runner", runner},
              {"runner_manager", nullptr},
              {"archived", false},
              {"tag_list", job.spec.tags}});
  return all;
}

Json Presenter::bridge(const ci::Job& job) {
  Json all = job_fields(job);
  if (!job.failure_reason.empty()) all["failure_reason"] = job.failure_reason;
  const auto made = job.downstream ? ci_.pipeline(*job.downstream) : std::nullopt;
  all["downstream_pipeline"] = made ? pipeline(*made) : Json();
  return all;
}

Json Presenter::commit_status(const ci::Job& job) {
  const Json fields = job_fields(job);
  const Json& options = job.spec.options;
  return {{"id", job.id},
          {"sha", fields["pipeline"].value("sha", Json())},
          {"ref", fields["ref"]},
          {"status", fields["status"]},
          {"name", job.name()},
          {"target_url", text_or_null(base::text_or(options, "target_url"))},
          {"description", text_or_null(base::text_or(options, "description"))},
          {"created_at", fields["created_at"]},
          {"started_at", fields["started_at"]},
          {"finished_at", fields["finished_at"]},
          {"allow_failure", job.spec.allow_failure},
          {"coverage", fields["coverage"]},
          {"pipeline_id", job.pipeline},
          {"author", fields["user"]}};
}

Json Presenter::variable(const ci::StoredVariable& stored) const {
  const ci::Variable& variable = stored.variable;
  return {{"variable_type", variable_type(variable)},
          {"key", variable.key},
          {"value", stored.hidden ? Json() : Json(variable.value)},
          {"hidden", stored.hidden},
          {"protected", variable.is_protected},
          {"masked", variable.masked},
          {"raw", variable.raw},
          {"environment_scope", stored.environment_scope},
          {"description", text_or_null(stored.description)}};
}

Json Presenter::variable(const ci::Variable& variable) const {
  return {{"variable_type", variable_type(variable)},
          {"key", variable.key},
          {"value", variable.value},
          {"raw", variable.raw}};
}

Json Presenter::schedule(const ci::Schedule& schedule, bool detail) {
  Json all{{"id", schedule.id},
           {"description", schedule.description},
           {"ref", schedule.ref},
           {"cron", schedule.cron},
           {"cron_timezone", schedule.time_zone},
           {"next_run_at", time_json(schedule.next_run)},
           {"active", schedule.active},
           {"created_at", base::iso8601_millis(schedule.created)},
           {"updated_at", base::iso8601_millis(schedule.updated)},
           {"owner", user(schedule.owner)}};
  if (!detail) return all;
  const auto last = schedule.last_pipeline ? ci_.pipeline(*schedule.last_pipeline) : std::nullopt;
  all["last_pipeline"] = last ? Json{{"id", last->id},
                                     {"sha", last->sha},
                                     {"ref", last->ref},
                                     {"status", text(last->status)}}
                              : Json();
  // They are as secret as the project's: for whoever may change them.
  const forge::Access access =
      viewer_ ? forge_.access(*viewer_, project_of(schedule.project)) : forge::Access::kNone;
  const bool own = viewer_ && viewer_->user.id == schedule.owner;
  if (access < (own ? forge::Access::kDeveloper : forge::Access::kMaintainer)) return all;
  Json variables = Json::array();
  for (const ci::Variable& each : schedule.variables) variables.push_back(variable(each));
  all["variables"] = variables;
  return all;
}

Json Presenter::trigger(const ci::Trigger& trigger) {
  const bool own = viewer_ && viewer_->user.id == trigger.owner;
  return {{"id", trigger.id},
          {"token", own ? trigger.token : trigger.token.substr(0, 4)},
          {"description", trigger.description},
          {"created_at", base::iso8601_millis(trigger.created)},
          {"updated_at", base::iso8601_millis(trigger.created)},
          {"deleted_at", nullptr},
          {"last_used", time_json(trigger.last_used)},
          {"expires_at", nullptr},
          {"owner", user(trigger.owner)}};
}

Json Presenter::runner(const ci::Runner& runner) const {
  const std::string_view status = runner_status(runner, now_);
  return {{"id", runner.id},
          {"description", runner.description},
          {"ip_address", nullptr},
          {"active", !runner.paused},
          {"paused", runner.paused},
          {"is_shared", runner.type == "instance_type"},
          {"runner_type", runner.type},
          {"name", text_or_null(base::text_or(runner.info, "name"))},
          {"created_at", base::iso8601_millis(runner.created)},
          {"online", status == "online"},
          {"status", status}};
}

Json Presenter::runner_detail(const ci::Runner& found) {
  Json all = runner(found);
  Json projects = Json::array();
  if (found.project) {
    const forge::Project& owner = project_of(*found.project);
    if (owner.id != 0) projects.push_back(project(owner, /*simple=*/true));
  }
  for (const char* name : {"version", "revision", "platform", "architecture"})
    all[name] = text_or_null(base::text_or(found.info, name));
  all.update({{"tag_list", found.tags},
              {"run_untagged", found.run_untagged},
              {"locked", found.locked},
              {"maximum_timeout", found.maximum_timeout ? Json(*found.maximum_timeout) : Json()},
              {"access_level", found.only_protected ? "ref_protected" : "not_protected"},
              {"maintenance_note", nullptr},
              {"contacted_at", time_json(found.contacted)},
              {"projects", projects},
              {"groups", Json::array()}});
  return all;
}

Json Presenter::environment(const ci::Environment& environment) {
  Json all{{"id", environment.id},
           {"name", environment.name},
           {"slug", environment.slug},
           {"external_url", text_or_null(environment.url)},
           {"tier", text_or_null(environment.tier)},
           {"state", environment.state},
           {"created_at", base::iso8601_millis(environment.created)},
           {"updated_at", base::iso8601_millis(environment.updated)},
           {"auto_stop_at", nullptr},
           {"last_deployment", nullptr}};
  const auto last = environment.last_job ? ci_.job(*environment.last_job) : std::nullopt;
  if (last) {
    Json shown = deployment(*last, environment);
    shown.erase("environment");
    all["last_deployment"] = std::move(shown);
  }
  return all;
}

Json Presenter::deployment(const ci::Job& job, const ci::Environment& environment) {
  const Json deployable = this->job(job);
  const Json updated = deployable[job.finished ? "finished_at" : "started_at"];
  return {{"id", job.id},
          {"iid", job.id},
          {"ref", deployable["ref"]},
          {"sha", deployable["pipeline"].value("sha", Json())},
          {"created_at", deployable["created_at"]},
          {"updated_at", updated.is_null() ? deployable["created_at"] : updated},
          {"status", deployment_status(job.status)},
          {"user", deployable["user"]},
          {"environment",
           {{"id", environment.id},
            {"name", environment.name},
            {"slug", environment.slug},
            {"external_url", text_or_null(environment.url)},
            {"tier", text_or_null(environment.tier)},
            {"state", environment.state}}},
          {"deployable", deployable}};
}

Json Presenter::resource_group(const ci::ResourceGroup& group) {
  return {{"id", group.id},
          {"key", group.key},
          {"process_mode", group.process_mode},
          {"created_at", base::iso8601_millis(group.created)},
          {"updated_at", base::iso8601_millis(group.updated)}};
}

Json Presenter::lint(const ci_config::Result& result, bool with_jobs) const {
  Json jobs = Json::array();
  if (result.plan) {
    for (const ci_config::JobSpec& job : result.plan->jobs) {
      Json needs = Json();
      if (job.needs) {
        needs = Json::array();
        for (const ci_config::Need& need : *job.needs)
          needs.push_back(
              {{"name", need.job}, {"artifacts", need.artifacts}, {"optional", need.optional}});
      }
      jobs.push_back(
          {{"name", job.name},
           {"stage", job.stage},
           {"before_script", Json::array()},
           {"script", job.script},
           {"after_script", job.after_script},
           {"tag_list", job.tags},
           {"only", nullptr},
           {"except", nullptr},
           {"environment",
            base::text_or(job.environment, "name").empty() ? Json() : job.environment["name"]},
           {"when", ci_config::text(job.when)},
           {"allow_failure", job.allow_failure},
           {"needs", needs}});
    }
  }
  // GitLab has no such key, and its messages no lines.
  Json places = Json::array();
  for (const ci_config::Where& where : result.error_places)
    places.push_back({{"file", where.file}, {"line", where.line}});
  Json all{{"valid", result.errors.empty()},
           {"errors", result.errors},
           {"error_places", places},
           {"warnings", result.warnings},
           {"merged_yaml", result.merged_yaml},
           {"includes", result.includes}};
  if (with_jobs) all["jobs"] = jobs;
  return all;
}

}  // namespace slipway::gitlab
