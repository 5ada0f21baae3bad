#include "gitlab/gitlab.h"

#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "gitlab/call.h"
#include "gitlab/failure.h"
#include "gitlab/hook_merge_request.h"
#include "gitlab/hook_payloads.h"
#include "gitlab/identify.h"
#include "gitlab/merge_requests.h"
#include "gitlab/names.h"
#include "gitlab/pages.h"
#include "gitlab/routes.h"
#include "gitlab/webhooks.h"

namespace slipway::gitlab {
namespace {

// What a request without a token in its head may bring: a trigger's form.
constexpr std::int64_t kStrangersBody = 1 << 20;

// The same text for the same event, so that an event told twice is owed once.
std::string event_uuid(const store::Event& event) {
  const std::string hex =
      base::sha256_hex("webhook " + std::to_string(event.sequence) + " " + event.type);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20, 12);
}

// "<project path>#<id>"
std::optional<forge::Id> number_in(const std::string& subject) {
  const std::size_t hash = subject.rfind('#');
  return hash == std::string::npos
             ? std::nullopt
             : base::parse_integer(std::string_view(subject).substr(hash + 1));
}

forge::Push push_of(const store::Event& event) {
  forge::Push push;
  push.id = base::text_or(event.detail, "id");
  push.project = base::integer_or(event.detail, "project_id", 0);
  push.user = base::integer_or(event.detail, "user_id", 0);
  push.ref = base::text_or(event.detail, "ref");
  push.before = base::text_or(event.detail, "before", forge::kNoCommit);
  push.after = base::text_or(event.detail, "after", forge::kNoCommit);
  for (const Json& option : base::array_or_empty(event.detail, "options"))
    push.options.push_back(option.get<std::string>());
  push.at = event.at;
  return push;
}

// HEAD: the length of what GET would send, and nothing of it.
void drop_body(net::Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) {
    if (!response.content_length) response.content_length = text->size();
  } else if (const auto* slice = std::get_if<net::FileSlice>(&response.body)) {
    response.content_length = slice->length;
  }
  response.body = std::string();
}

std::string_view route_path(std::string_view path) {
  path.remove_prefix(std::string_view(kPrefix).size());
  return path.empty() ? "/" : path;
}

bool is_api(std::string_view path) {
  return path == kPrefix || path.starts_with(std::string(kPrefix) + "/");
}

WebhookOptions webhook_options(const GitlabOptions& options) {
  WebhookOptions wanted;
  wanted.url = options.url;
  wanted.may_call_own_server = options.hooks_may_call_own_server;
  return wanted;
}

}  // namespace

std::vector<Route> all_routes() {
  std::vector<Route> all;
  for (const auto& group :
       {user_routes(),          token_routes(),     group_routes(),         project_routes(),
        member_routes(),        protected_routes(), hook_routes(),          job_scope_routes(),
        repository_routes(),    file_routes(),      merge_request_routes(), commit_routes(),
        ref_routes(),           pipeline_routes(),  test_report_routes(),   artifact_routes(),
        job_routes(),           schedule_routes(),  trigger_routes(),       variable_routes(),
        runner_routes(),        lint_routes(),      environment_routes(),   deployment_routes(),
        resource_group_routes()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

Presenter presenter(const Call& call) {
  return Presenter(call.forge(), call.ci(), call.services.url(),
                   call.identity ? &*call.identity : nullptr, call.services.clock.now());
}

struct Gitlab::State {
  State(forge::Forge& forge_room, ci::Ci& ci_room, store::Database& database,
        const base::Clock& clock, GitlabOptions given)
      : options(std::move(given)),
        own_directory(options.spool ? std::filesystem::path()
                                    : std::filesystem::temp_directory_path() /
                                          ("slipway-gitlab-" + base::random_hex(16))),
        own_spool(options.spool ? nullptr : std::make_unique<store::Spool>(own_directory)),
        webhooks(database, clock, webhook_options(options)),
        merge_requests(forge_room, ci_room, database, clock, options.account,
                       [this] { return services.url(); }),
        services{forge_room,
                 ci_room,
                 clock,
                 webhooks,
                 merge_requests,
                 options,
                 options.spool ? *options.spool : *own_spool,
                 {}},
        router(all_routes()) {}

  ~State() {
    webhooks.stop();
    std::error_code ignored;
    if (own_spool) std::filesystem::remove_all(own_directory, ignored);
  }

  net::Response answer(const net::Request& request) {
    Found found = router.find(request.method, route_path(request.path()));
    if (found.route == nullptr) return unknown_route(found.other_method);
    Parameters parameters = Parameters::of(request);
    auto identity = found.route->who == Who::kTokenInside
                        ? std::nullopt
                        : identify(services.forge, request.headers, parameters);
    Call call{services, request, std::move(parameters), std::move(found.values),
              admitted(*found.route, std::move(identity))};
    return found.route->handler(call);
  }

  void owe(const store::Event& event) {
    if (event.type == "Project.Pushed") {
      owe_push(event);
    } else if (event.type.starts_with("MergeRequest.")) {
      owe_merge_request(event);
    } else if (event.type.starts_with("Pipeline.")) {
      const auto id = number_in(event.subject);
      const auto pipeline = id ? services.ci.pipeline(*id) : std::nullopt;
      const auto project = pipeline ? services.forge.project(pipeline->project) : std::nullopt;
      if (!project) return;
      const auto hooks = webhooks.interested(project->id, HookEvent::kPipeline);
      if (hooks.empty()) return;
      webhooks.owe(
          hooks, HookEvent::kPipeline,
          pipeline_payload(services.forge, services.ci, services.url(), *project, *pipeline),
          event_uuid(event));
    } else if (event.type.starts_with("Job.")) {
      const auto id = number_in(event.subject);
      const auto job = id ? services.ci.job(*id) : std::nullopt;
      const auto project = job ? services.forge.project(job->project) : std::nullopt;
      if (!project) return;
      const auto hooks = webhooks.interested(project->id, HookEvent::kJob);
      if (hooks.empty()) return;
      webhooks.owe(hooks, HookEvent::kJob,
                   job_payload(services.forge, services.ci, services.url(), *project, *job),
                   event_uuid(event));
    }
  }

  void owe_merge_request(const store::Event& event) {
    const auto one = merge_requests.store().find(base::integer_or(event.detail, "id", 0));
    const auto project = one ? services.forge.project(one->project) : std::nullopt;
    if (!project) return;
    const auto hooks = webhooks.interested(project->id, HookEvent::kMergeRequest);
    if (hooks.empty()) return;
    const MergeRequestNews news{.action = base::text_or(event.detail, "action"),
                                .user = base::integer_or(event.detail, "user_id", 0),
                                .oldrev = base::text_or(event.detail, "oldrev")};
    webhooks.owe(hooks, HookEvent::kMergeRequest,
                 merge_request_payload(services.forge, services.url(), *project, *one, news),
                 event_uuid(event));
  }

  void owe_push(const store::Event& event) {
    const forge::Push push = push_of(event);
    const auto project = services.forge.project(push.project);
    if (!project) return;
    const bool tag = push.ref.starts_with("refs/tags/");
    const HookEvent kind = tag ? HookEvent::kTagPush : HookEvent::kPush;
    const std::string branch = push.ref.substr(std::min<std::size_t>(push.ref.size(), 11));
    const auto hooks = webhooks.interested(project->id, kind, branch);
    if (hooks.empty()) return;
    webhooks.owe(hooks, kind, push_payload(services.forge, services.url(), *project, push),
                 event_uuid(event));
  }

  const GitlabOptions options;
  const std::filesystem::path own_directory;
  const std::unique_ptr<store::Spool> own_spool;
  Webhooks webhooks;
  MergeRequests merge_requests;
  Services services;
  const Router router;
};

Gitlab::Gitlab(forge::Forge& forge, ci::Ci& ci, store::Database& database, const base::Clock& clock,
               store::EventPump& events, GitlabOptions options)
    : state_(std::make_unique<State>(forge, ci, database, clock, std::move(options))) {
  ci.open_merge_requests_by([state = state_.get()](forge::Id project, const std::string& branch) {
    return state->merge_requests.open_of(project, branch);
  });
  events.consume("gitlab-webhooks",
                 [state = state_.get()](const store::Event& event) { state->owe(event); });
}

Gitlab::~Gitlab() { state_->services.ci.open_merge_requests_by({}); }

void Gitlab::start() {
  state_->merge_requests.start();
  state_->webhooks.start();
}

std::vector<std::string> Gitlab::pushed(const forge::Push& push) {
  return state_->merge_requests.pushed(push, [&] { return state_->services.ci.pushed(push); });
}

void Gitlab::stop() { state_->webhooks.stop(); }

bool Gitlab::takes(std::string_view path) { return is_api(path) || is_page(path); }

std::optional<net::Response> Gitlab::admit(const net::RequestHead& head) {
  try {
    if (!is_api(head.path())) return page_response(state_->services, head);
    const Found found = state_->router.find(head.method, route_path(head.path()));
    if (found.route == nullptr) return unknown_route(found.other_method);
    if (found.route->who == Who::kTokenInside) {
      const auto length = base::parse_integer(head.headers.get("Content-Length"));
      if (length && *length <= kStrangersBody) return std::nullopt;
      throw Error("TooLarge", "413 Request Entity Too Large", 413);
    }
    Json query = Json::object();
    for (auto& [name, value] : base::parse_query(head.query())) query[name] = value;
    if (!admitted(*found.route,
                  identify(state_->services.forge, head.headers, Parameters(std::move(query)))))
      unauthorized();
    return std::nullopt;
  } catch (const Error& error) {
    return failure_response(error);
  }
}

net::Response Gitlab::handle(net::Request request) {
  net::Response response;
  if (!is_api(request.path())) {
    response = page_response(state_->services, request);
  } else {
    try {
      response = state_->answer(request);
    } catch (const Error& error) {
      response = failure_response(error);
    }
    response.headers.set("Cache-Control", "max-age=0, private, must-revalidate");
    response.headers.set("X-Content-Type-Options", "nosniff");
  }
  if (request.method == "HEAD") drop_body(response);
  return response;
}

}  // namespace slipway::gitlab
