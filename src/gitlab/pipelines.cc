#include <algorithm>

#include "gitlab/routes.h"
#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

constexpr int kMostOfSchedule = 1000;
constexpr std::size_t kLongestName = 255;  // characters

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

ci::PipelineFilter filter_of(const Parameters& given) {
  ci::PipelineFilter filter;
  filter.scope = given.optional_text("scope");
  if (filter.scope)
    given.one_of("scope", {"running", "pending", "finished", "branches", "tags"}, "");
  filter.status = given.optional_text("status");
  if (filter.status && !ci::status_of(*filter.status))
    refuse_parameter("status does not have a valid value");
  filter.ref = given.optional_text("ref");
  filter.sha = given.optional_text("sha");
  filter.source = given.optional_text("source");
  filter.username = given.optional_text("username");
  filter.name = given.optional_text("name");
  filter.updated_after = given.time("updated_after");
  filter.updated_before = given.time("updated_before");
  filter.order_by =
      given.one_of("order_by", {"id", "status", "ref", "updated_at", "user_id"}, "id");
  filter.ascending = given.one_of("sort", {"asc", "desc"}, "desc") == "asc";
  return filter;
}

net::Response pipelines(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const PageRequest page = page_request(call.parameters);
  ci::PipelineFilter filter = filter_of(call.parameters);
  filter.offset = page.offset();
  filter.limit = page.per_page;
  int total = 0;
  Presenter present = presenter(call);
  Json items = Json::array();
  for (const ci::Pipeline& each : call.ci().pipelines(project.id, filter, &total))
    items.push_back(present.pipeline(each));
  return page_of(call, items, page, total);
}

net::Response pipeline(Call& call) {
  const forge::Project project = call.project_with_jobs();
  return json(200, presenter(call).pipeline_detail(call.pipeline(project)));
}

// Of the newest commit on the ref, not of one before it.
net::Response latest(Call& call) {
  const forge::Project project = call.project_with_jobs();
  ci::PipelineFilter filter;
  filter.ref = call.parameters.text("ref", project.default_branch);
  const forge::Repository repository = call.forge().repository(project.id);
  filter.sha = repository.resolve("refs/heads/" + *filter.ref);
  if (!filter.sha) filter.sha = repository.resolve("refs/tags/" + *filter.ref);
  if (!filter.sha) not_found("Pipeline");
  filter.limit = 1;
  int total = 0;
  const auto found = call.ci().pipelines(project.id, filter, &total);
  if (found.empty()) not_found("Pipeline");
  return json(200, presenter(call).pipeline_detail(found.front()));
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  ci::NewPipeline wanted;
  wanted.project = project.id;
  wanted.ref = call.parameters.required("ref");
  wanted.source = "api";
  wanted.variables = variables_of(call.parameters, "variables");
  const forge::Repository repository = call.forge().repository(project.id);
  const bool branch = repository.resolve("refs/heads/" + wanted.ref).has_value();
  const bool tag = !branch && repository.resolve("refs/tags/" + wanted.ref).has_value();
  const std::string full = (tag ? "refs/tags/" : "refs/heads/") + wanted.ref;
  if ((branch || tag) && call.forge().is_protected(project, full) &&
      !call.forge().can_push(call.user(), project, full)) {
    const std::string why = "You do not have sufficient permission to run a pipeline on '" +
                            wanted.ref +
                            "'. Please select a different branch or contact your administrator "
                            "for assistance.";
    throw Error("Invalid", why, 400, Json{{"base", Json::array({why})}});
  }
  const ci::Pipeline made = call.ci().create_pipeline(call.user().user, wanted);
  return json(201, presenter(call).pipeline_detail(made));
}

// The pipeline, for somebody who may change it.
ci::Pipeline own_pipeline(const Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  ci::Pipeline found = call.pipeline(project);
  call.require_run(project, found.ref, found.tag);
  return found;
}

net::Response retry(Call& call) {
  const ci::Pipeline found = own_pipeline(call);
  return json(
      201, presenter(call).pipeline_detail(call.ci().retry_pipeline(found.id, call.user().user)));
}

net::Response cancel(Call& call) {
  const ci::Pipeline found = own_pipeline(call);
  return json(200, presenter(call).pipeline_detail(call.ci().cancel_pipeline(found.id)));
}

net::Response remove(Call& call) {
  const forge::Project project = call.project(Access::kOwner);
  call.ci().delete_pipeline(call.pipeline(project).id);
  return no_content();
}

net::Response rename(Call& call) {
  const ci::Pipeline found = own_pipeline(call);
  const std::string name = call.parameters.required("name");
  const std::size_t length = characters(name);
  const auto refuse = [](const std::string& reason) {
    bad_request("Failed to update pipeline - Name is too " + reason);
  };
  if (length == 0) refuse("short (minimum is 1 character)");
  if (length > kLongestName) {
    refuse("long (maximum is " + std::to_string(kLongestName) + " characters)");
  }
  return json(200, presenter(call).pipeline_detail(call.ci().rename_pipeline(found.id, name)));
}

net::Response jobs(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const ci::Pipeline found = call.pipeline(project);
  auto all = call.ci().jobs_of(found.id, call.parameters.boolean("include_retried", false));
  const auto scope = statuses_of(call.parameters, "scope");
  std::erase_if(all, [&](const ci::Job& job) {
    return job.is_bridge() || (!scope.empty() && !scope.contains(job.status));
  });
  std::reverse(all.begin(), all.end());
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Job& job) { return present.job(job); });
}

net::Response bridges(Call& call) {
  const forge::Project project = call.project_with_jobs();
  auto all = call.ci().jobs_of(call.pipeline(project).id, /*with_retried=*/false);
  const auto scope = statuses_of(call.parameters, "scope");
  std::erase_if(all, [&](const ci::Job& job) {
    return !job.is_bridge() || (!scope.empty() && !scope.contains(job.status));
  });
  std::reverse(all.begin(), all.end());
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Job& job) { return present.bridge(job); });
}

net::Response variables(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const ci::Pipeline found = call.pipeline(project);
  // What somebody started it with may be secret.
  if (found.user != call.user().user.id && call.access(project) < Access::kMaintainer) forbidden();
  const Presenter present = presenter(call);
  return list(call, found.variables,
              [&](const ci::Variable& variable) { return present.variable(variable); });
}

net::Response of_schedule(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const forge::Id id = call.number("schedule_id");
  const auto schedule = call.ci().schedule(id);
  if (!schedule || schedule->project != project.id) not_found("Pipeline Schedule");
  ci::PipelineFilter filter;
  filter.source = "schedule";
  filter.limit = kMostOfSchedule;
  int total = 0;
  auto all = call.ci().pipelines(project.id, filter, &total);
  std::erase_if(all, [&](const ci::Pipeline& each) { return each.schedule != id; });
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Pipeline& each) { return present.pipeline(each); });
}

constexpr auto kRead = Scope::kReadApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/pipelines", Who::kAnyone, kRead, pipelines},
    {"POST", "/projects/:id/pipeline", Who::kUser, Scope::kApi, create},
    {"GET", "/projects/:id/pipelines/latest", Who::kAnyone, kRead, latest},
    {"GET", "/projects/:id/pipelines/:pipeline_id", Who::kAnyone, kRead, pipeline},
    {"DELETE", "/projects/:id/pipelines/:pipeline_id", Who::kUser, Scope::kApi, remove},
    {"GET", "/projects/:id/pipelines/:pipeline_id/jobs", Who::kAnyone, kRead, jobs},
    {"GET", "/projects/:id/pipelines/:pipeline_id/bridges", Who::kAnyone, kRead, bridges},
    {"GET", "/projects/:id/pipelines/:pipeline_id/variables", Who::kUser, kRead, variables},
    {"PUT", "/projects/:id/pipelines/:pipeline_id/metadata", Who::kUser, Scope::kApi, rename},
    {"POST", "/projects/:id/pipelines/:pipeline_id/retry", Who::kUser, Scope::kApi, retry},
    {"POST", "/projects/:id/pipelines/:pipeline_id/cancel", Who::kUser, Scope::kApi, cancel},
    {"GET", "/projects/:id/pipeline_schedules/:schedule_id/pipelines", Who::kAnyone, kRead,
     of_schedule},
};

}  // namespace

std::vector<Route> pipeline_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
