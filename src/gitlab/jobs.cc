#include "gitlab/routes.h"
#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

using ci::Status;
using forge::Access;

constexpr int kPiece = 200;
constexpr int kMostSearched = 10'000;

// The newest `wanted` builds of the project with one of these statuses, or of any.
std::vector<ci::Job> newest(const Call& call, forge::Id project, const std::set<Status>& scope,
                            std::size_t wanted) {
  std::vector<ci::Job> all;
  int total = 0;
  for (int offset = 0; offset < kMostSearched && all.size() < wanted; offset += kPiece) {
    for (ci::Job& each : call.ci().jobs_of_project(project, offset, kPiece, &total)) {
      if (each.is_bridge() || (!scope.empty() && !scope.contains(each.status))) continue;
      all.push_back(std::move(each));
    }
    if (offset + kPiece >= total) break;
  }
  if (all.size() > wanted) all.resize(wanted);
  return all;
}

net::Response jobs(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const auto scope = statuses_of(call.parameters, "scope");
  const PageRequest page = page_request(call.parameters);
  // One more than the page holds tells whether there is a next one.
  const auto wanted = static_cast<std::size_t>(page.offset()) + page.per_page + 1;
  const auto found = newest(call, project.id, scope, wanted);
  Presenter present = presenter(call);
  Json items = Json::array();
  for (const ci::Job& each : slice(found, page)) items.push_back(present.job(each));
  net::Response response = page_of(call, items, page, static_cast<std::int64_t>(found.size()));
  response.headers.remove("X-Total");
  response.headers.remove("X-Total-Pages");
  return response;
}

net::Response job(Call& call) {
  const ci::Job found = call.job(call.project_with_jobs());
  Presenter present = presenter(call);
  return json(200, found.is_bridge() ? present.bridge(found) : present.job(found));
}

// What the job's own token is for.
net::Response own_job(Call& call) {
  if (!call.identity || !call.identity->job) unauthorized();
  const auto found = call.ci().job(*call.identity->job);
  if (!found) not_found("Job");
  return json(200, presenter(call).job(*found));
}

net::Response trace(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const ci::Job found = call.job(project);
  call.require_trace(project, found);
  net::Response response = net::plain(200, call.ci().trace(found.id), "text/plain; charset=utf-8");
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

// The job, for somebody who may run it.
ci::Job own(const Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  ci::Job found = call.job(project);
  const auto pipeline = call.ci().pipeline(found.pipeline);
  if (pipeline) call.require_run(project, pipeline->ref, pipeline->tag);
  return found;
}

Json present(const Call& call, const ci::Job& job) {
  Presenter presented = presenter(call);
  return job.is_bridge() ? presented.bridge(job) : presented.job(job);
}

net::Response play(Call& call) {
  const ci::Job found = own(call);
  if (found.status != Status::kManual && found.status != Status::kScheduled)
    bad_request("Unplayable Job");
  const auto variables = variables_of(call.parameters, "job_variables_attributes");
  return json(200, present(call, call.ci().play(found.id, call.user().user, variables)));
}

net::Response retry(Call& call) {
  const ci::Job found = own(call);
  const bool ended = found.status == Status::kSuccess || found.status == Status::kFailed ||
                     found.status == Status::kCanceled;
  if (!ended || found.retried) forbidden("Job is not retryable");
  return json(201, present(call, call.ci().retry(found.id, call.user().user)));
}

net::Response cancel(Call& call) {
  const ci::Job found = own(call);
  return json(201, present(call, call.ci().cancel(found.id)));
}

net::Response erase(Call& call) {
  const ci::Job found = own(call);
  if (found.is_bridge() || !ci::is_complete(found.status) || found.erased)
    forbidden("Job is not erasable!");
  return json(201, present(call, call.ci().erase(found.id)));
}

constexpr auto kRead = Scope::kReadApi;
constexpr Route kRoutes[] = {
    {"GET", "/job", Who::kJobToo, kRead, own_job},
    {"GET", "/projects/:id/jobs", Who::kAnyone, kRead, jobs},
    {"GET", "/projects/:id/jobs/:job_id", Who::kAnyone, kRead, job},
    {"GET", "/projects/:id/jobs/:job_id/trace", Who::kAnyone, kRead, trace},
    {"POST", "/projects/:id/jobs/:job_id/play", Who::kUser, Scope::kApi, play},
    {"POST", "/projects/:id/jobs/:job_id/retry", Who::kUser, Scope::kApi, retry},
    {"POST", "/projects/:id/jobs/:job_id/cancel", Who::kUser, Scope::kApi, cancel},
    {"POST", "/projects/:id/jobs/:job_id/erase", Who::kUser, Scope::kApi, erase},
};

}  // namespace

std::vector<Route> job_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
