#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

ci::ResourceGroup group_of(const Call& call, const forge::Project& project) {
  auto found = call.ci().resource_group(project.id, call.value("key"));
  if (!found) not_found("Resource Group");
  return std::move(*found);
}

net::Response groups(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  return list(call, call.ci().resource_groups(project.id), Presenter::resource_group);
}

net::Response group(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  return json(200, Presenter::resource_group(group_of(call, project)));
}

net::Response edit(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const ci::ResourceGroup found = group_of(call, project);
  const std::string mode = call.parameters.one_of(
      "process_mode", {"unordered", "oldest_first", "newest_first", "newest_ready_first"},
      found.process_mode);
  return json(200,
              Presenter::resource_group(call.ci().set_process_mode(project.id, found.key, mode)));
}

Json job_json(Presenter& present, const ci::Job& job) {
  return job.is_bridge() ? present.bridge(job) : present.job(job);
}

net::Response upcoming(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const ci::ResourceGroup found = group_of(call, project);
  Presenter present = presenter(call);
  return list(call, call.ci().upcoming_jobs(project.id, found.key),
              [&](const ci::Job& job) { return job_json(present, job); });
}

net::Response current(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const auto job = call.ci().current_job(project.id, group_of(call, project).key);
  if (!job) not_found("Job");
  Presenter present = presenter(call);
  return json(200, job_json(present, *job));
}

constexpr auto kRead = Scope::kReadApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/resource_groups", Who::kUser, kRead, groups},
    {"GET", "/projects/:id/resource_groups/:key", Who::kUser, kRead, group},
    {"PUT", "/projects/:id/resource_groups/:key", Who::kUser, Scope::kApi, edit},
    {"GET", "/projects/:id/resource_groups/:key/upcoming_jobs", Who::kUser, kRead, upcoming},
    {"GET", "/projects/:id/resource_groups/:key/current_job", Who::kUser, kRead, current},
};

}  // namespace

std::vector<Route> resource_group_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
