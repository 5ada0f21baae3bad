#include <algorithm>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

// The forge reads both: who may come in with a job's token.
constexpr const char* kEnabled = "ci_inbound_job_token_scope_enabled";
constexpr const char* kAllowed = "ci_job_token_allowlist";
constexpr std::size_t kMostAllowed = 200;

net::Response scope(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  return json(200, {{"inbound_enabled", base::boolean_or(project.settings, kEnabled, true)},
                    {"outbound_enabled", false}});
}

// The project as it is stored now. Call with the lock held.
forge::Project stored(const Call& call, forge::Id id) {
  auto project = call.forge().project(id);
  if (!project) not_found("Project");
  return *project;
}

net::Response set_scope(Call& call) {
  const forge::Id id = call.project(Access::kMaintainer).id;
  call.parameters.require({"enabled"});
  const bool enabled = call.parameters.boolean("enabled", true);
  const std::lock_guard lock(call.services.edits);
  forge::Project project = stored(call, id);
  project.settings[kEnabled] = enabled;
  call.forge().update_project(project);
  return no_content();
}

net::Response allowed(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  std::vector<forge::Project> all{project};
  for (const Json& id : base::array_or_empty(project.settings, kAllowed)) {
    if (!id.is_number_integer()) continue;
    if (auto other = call.forge().project(id.get<forge::Id>())) all.push_back(std::move(*other));
  }
  Presenter present = presenter(call);
  return list(call, all, [&](const auto& each) { return present.project(each, /*simple=*/true); });
}

net::Response allow(Call& call) {
  const forge::Id id = call.project(Access::kMaintainer).id;
  const auto target = call.parameters.required_integer("target_project_id");
  const forge::Project other = call.project_named(std::to_string(target), Access::kNone);
  const std::lock_guard lock(call.services.edits);
  forge::Project project = stored(call, id);
  Json list = base::array_or_empty(project.settings, kAllowed);
  const auto refuse = [](const char* why) {
    throw Error("Invalid", "400 Bad request", 400, Json{{"target_project", Json::array({why})}});
  };
  if (std::find(list.begin(), list.end(), Json(other.id)) != list.end())
    refuse("is already in the job token scope");
  if (list.size() >= kMostAllowed) refuse("the scope holds 200 projects already");
  list.push_back(other.id);
  project.settings[kAllowed] = list;
  call.forge().update_project(project);
  return json(201, {{"source_project_id", id}, {"target_project_id", other.id}});
}

net::Response refuse(Call& call) {
  const forge::Id id = call.project(Access::kMaintainer).id;
  const forge::Id target = call.number("target_id");
  const std::lock_guard lock(call.services.edits);
  forge::Project project = stored(call, id);
  Json list = base::array_or_empty(project.settings, kAllowed);
  const auto found = std::find(list.begin(), list.end(), Json(target));
  if (found == list.end()) not_found();
  list.erase(found);
  project.settings[kAllowed] = list;
  call.forge().update_project(project);
  return no_content();
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/job_token_scope", Who::kUser, Scope::kReadApi, scope},
    {"PATCH", "/projects/:id/job_token_scope", Who::kUser, Scope::kApi, set_scope},
    {"GET", "/projects/:id/job_token_scope/allowlist", Who::kUser, Scope::kReadApi, allowed},
    {"POST", "/projects/:id/job_token_scope/allowlist", Who::kUser, Scope::kApi, allow},
    {"DELETE", "/projects/:id/job_token_scope/allowlist/:target_id", Who::kUser, Scope::kApi,
     refuse},
};

}  // namespace

std::vector<Route> job_scope_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
