#include <algorithm>

#include "gitlab/routes.h"
#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

ci::Schedule schedule_of(const Call& call, const forge::Project& project) {
  auto found = call.ci().schedule(call.number("schedule_id"));
  if (!found || found->project != project.id) not_found("Pipeline Schedule");
  return *found;
}

// The schedule, for somebody who may change it: its owner, or a maintainer.
ci::Schedule own(const Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  ci::Schedule found = schedule_of(call, project);
  if (found.owner != call.user().user.id && call.access(project) < Access::kMaintainer) forbidden();
  return found;
}

net::Response schedules(Call& call) {
  const forge::Project project = call.project_with_jobs();
  auto all = call.ci().schedules(project.id);
  const std::string scope = call.parameters.one_of("scope", {"active", "inactive"}, "");
  std::erase_if(all, [&](const ci::Schedule& schedule) {
    return (scope == "active" && !schedule.active) || (scope == "inactive" && schedule.active);
  });
  Presenter present = presenter(call);
  return list(call, all,
              [&](const ci::Schedule& schedule) { return present.schedule(schedule, false); });
}

net::Response schedule(Call& call) {
  const forge::Project project = call.project_with_jobs();
  return json(200, presenter(call).schedule(schedule_of(call, project), true));
}

void apply(const Parameters& given, ci::Schedule& schedule) {
  schedule.description = given.text("description", schedule.description);
  schedule.ref = given.text("ref", schedule.ref);
  if (schedule.ref.starts_with("refs/heads/")) schedule.ref.erase(0, 11);
  if (schedule.ref.starts_with("refs/tags/")) schedule.ref.erase(0, 10);
  schedule.cron = given.text("cron", schedule.cron);
  schedule.time_zone = given.text("cron_timezone", schedule.time_zone);
  schedule.active = given.boolean("active", schedule.active);
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"description", "ref", "cron"});
  ci::Schedule wanted;
  wanted.project = project.id;
  wanted.owner = call.user().user.id;
  wanted.created = wanted.updated = call.services.clock.now();
  apply(call.parameters, wanted);
  call.require_run(project, wanted.ref, /*tag=*/false);
  return json(201, presenter(call).schedule(call.ci().save_schedule(std::move(wanted)), true));
}

net::Response edit(Call& call) {
  ci::Schedule found = own(call);
  const std::lock_guard lock(call.services.edits);
  found = call.ci().schedule(found.id).value_or(found);
  apply(call.parameters, found);
  call.require_run(call.project(), found.ref, /*tag=*/false);
  return json(200, presenter(call).schedule(call.ci().save_schedule(std::move(found)), true));
}

net::Response remove(Call& call) {
  call.ci().remove_schedule(own(call).id);
  return no_content();
}

net::Response take_ownership(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const ci::Schedule seen = schedule_of(call, project);
  call.require_run(project, seen.ref, /*tag=*/false);
  const std::lock_guard lock(call.services.edits);
  ci::Schedule found = call.ci().schedule(seen.id).value_or(seen);
  found.owner = call.user().user.id;
  return json(201, presenter(call).schedule(call.ci().save_schedule(std::move(found)), true));
}

net::Response play(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const ci::Schedule found = schedule_of(call, project);
  call.require_run(project, found.ref, /*tag=*/false);
  call.ci().play_schedule(found.id, call.user().user);
  return json(201, {{"message", "201 Created"}});
}

using Change = void (*)(const Parameters& given, const std::string& key, ci::Variables& variables);

// Changes the schedule's variables and returns the one of the key, or nothing where it is gone.
std::optional<ci::Variable> change(Call& call, const std::string& key, Change apply_change) {
  ci::Schedule found = own(call);
  const std::lock_guard lock(call.services.edits);
  found = call.ci().schedule(found.id).value_or(found);
  apply_change(call.parameters, key, found.variables);
  const ci::Schedule saved = call.ci().save_schedule(std::move(found));
  const auto* variable = ci_config::find(saved.variables, key);
  return variable ? std::optional(*variable) : std::nullopt;
}

ci::Variables::iterator position(ci::Variables& variables, const std::string& key) {
  return std::find_if(variables.begin(), variables.end(),
                      [&](const ci::Variable& each) { return each.key == key; });
}

void add_variable(const Parameters& given, const std::string& key, ci::Variables& variables) {
  if (position(variables, key) != variables.end())
    throw Error("Invalid", "400 Bad request", 400,
                Json{{"variables", Json::array({"have duplicate values (" + key + ")"})}});
  ci::Variable variable;
  variable.key = key;
  variable.value = given.text("value");
  variable.file = given.one_of("variable_type", {"env_var", "file"}, "env_var") == "file";
  variable.is_public = false;
  variables.push_back(std::move(variable));
}

void edit_variable(const Parameters& given, const std::string& key, ci::Variables& variables) {
  const auto at = position(variables, key);
  if (at == variables.end()) not_found("Pipeline Schedule Variable");
  at->value = given.text("value", at->value);
  at->file =
      given.one_of("variable_type", {"env_var", "file"}, at->file ? "file" : "env_var") == "file";
}

void drop_variable(const Parameters&, const std::string& key, ci::Variables& variables) {
  const auto at = position(variables, key);
  if (at == variables.end()) not_found("Pipeline Schedule Variable");
  variables.erase(at);
}

net::Response create_variable(Call& call) {
  call.parameters.require({"key", "value"});
  const std::string key = call.parameters.text("key");
  check_key(key);
  return json(201, presenter(call).variable(change(call, key, add_variable).value()));
}

net::Response update_variable(Call& call) {
  const std::string key = call.value("key");
  return json(200, presenter(call).variable(change(call, key, edit_variable).value()));
}

net::Response remove_variable(Call& call) {
  change(call, call.value("key"), drop_variable);
  return accepted();
}

constexpr auto kRead = Scope::kReadApi;
constexpr auto kWrite = Scope::kApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/pipeline_schedules", Who::kAnyone, kRead, schedules},
    {"POST", "/projects/:id/pipeline_schedules", Who::kUser, kWrite, create},
    {"GET", "/projects/:id/pipeline_schedules/:schedule_id", Who::kAnyone, kRead, schedule},
    {"PUT", "/projects/:id/pipeline_schedules/:schedule_id", Who::kUser, kWrite, edit},
    {"DELETE", "/projects/:id/pipeline_schedules/:schedule_id", Who::kUser, kWrite, remove},
    {"POST", "/projects/:id/pipeline_schedules/:schedule_id/take_ownership", Who::kUser, kWrite,
     take_ownership},
    {"POST", "/projects/:id/pipeline_schedules/:schedule_id/play", Who::kUser, kWrite, play},
    {"POST", "/projects/:id/pipeline_schedules/:schedule_id/variables", Who::kUser, kWrite,
     create_variable},
    {"PUT", "/projects/:id/pipeline_schedules/:schedule_id/variables/:key", Who::kUser, kWrite,
     update_variable},
    {"DELETE", "/projects/:id/pipeline_schedules/:schedule_id/variables/:key", Who::kUser, kWrite,
     remove_variable},
};

}  // namespace

std::vector<Route> schedule_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
