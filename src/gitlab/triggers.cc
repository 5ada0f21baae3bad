#include "base/strings.h"
#include "gitlab/routes.h"
#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

ci::Trigger trigger_of(const Call& call, const forge::Project& project) {
  const forge::Id id = call.number("trigger_id");
  for (const ci::Trigger& trigger : call.ci().triggers(project.id)) {
    if (trigger.id == id) return trigger;
  }
  not_found("Trigger");
}

net::Response triggers(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  Presenter present = presenter(call);
  return list(call, call.ci().triggers(project.id),
              [&](const ci::Trigger& trigger) { return present.trigger(trigger); });
}

net::Response trigger(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  return json(200, presenter(call).trigger(trigger_of(call, project)));
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  ci::Trigger wanted;
  wanted.project = project.id;
  wanted.owner = call.user().user.id;
  wanted.description = call.parameters.required("description");
  wanted.created = call.services.clock.now();
  return json(201, presenter(call).trigger(call.ci().save_trigger(std::move(wanted))));
}

net::Response edit(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  ci::Trigger found = trigger_of(call, project);
  if (found.owner != call.user().user.id) forbidden();
  found.description = call.parameters.text("description", found.description);
  return json(200, presenter(call).trigger(call.ci().save_trigger(std::move(found))));
}

net::Response remove(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  call.ci().remove_trigger(project.id, trigger_of(call, project).id);
  return no_content();
}

// The token decides alone: a wrong one sees no project.
net::Response run(Call& call, const std::string& ref) {
  const std::string token = call.parameters.required("token");
  const auto number = base::parse_integer(call.value("id"));
  const auto project =
      number ? call.forge().project(*number) : call.forge().project_at(call.value("id"));
  if (!project) not_found("Project");
  const auto variables = variables_of(call.parameters, "variables");
  Json payload = call.parameters.all();
  payload.erase("token");
  const ci::Pipeline made =
      call.ci().trigger_pipeline(project->id, token, ref, variables, base::dump_json(payload));
  return json(201, presenter(call).pipeline_detail(made));
}

net::Response run_trigger(Call& call) {
  call.parameters.require({"token", "ref"});
  return run(call, call.parameters.text("ref"));
}
net::Response run_on_ref(Call& call) { return run(call, call.value("ref")); }

constexpr auto kRead = Scope::kReadApi;
constexpr auto kWrite = Scope::kApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/triggers", Who::kUser, kRead, triggers},
    {"POST", "/projects/:id/triggers", Who::kUser, kWrite, create},
    {"GET", "/projects/:id/triggers/:trigger_id", Who::kUser, kRead, trigger},
    {"PUT", "/projects/:id/triggers/:trigger_id", Who::kUser, kWrite, edit},
    {"DELETE", "/projects/:id/triggers/:trigger_id", Who::kUser, kWrite, remove},
    {"POST", "/projects/:id/trigger/pipeline", Who::kTokenInside, kWrite, run_trigger},
    {"POST", "/projects/:id/ref/*ref/trigger/pipeline", Who::kTokenInside, kWrite, run_on_ref},
};

}  // namespace

std::vector<Route> trigger_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
