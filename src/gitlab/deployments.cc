#include <algorithm>
#include <map>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

using Environments = std::map<forge::Id, ci::Environment>;

Environments environments_of(const Call& call, forge::Id project) {
  Environments all;
  for (ci::Environment& each : call.ci().environments(project)) all.emplace(each.id, each);
  return all;
}

const ci::Environment* environment_of(const Environments& all, const ci::Job& job) {
  const auto found = all.find(job.environment_id.value_or(0));
  return found == all.end() ? nullptr : &found->second;
}

base::Millis updated_at(const ci::Job& job) {
  return job.finished.value_or(job.started.value_or(job.created));
}

net::Response deployments(Call& call) {
  const forge::Project project = call.project(Access::kReporter);
  const Parameters& given = call.parameters;
  const Environments environments = environments_of(call, project.id);
  const auto name = given.optional_text("environment");
  const std::string status = given.one_of(
      "status", {"created", "running", "success", "failed", "canceled", "blocked"}, "");
  const auto after = given.time("updated_after");
  const auto before = given.time("updated_before");
  auto all = call.ci().deployments(project.id);
  std::erase_if(all, [&](const ci::Job& job) {
    const ci::Environment* environment = environment_of(environments, job);
    return environment == nullptr || (name && environment->name != *name) ||
           (!status.empty() && deployment_status(job.status) != status) ||
           (after && updated_at(job) <= *after) || (before && updated_at(job) >= *before);
  });
  const std::string order = given.one_of(
      "order_by", {"id", "iid", "created_at", "updated_at", "finished_at", "ref"}, "id");
  const bool by_update = order == "updated_at" || order == "finished_at";
  std::sort(all.begin(), all.end(), [&](const ci::Job& one, const ci::Job& other) {
    if (by_update && updated_at(one) != updated_at(other))
      return updated_at(one) < updated_at(other);
    return one.id < other.id;
  });
  if (given.one_of("sort", {"asc", "desc"}, "asc") == "desc") std::reverse(all.begin(), all.end());
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Job& job) {
    return present.deployment(job, *environment_of(environments, job));
  });
}

net::Response deployment(Call& call) {
  const forge::Project project = call.project(Access::kReporter);
  const auto job = call.ci().job(call.number("deployment_id"));
  if (!job || job->project != project.id) not_found("Deployment");
  const Environments environments = environments_of(call, project.id);
  const ci::Environment* environment = environment_of(environments, *job);
  if (environment == nullptr) not_found("Deployment");
  return json(200, presenter(call).deployment(*job, *environment));
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/deployments", Who::kAnyone, Scope::kReadApi, deployments},
    {"GET", "/projects/:id/deployments/:deployment_id", Who::kAnyone, Scope::kReadApi, deployment},
};

}  // namespace

std::vector<Route> deployment_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
