#include "ci/job_variables.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "ci/decide.h"
#include "ci/masker.h"
#include "ci/predefined.h"

namespace slipway::ci {
namespace {

bool names_itself(const Variable& variable) {
  if (variable.raw) return false;
  const Variables unknown{{.key = variable.key, .value = ""}};
  return variable.value.find(variable.key) != std::string::npos &&
         ci_config::expand(variable.value, unknown) != variable.value;
}

// KEY: "$KEY" means what KEY was before.
void add(Variables& all, Variables more) {
  for (Variable& variable : more) {
    if (names_itself(variable)) {
      if (const Variable* before = ci_config::find(all, variable.key)) {
        variable.value = ci_config::expand(variable.value, {*before});
      }
    }
    all.push_back(std::move(variable));
  }
}

forge::Project project_of(const forge::Forge& forge, Id id) {
  auto project = forge.project(id);
  if (!project) throw Error("NotFound", "404 Project Not Found", 404);
  return std::move(*project);
}

bool is_protected(const Pipeline& pipeline) {
  return base::boolean_or(pipeline.context, "protected", false);
}

}  // namespace

Variables JobVariables::predefined(const forge::Project& project, const Pipeline& pipeline,
                                   const forge::User& user) const {
  Variables all = project_variables(project, workshop_.url());
  std::string description;
  if (pipeline.schedule) {
    if (const auto schedule = settings_.schedule(*pipeline.schedule)) {
      description = schedule->description;
    }
  }
  add(all, pipeline_variables(pipeline, description));
  add(all, user_variables(user));
  return all;
}

Variables JobVariables::outer(const forge::Project& project, const Pipeline& pipeline) const {
  Variables all = settings_.variables_for(project, is_protected(pipeline), "");
  add(all, pipeline.variables);
  return all;
}

Variables JobVariables::known_early(const JobRow& row, const Pipeline& pipeline,
                                    const forge::Project& project) const {
  const auto user = workshop_.forge.user(row.job.user);
  Variables all = predefined(project, pipeline, user.value_or(forge::User{}));
  add(all, persisted_variables(pipeline, project, workshop_.url()));
  add(all, job_variables(row.job));
  if (!row.job.is_bridge()) {
    std::optional<Runner> runner;
    if (row.job.runner) {
      workshop_.database.read(
          [&](store::Reader& reader) { runner = find_runner(reader, *row.job.runner); });
    }
    add(all, build_variables(row.job, row.token, project, workshop_.url(), runner));
    if (workshop_.options.job_variables) add(all, workshop_.options.job_variables(row.job));
  }
  return all;
}

// What needs:project and needs:pipeline may name: all but what comes from other jobs.
Variables JobVariables::known_to_needs(const Job& job, const Pipeline& pipeline) const {
  const forge::Project project = project_of(workshop_.forge, job.project);
  JobRow row;
  row.job = job;
  Variables known = known_early(row, pipeline, project);
  add(known, job.spec.variables);
  add(known, settings_.variables_for(project, is_protected(pipeline), ""));
  add(known, pipeline.variables);
  return ci_config::expand_all(known);
}

std::optional<Job> JobVariables::find_elsewhere(const ci_config::Need& need, const Job& job,
                                                const Variables& known) const {
  std::optional<Job> found;
  if (!need.pipeline.empty()) {
    // Of a pipeline above or below in the same project.
    const auto id = base::parse_integer(ci_config::expand(need.pipeline, known, false));
    if (!id) return std::nullopt;
    workshop_.database.read([&](store::Reader& reader) {
      for (JobRow& row : rows_of(reader, *id, false)) {
        if (row.job.project == job.project && row.job.spec.name == need.job) {
          found = std::move(row.job);
        }
      }
    });
    return found;
  }
  const auto user = workshop_.forge.user(job.user);
  const auto project = workshop_.forge.project_at(ci_config::expand(need.project, known, false));
  if (!user || !project) return std::nullopt;
  const forge::Identity identity = identity_of_user(*user);
  if (!workshop_.forge.can_read(&identity, *project)) return std::nullopt;
  std::string ref = ci_config::expand(need.ref, known, false);
  if (ref.empty()) ref = project->default_branch;
  workshop_.database.read([&](store::Reader& reader) {
    found = find_latest_job(reader, project->id, ref, ci_config::expand(need.job, known));
  });
  return found;
}

JobVariables::Sources JobVariables::sources_of(const Job& job, const Pipeline& pipeline) const {
  Sources sources;
  workshop_.database.read([&](store::Reader& reader) {
    std::vector<Job> jobs;
    for (JobRow& row : rows_of(reader, pipeline.id, false)) jobs.push_back(std::move(row.job));
    for (const std::size_t index : artifact_sources(jobs, job)) sources.jobs.push_back(jobs[index]);
  });
  if (!job.spec.needs) return sources;
  std::optional<Variables> known;
  for (const ci_config::Need& need : *job.spec.needs) {
    if ((need.project.empty() && need.pipeline.empty()) || !need.artifacts) continue;
    if (!known) known = known_to_needs(job, pipeline);
    if (auto found = find_elsewhere(need, job, *known)) {
      sources.jobs.push_back(std::move(*found));
    } else {
      sources.complete = false;
    }
  }
  return sources;
}

Variables JobVariables::dotenv_of(const Job& job, const Pipeline& pipeline) const {
  Variables all;
  for (const Job& source : sources_of(job, pipeline).jobs) {
    for (const auto& [key, value] : source.dotenv.items()) {
      Variable variable;
      variable.key = key;
      variable.value = value.get<std::string>();
      variable.is_public = false;
      variable.masked = std::find(source.secret_dotenv.begin(), source.secret_dotenv.end(), key) !=
                        source.secret_dotenv.end();
      all.push_back(std::move(variable));
    }
  }
  return all;
}

Variables JobVariables::raw(const JobRow& row, const Pipeline& pipeline) const {
  const forge::Project project = project_of(workshop_.forge, row.job.project);
  Variables all = known_early(row, pipeline, project);
  std::string environment_is;
  if (const auto environment = environment_of(row.job, pipeline)) {
    environment_is = environment->name;
    add(all,
        environment_variables(*environment, row.job.spec.environment.is_object()
                                                ? base::text_or(row.job.spec.environment, "action")
                                                : ""));
  }
  add(all, row.job.spec.variables);
  add(all, dotenv_of(row.job, pipeline));
  add(all, settings_.variables_for(project, is_protected(pipeline), environment_is));
  add(all, pipeline.variables);
  add(all, row.job.variables);
  return all;
}

Variables JobVariables::of(const JobRow& row, const Pipeline& pipeline) const {
  return ci_config::expand_all(raw(row, pipeline));
}

std::optional<Environment> JobVariables::environment_of(const Job& job,
                                                        const Pipeline& pipeline) const {
  const std::string name = environment_name(job.spec);
  if (name.empty()) return std::nullopt;
  const forge::Project project = project_of(workshop_.forge, job.project);
  JobRow row;
  row.job = job;
  Variables known = known_early(row, pipeline, project);
  add(known, job.spec.variables);
  add(known, job.dotenv.empty() ? Variables{} : dotenv_of(job, pipeline));
  add(known, settings_.variables_for(project, is_protected(pipeline), ""));
  add(known, pipeline.variables);
  known = ci_config::expand_all(known);
  Environment environment;
  environment.name = ci_config::expand(name, known);
  if (const auto there = settings_.environment(job.project, environment.name)) {
    environment = *there;
  } else {
    environment.project = job.project;
    environment.slug = environment_slug(environment.name);
  }
  if (job.spec.environment.is_object()) {
    const std::string tier = base::text_or(job.spec.environment, "deployment_tier");
    if (!tier.empty()) environment.tier = tier;
    for (const auto& [key, value] : job.dotenv.items()) {
      Variable variable;
      variable.key = key;
      variable.value = value.get<std::string>();
      known.push_back(std::move(variable));
    }
    add(known, environment_variables(environment, ""));
    const std::string url = base::text_or(job.spec.environment, "url");
    if (!url.empty()) environment.url = ci_config::expand(url, known);
  }
  return environment;
}

Variables JobVariables::passed_on(const JobRow& bridge, const Pipeline& pipeline) const {
  const auto& trigger = *bridge.job.spec.trigger;
  const Variables known = ci_config::expand_all(raw(bridge, pipeline));
  std::vector<std::string> secrets;
  for (const Variable& each : known) {
    if (each.masked) secrets.push_back(each.value);
  }
  Variables passed;
  const auto pass = [&](const Variable& variable) {
    Variable copy;
    copy.key = variable.key;
    copy.file = variable.file;
    copy.raw = variable.raw;
    // What only a job has is empty here: the trigger job never runs anywhere.
    const Variable* is = ci_config::find(known, variable.key);
    if (is && names_itself(*is)) {
      copy.value = ci_config::expand(is->value, {}, false);
    } else {
      copy.value = variable.raw ? variable.value
                   : is         ? ci_config::expand(is->value, known, false)
                                : ci_config::expand(variable.value, known, false);
    }
    // GitLab forgets that a value is masked where it is passed on.
    copy.masked = shows_secret(copy.value, secrets);
    std::erase_if(passed, [&](const Variable& each) { return each.key == copy.key; });
    passed.push_back(std::move(copy));
  };
  if (trigger.forward_yaml_variables) {
    for (const Variable& each : bridge.job.spec.variables) pass(each);
  }
  if (trigger.forward_pipeline_variables) {
    for (const Variable& each : dotenv_of(bridge.job, pipeline)) pass(each);
    for (const Variable& each : pipeline.variables) pass(each);
  }
  for (const Variable& each : bridge.job.variables) pass(each);
  return passed;
}

}  // namespace slipway::ci
