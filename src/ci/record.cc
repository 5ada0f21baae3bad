#include "ci/record.h"

#include <array>

namespace slipway::ci {
namespace {

using ci_config::JobSpec;
using ci_config::When;

// Members that are absent, null or of another type keep the value's default.
template <class T>
void get(const Json& document, const char* key, T& value) {
  const auto found = document.find(key);
  if (found != document.end() && !found->is_null()) value = found->get<T>();
}
template <class T>
void get(const Json& document, const char* key, std::optional<T>& value) {
  const auto found = document.find(key);
  if (found != document.end() && !found->is_null()) value = found->get<T>();
}
template <class T>
void put(Json& document, const char* key, const std::optional<T>& value) {
  if (value) document[key] = *value;
}
void put(Json& document, const char* key, const std::string& value) {
  if (!value.empty()) document[key] = value;
}
void put(Json& document, const char* key, bool value) {
  if (value) document[key] = true;
}

constexpr std::array kWhens{When::kOnSuccess, When::kOnFailure, When::kAlways,
                            When::kManual,    When::kDelayed,   When::kNever};

Json json_of(const ci_config::Need& need) {
  Json document{{"job", need.job}, {"artifacts", need.artifacts}};
  put(document, "optional", need.optional);
  put(document, "project", need.project);
  put(document, "ref", need.ref);
  put(document, "pipeline", need.pipeline);
  return document;
}

ci_config::Need need_of(const Json& document) {
  ci_config::Need need;
  get(document, "job", need.job);
  get(document, "artifacts", need.artifacts);
  get(document, "optional", need.optional);
  get(document, "project", need.project);
  get(document, "ref", need.ref);
  get(document, "pipeline", need.pipeline);
  return need;
}

Json json_of(const ci_config::TriggerSpec& trigger) {
  Json document{{"project", trigger.project},
                {"branch", trigger.branch},
                {"strategy", trigger.strategy},
                {"yaml_variables", trigger.forward_yaml_variables},
                {"pipeline_variables", trigger.forward_pipeline_variables},
                {"include", trigger.include}};
  return document;
}

ci_config::TriggerSpec trigger_spec_of(const Json& document) {
  ci_config::TriggerSpec trigger;
  get(document, "project", trigger.project);
  get(document, "branch", trigger.branch);
  get(document, "strategy", trigger.strategy);
  get(document, "yaml_variables", trigger.forward_yaml_variables);
  get(document, "pipeline_variables", trigger.forward_pipeline_variables);
  get(document, "include", trigger.include);
  return trigger;
}

Json json_of(const ci_config::Retry& retry) {
  return {{"max", retry.max}, {"when", retry.when}, {"exit_codes", retry.exit_codes}};
}

Json json_of(const Artifact& artifact) {
  Json document{{"type", artifact.type},
                {"format", artifact.format},
                {"filename", artifact.filename},
                {"size", artifact.size},
                {"sha256", artifact.sha256}};
  put(document, "expires", artifact.expires);
  return document;
}

Artifact artifact_of(const Json& document) {
  Artifact artifact;
  get(document, "type", artifact.type);
  get(document, "format", artifact.format);
  get(document, "filename", artifact.filename);
  get(document, "size", artifact.size);
  get(document, "sha256", artifact.sha256);
  get(document, "expires", artifact.expires);
  return artifact;
}

}  // namespace

Json json_of(const Variables& variables) {
  Json list = Json::array();
  for (const Variable& variable : variables) {
    Json document{{"key", variable.key}, {"value", variable.value}};
    put(document, "file", variable.file);
    put(document, "masked", variable.masked);
    put(document, "raw", variable.raw);
    if (!variable.is_public) document["public"] = false;
    put(document, "protected", variable.is_protected);
    list.push_back(std::move(document));
  }
  return list;
}

Variables variables_of_json(const Json& list) {
  Variables variables;
  for (const Json& document : list) {
    Variable variable;
    get(document, "key", variable.key);
    get(document, "value", variable.value);
    get(document, "file", variable.file);
    get(document, "masked", variable.masked);
    get(document, "raw", variable.raw);
    get(document, "public", variable.is_public);
    get(document, "protected", variable.is_protected);
    variables.push_back(std::move(variable));
  }
  return variables;
}

Json json_of(const JobSpec& spec) {
  Json document{{"name", spec.name},
                {"base_name", spec.base_name},
                {"stage", spec.stage},
                {"stage_index", spec.stage_index},
                {"when", static_cast<int>(spec.when)},
                {"script", spec.script},
                {"after_script", spec.after_script},
                {"tags", spec.tags},
                {"variables", json_of(spec.variables)},
                {"retry", json_of(spec.retry)},
                {"environment", spec.environment},
                {"node_index", spec.node_index},
                {"node_total", spec.node_total},
                {"options", spec.options}};
  put(document, "allow_failure", spec.allow_failure);
  if (!spec.allow_failure_exit_codes.empty()) {
    document["allow_failure_exit_codes"] = spec.allow_failure_exit_codes;
  }
  if (spec.start_in.count() > 0) document["start_in"] = spec.start_in.count();
  if (spec.needs) {
    document["needs"] = Json::array();
    for (const auto& need : *spec.needs) document["needs"].push_back(json_of(need));
  }
  put(document, "dependencies", spec.dependencies);
  if (spec.trigger) document["trigger"] = json_of(*spec.trigger);
  if (spec.timeout) document["timeout"] = spec.timeout->count();
  put(document, "interruptible", spec.interruptible);
  put(document, "resource_group", spec.resource_group);
  put(document, "coverage", spec.coverage);
  return document;
}

JobSpec spec_of(const Json& document) {
  JobSpec spec;
  get(document, "name", spec.name);
  get(document, "base_name", spec.base_name);
  get(document, "stage", spec.stage);
  get(document, "stage_index", spec.stage_index);
  spec.when = kWhens.at(static_cast<std::size_t>(base::integer_or(document, "when", 0)));
  get(document, "allow_failure", spec.allow_failure);
  get(document, "allow_failure_exit_codes", spec.allow_failure_exit_codes);
  spec.start_in = std::chrono::seconds(base::integer_or(document, "start_in", 0));
  if (const auto needs = document.find("needs"); needs != document.end()) {
    spec.needs.emplace();
    for (const Json& need : *needs) spec.needs->push_back(need_of(need));
  }
  get(document, "dependencies", spec.dependencies);
  if (const auto trigger = document.find("trigger"); trigger != document.end()) {
    spec.trigger = trigger_spec_of(*trigger);
  }
  get(document, "script", spec.script);
  get(document, "after_script", spec.after_script);
  get(document, "tags", spec.tags);
  spec.variables = variables_of_json(base::array_or_empty(document, "variables"));
  const Json& retry = base::object_or_empty(document, "retry");
  get(retry, "max", spec.retry.max);
  get(retry, "when", spec.retry.when);
  get(retry, "exit_codes", spec.retry.exit_codes);
  if (const auto timeout = document.find("timeout"); timeout != document.end()) {
    spec.timeout = std::chrono::seconds(timeout->get<std::int64_t>());
  }
  get(document, "interruptible", spec.interruptible);
  get(document, "resource_group", spec.resource_group);
  get(document, "environment", spec.environment);
  get(document, "coverage", spec.coverage);
  get(document, "node_index", spec.node_index);
  get(document, "node_total", spec.node_total);
  get(document, "options", spec.options);
  return spec;
}

Json json_of(const Pipeline& pipeline) {
  Json document{{"before_sha", pipeline.before_sha},
                {"stages", pipeline.stages},
                {"variables", json_of(pipeline.variables)},
                {"context", pipeline.context}};
  put(document, "tag", pipeline.tag);
  put(document, "name", pipeline.name);
  if (!pipeline.yaml_errors.empty()) {
    document["yaml_errors"] = pipeline.yaml_errors;
    document["yaml_error_places"] = pipeline.yaml_error_places;
  }
  put(document, "started", pipeline.started);
  put(document, "finished", pipeline.finished);
  return document;
}

void read_into(const Json& document, Pipeline& pipeline) {
  get(document, "before_sha", pipeline.before_sha);
  get(document, "stages", pipeline.stages);
  pipeline.variables = variables_of_json(base::array_or_empty(document, "variables"));
  get(document, "context", pipeline.context);
  get(document, "tag", pipeline.tag);
  get(document, "name", pipeline.name);
  get(document, "yaml_errors", pipeline.yaml_errors);
  get(document, "yaml_error_places", pipeline.yaml_error_places);
  get(document, "started", pipeline.started);
  get(document, "finished", pipeline.finished);
}

Json json_of(const Job& job) {
  Json document{{"user", job.user}, {"attempt", job.attempt}, {"created", job.created}};
  put(document, "failure_reason", job.failure_reason);
  put(document, "failure_message", job.failure_message);
  put(document, "exit_code", job.exit_code);
  put(document, "immediate", job.immediate);
  put(document, "artifacts_expired", job.artifacts_expired);
  put(document, "external", job.external);
  put(document, "debug_trace", job.debug_trace);
  put(document, "downstream", job.downstream);
  put(document, "environment_id", job.environment_id);
  put(document, "coverage", job.coverage);
  put(document, "allow_failure", job.spec.allow_failure);
  if (!job.variables.empty()) document["variables"] = json_of(job.variables);
  if (!job.dotenv.empty()) document["dotenv"] = job.dotenv;
  if (!job.secret_dotenv.empty()) document["secret_dotenv"] = job.secret_dotenv;
  if (!job.artifacts.empty()) {
    document["artifacts"] = Json::array();
    for (const Artifact& each : job.artifacts) document["artifacts"].push_back(json_of(each));
  }
  if (job.trace_size > 0) document["trace_size"] = job.trace_size;
  put(document, "queued", job.queued);
  put(document, "started", job.started);
  put(document, "finished", job.finished);
  put(document, "scheduled", job.scheduled);
  put(document, "erased", job.erased);
  return document;
}

void read_into(const Json& document, Job& job) {
  get(document, "user", job.user);
  get(document, "attempt", job.attempt);
  get(document, "created", job.created);
  get(document, "failure_reason", job.failure_reason);
  get(document, "failure_message", job.failure_message);
  get(document, "exit_code", job.exit_code);
  get(document, "immediate", job.immediate);
  get(document, "artifacts_expired", job.artifacts_expired);
  get(document, "external", job.external);
  get(document, "debug_trace", job.debug_trace);
  get(document, "downstream", job.downstream);
  get(document, "environment_id", job.environment_id);
  get(document, "coverage", job.coverage);
  get(document, "allow_failure", job.spec.allow_failure);
  job.variables = variables_of_json(base::array_or_empty(document, "variables"));
  get(document, "dotenv", job.dotenv);
  get(document, "secret_dotenv", job.secret_dotenv);
  for (const Json& each : base::array_or_empty(document, "artifacts")) {
    job.artifacts.push_back(artifact_of(each));
  }
  get(document, "trace_size", job.trace_size);
  get(document, "queued", job.queued);
  get(document, "started", job.started);
  get(document, "finished", job.finished);
  get(document, "scheduled", job.scheduled);
  get(document, "erased", job.erased);
}

Json json_of(const Runner& runner) {
  Json document{
      {"description", runner.description},   {"type", runner.type},       {"tags", runner.tags},
      {"run_untagged", runner.run_untagged}, {"created", runner.created}, {"info", runner.info}};
  put(document, "project", runner.project);
  put(document, "paused", runner.paused);
  put(document, "locked", runner.locked);
  put(document, "only_protected", runner.only_protected);
  put(document, "maximum_timeout", runner.maximum_timeout);
  return document;
}

Runner runner_of_json(const Json& document) {
  Runner runner;
  get(document, "description", runner.description);
  get(document, "type", runner.type);
  get(document, "tags", runner.tags);
  get(document, "run_untagged", runner.run_untagged);
  get(document, "created", runner.created);
  get(document, "info", runner.info);
  get(document, "project", runner.project);
  get(document, "paused", runner.paused);
  get(document, "locked", runner.locked);
  get(document, "only_protected", runner.only_protected);
  get(document, "maximum_timeout", runner.maximum_timeout);
  return runner;
}

Json json_of(const Trigger& trigger) {
  Json document{{"id", trigger.id},       {"project", trigger.project},
                {"owner", trigger.owner}, {"description", trigger.description},
                {"token", trigger.token}, {"created", trigger.created}};
  put(document, "last_used", trigger.last_used);
  return document;
}

Trigger trigger_of(const Json& document) {
  Trigger trigger;
  get(document, "id", trigger.id);
  get(document, "project", trigger.project);
  get(document, "owner", trigger.owner);
  get(document, "description", trigger.description);
  get(document, "token", trigger.token);
  get(document, "created", trigger.created);
  get(document, "last_used", trigger.last_used);
  return trigger;
}

Json json_of(const Schedule& schedule) {
  Json document{{"id", schedule.id},
                {"project", schedule.project},
                {"owner", schedule.owner},
                {"description", schedule.description},
                {"ref", schedule.ref},
                {"cron", schedule.cron},
                {"time_zone", schedule.time_zone},
                {"active", schedule.active},
                {"variables", json_of(schedule.variables)},
                {"created", schedule.created},
                {"updated", schedule.updated}};
  put(document, "next_run", schedule.next_run);
  put(document, "last_pipeline", schedule.last_pipeline);
  return document;
}

Schedule schedule_of(const Json& document) {
  Schedule schedule;
  get(document, "id", schedule.id);
  get(document, "project", schedule.project);
  get(document, "owner", schedule.owner);
  get(document, "description", schedule.description);
  get(document, "ref", schedule.ref);
  get(document, "cron", schedule.cron);
  get(document, "time_zone", schedule.time_zone);
  get(document, "active", schedule.active);
  schedule.variables = variables_of_json(base::array_or_empty(document, "variables"));
  get(document, "created", schedule.created);
  get(document, "updated", schedule.updated);
  get(document, "next_run", schedule.next_run);
  get(document, "last_pipeline", schedule.last_pipeline);
  return schedule;
}

Json json_of(const Environment& environment) {
  Json document{{"id", environment.id},          {"project", environment.project},
                {"name", environment.name},      {"slug", environment.slug},
                {"url", environment.url},        {"tier", environment.tier},
                {"state", environment.state},    {"created", environment.created},
                {"updated", environment.updated}};
  put(document, "last_job", environment.last_job);
  return document;
}

Environment environment_of(const Json& document) {
  Environment environment;
  get(document, "id", environment.id);
  get(document, "project", environment.project);
  get(document, "name", environment.name);
  get(document, "slug", environment.slug);
  get(document, "url", environment.url);
  get(document, "tier", environment.tier);
  get(document, "state", environment.state);
  get(document, "created", environment.created);
  get(document, "updated", environment.updated);
  get(document, "last_job", environment.last_job);
  return environment;
}

}  // namespace slipway::ci
