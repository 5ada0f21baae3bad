#include <algorithm>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

net::Response environments(Call& call) {
  const forge::Project project = call.project(Access::kReporter);
  auto all = call.ci().environments(project.id);
  const auto name = call.parameters.optional_text("name");
  const std::string search = call.parameters.text("search");
  const auto states = call.parameters.optional_text("states");
  std::erase_if(all, [&](const ci::Environment& each) {
    return (name && each.name != *name) || each.name.find(search) == std::string::npos ||
           (states && each.state != *states);
  });
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Environment& each) { return present.environment(each); });
}

net::Response environment(Call& call) {
  const forge::Project project = call.project(Access::kReporter);
  const forge::Id id = call.number("environment_id");
  for (const ci::Environment& each : call.ci().environments(project.id)) {
    if (each.id == id) return json(200, presenter(call).environment(each));
  }
  not_found("Environment");
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/environments", Who::kAnyone, Scope::kReadApi, environments},
    {"GET", "/projects/:id/environments/:environment_id", Who::kAnyone, Scope::kReadApi,
     environment},
};

}  // namespace

std::vector<Route> environment_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
