#include "base/ids.h"
#include "gitlab/hook_merge_request.h"
#include "gitlab/hook_payloads.h"
#include "gitlab/merge_requests.h"
#include "gitlab/routes.h"
#include "gitlab/webhook_rules.h"
#include "gitlab/webhooks.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

constexpr std::size_t kMostHooks = 100;

void apply(const Parameters& given, Hook& hook) {
  hook.url = given.text("url", hook.url);
  if (!parse_url(hook.url) || hook.url.size() > 2048)
    throw Error("Invalid", "Invalid url given", 422);
  hook.name = given.text("name", hook.name);
  hook.description = given.text("description", hook.description);
  hook.token = given.text("token", hook.token);
  if (hook.token.find_first_of("\r\n") != std::string::npos || hook.token.size() > 1024)
    refuse_parameter("token is invalid");
  hook.push_events = given.boolean("push_events", hook.push_events);
  hook.tag_push_events = given.boolean("tag_push_events", hook.tag_push_events);
  hook.pipeline_events = given.boolean("pipeline_events", hook.pipeline_events);
  hook.job_events = given.boolean("job_events", hook.job_events);
  hook.merge_request_events = given.boolean("merge_requests_events", hook.merge_request_events);
  hook.branch_filter = given.text("push_events_branch_filter", hook.branch_filter);
  hook.ssl_verification = given.boolean("enable_ssl_verification", hook.ssl_verification);
}

Hook hook_of(const Call& call, const forge::Project& project) {
  auto hook = call.services.webhooks.store().hook(call.number("hook_id"));
  if (!hook || hook->project != project.id) not_found();
  return *hook;
}

net::Response hooks(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const Presenter present = presenter(call);
  return list(call, call.services.webhooks.store().hooks(project.id),
              [&](const Hook& hook) { return present.hook(hook); });
}

net::Response hook(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  return json(200, presenter(call).hook(hook_of(call, project)));
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  call.parameters.require({"url"});
  WebhookStore& store = call.services.webhooks.store();
  if (store.hooks(project.id).size() >= kMostHooks)
    throw Error("Invalid", "400 Bad request", 400,
                Json{{"base", Json::array({"Maximum number of project hooks (100) exceeded"})}});
  Hook wanted;
  wanted.project = project.id;
  wanted.created = call.services.clock.now();
  apply(call.parameters, wanted);
  return json(201, presenter(call).hook(store.add(std::move(wanted))));
}

net::Response edit(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const Hook before = hook_of(call, project);
  Hook changed = before;
  apply(call.parameters, changed);
  // Whoever sends it elsewhere may not be who knows the token.
  if (changed.url != before.url && !call.parameters.has("token")) changed.token.clear();
  // Whoever changes a hook that was given up wants to try it again.
  changed = after_success(std::move(changed));
  call.services.webhooks.store().update(changed);
  return json(200, presenter(call).hook(changed));
}

net::Response remove(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  call.services.webhooks.store().remove(hook_of(call, project).id);
  return no_content();
}

net::Response events(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const Presenter present = presenter(call);
  return list(call, call.services.webhooks.store().deliveries(hook_of(call, project).id),
              [&](const Delivery& each) { return present.delivery(each); });
}

Json sample(const Call& call, const forge::Project& project, HookEvent event) {
  const forge::Repository repository = call.forge().repository(project.id);
  const auto refused = [](const char* why) { throw Error("Invalid", why, 422); };
  if (event == HookEvent::kPush || event == HookEvent::kTagPush) {
    forge::Push push;
    push.project = project.id;
    push.user = call.user().user.id;
    push.ref = "refs/heads/" + project.default_branch;
    if (event == HookEvent::kTagPush) {
      const auto tags = repository.refs("refs/tags/");
      if (tags.empty()) refused("Ensure the project has at least one tag.");
      push.ref = tags.back().name;
    }
    const auto head = repository.resolve(push.ref);
    if (!head) refused("Ensure the project has at least one commit.");
    push.after = *head;
    const auto last = repository.commit(*head);
    push.before = last && !last->parents.empty() ? last->parents.front() : forge::kNoCommit;
    return push_payload(call.forge(), call.services.url(), project, push);
  }
  if (event == HookEvent::kMergeRequest) {
    const auto all = call.services.merge_requests.store().list({.project = project.id}, 1);
    if (all.empty()) refused("Ensure the project has merge requests.");
    return merge_request_payload(call.forge(), call.services.url(), project, all.front(),
                                 {.action = "update", .user = call.user().user.id, .oldrev = ""});
  }
  ci::PipelineFilter filter;
  filter.limit = 1;
  int total = 0;
  const auto latest = call.ci().pipelines(project.id, filter, &total);
  if (latest.empty()) refused("Ensure the project has CI pipelines.");
  if (event == HookEvent::kPipeline)
    return pipeline_payload(call.forge(), call.ci(), call.services.url(), project, latest.front());
  const auto jobs = call.ci().jobs_of(latest.front().id);
  if (jobs.empty()) refused("Ensure the project has CI jobs.");
  return job_payload(call.forge(), call.ci(), call.services.url(), project, jobs.front());
}

net::Response test(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const Hook wanted = after_success(hook_of(call, project));
  const auto event = event_named(call.value("trigger"));
  if (!event) refuse_parameter("trigger does not have a valid value");
  const Json payload = sample(call, project, *event);
  call.services.webhooks.store().update(wanted);
  call.services.webhooks.owe({wanted}, *event, payload, base::uuid());
  return json(201, {{"message", "201 Created"}});
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/hooks", Who::kUser, Scope::kReadApi, hooks},
    {"POST", "/projects/:id/hooks", Who::kUser, Scope::kApi, create},
    {"GET", "/projects/:id/hooks/:hook_id", Who::kUser, Scope::kReadApi, hook},
    {"PUT", "/projects/:id/hooks/:hook_id", Who::kUser, Scope::kApi, edit},
    {"DELETE", "/projects/:id/hooks/:hook_id", Who::kUser, Scope::kApi, remove},
    {"GET", "/projects/:id/hooks/:hook_id/events", Who::kUser, Scope::kReadApi, events},
    {"POST", "/projects/:id/hooks/:hook_id/test/:trigger", Who::kUser, Scope::kApi, test},
};

}  // namespace

Json Presenter::hook(const Hook& hook) const {
  const bool waits = hook.disabled_until && *hook.disabled_until > now_;
  const char* alert = hook.disabled ? "disabled" : waits ? "temporarily_disabled" : "executable";
  Json all{{"id", hook.id},
           {"url", hook.url},
           {"name", hook.name.empty() ? Json() : Json(hook.name)},
           {"description", hook.description.empty() ? Json() : Json(hook.description)},
           {"project_id", hook.project},
           {"created_at", base::iso8601_millis(hook.created)},
           {"push_events", hook.push_events},
           {"tag_push_events", hook.tag_push_events},
           {"pipeline_events", hook.pipeline_events},
           {"job_events", hook.job_events},
           {"merge_requests_events", hook.merge_request_events},
           {"push_events_branch_filter", hook.branch_filter},
           {"branch_filter_strategy", "wildcard"},
           {"enable_ssl_verification", hook.ssl_verification},
           {"alert_status", alert},
           {"disabled_until", waits ? time_json(hook.disabled_until) : Json()},
           {"url_variables", Json::array()},
           {"custom_headers", Json::array()},
           {"custom_webhook_template", nullptr}};
  for (const char* other :
       {"issues_events", "confidential_issues_events", "note_events", "confidential_note_events",
        "wiki_page_events", "deployment_events", "releases_events", "repository_update_events"})
    all[other] = false;
  return all;
}

Json Presenter::delivery(const Delivery& delivery) const {
  return {
      {"id", delivery.id},
      {"url", nullptr},
      {"trigger", delivery.event},
      {"request_headers",
       {{"X-Gitlab-Event", delivery.event}, {"X-Gitlab-Event-UUID", delivery.uuid}}},
      {"request_data", base::try_parse_json(delivery.body).value_or(Json())},
      {"response_status", delivery.response_status > 0 ? std::to_string(delivery.response_status)
                          : delivery.problem.empty()   ? "pending"
                                                       : "internal error"},
      {"response_body", delivery.problem},
      {"attempts", delivery.attempts},
      {"created_at", base::iso8601_millis(delivery.created)}};
}

std::vector<Route> hook_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
