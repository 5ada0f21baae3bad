// The runner coordinator's API, as stock gitlab-runner processes speak it.

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "ci/merge_request.h"
#include "runner/coordinator_call.h"
#include "runner/decide.h"
#include "runner/payload.h"

namespace slipway::runner {
namespace {

constexpr std::chrono::seconds kLongestWait{50};
constexpr std::chrono::seconds kWaitSlice{2};
// Each waiting runner holds a thread of the server's; the others come again by themselves.
constexpr int kMostWaiting = 4;
constexpr int kMostDropped = 20;                    // jobs in one call, for want of features
constexpr std::uint64_t kLargestTrace = 16u << 20;  // of one PATCH
constexpr std::int64_t kUpdateInterval = 3;         // seconds; how often a runner sends its trace

std::vector<std::string> tags_of(const Json& value) {
  std::vector<std::string> tags;
  const std::vector<std::string> given =
      value.is_array() ? texts(value)
                       : base::split(value.is_string() ? value.get<std::string>() : "", ',');
  for (const std::string& tag : given) {
    if (const auto trimmed = base::trim(tag); !trimmed.empty()) tags.emplace_back(trimmed);
  }
  return tags;
}

Json token_json(Id id, const std::string& token) {
  return {{"id", id}, {"token", token}, {"token_expires_at", nullptr}};
}

}  // namespace

Coordinator::Coordinator(ci::Ci& ci, forge::Forge& forge, std::function<std::string()> url,
                         std::filesystem::path scratch)
    : ci_(ci),
      forge_(forge),
      url_(std::move(url)),
      scratch_(scratch.empty() ? std::filesystem::temp_directory_path() : std::move(scratch)) {}

Coordinator::~Coordinator() { stop(); }

void Coordinator::stop() { stopping_ = true; }

bool Coordinator::takes(const net::RequestHead& head) {
  return route_of(head.method, head.path()).kind != RouteKind::kNone;
}

std::optional<net::Response> Coordinator::admit(const net::RequestHead& head) {
  const Route route = route_of(head.method, head.path());
  if (route.kind != RouteKind::kArtifacts && route.kind != RouteKind::kTrace) {
    return refusal(413, "413 Request Entity Too Large");
  }
  const auto job = ci_.queue().job_of(head.headers.get("JOB-TOKEN"));
  if (!job || job->id != route.job) return refusal(403, "403 Forbidden");
  const auto length = base::parse_integer(head.headers.get("Content-Length"));
  const std::uint64_t limit = route.kind == RouteKind::kTrace ? kLargestTrace : kLargestArtifact;
  if (length && static_cast<std::uint64_t>(*length) > limit) {
    return refusal(413, "413 Request Entity Too Large");
  }
  return std::nullopt;
}

net::Response Coordinator::handle(net::Request request) {
  const std::string request_id(request.headers.get("X-Request-Id"));
  net::Response response;
  try {
    Call call(std::move(request));
    response = answer(call);
  } catch (const Error& error) {
    response = refusal(error.status(), error.message());
    if (error.detail().is_object() && error.detail().contains("Job-Status")) {
      response.headers.set("Job-Status", base::text_or(error.detail(), "Job-Status"));
    }
  }
  response.headers.set("X-Request-Id", request_id.empty() ? base::random_hex(32) : request_id);
  return response;
}

net::Response Coordinator::answer(const Call& call) {
  switch (call.route.kind) {
    case RouteKind::kRegister:
      return register_runner(call);
    case RouteKind::kVerify:
      return verify_runner(call);
    case RouteKind::kRemove:
      return remove_runner(call);
    case RouteKind::kRemoveManager:
      runner_of(call);
      return empty(204);
    case RouteKind::kRenewToken:
      return renew_token(call);
    case RouteKind::kDiscovery:
      return refusal(501, "501 Not Implemented");
    case RouteKind::kRequest:
      return request_job(call);
    case RouteKind::kTrace:
      return append_trace(call);
    case RouteKind::kUpdate:
      return update_job(call);
    case RouteKind::kArtifacts:
      return call.request.method == "GET" ? send_artifact(call) : store_artifact(call);
    case RouteKind::kNone:
      break;
  }
  return refusal(404, "404 Not Found");
}

net::Response Coordinator::register_runner(const Call& call) {
  const std::string given = call.token("token");
  if (given.empty() || !base::equals_in_constant_time(given, ci_.queue().registration_token())) {
    throw Error("Forbidden", "403 Forbidden", 403);
  }
  ci::Runner runner;
  runner.description = base::text_or(call.body, "description");
  if (call.body.contains("tag_list")) runner.tags = tags_of(call.body["tag_list"]);
  runner.run_untagged = base::boolean_or(call.body, "run_untagged", runner.tags.empty());
  runner.locked = base::boolean_or(call.body, "locked", false);
  runner.paused = base::boolean_or(call.body, "paused", false);
  runner.only_protected = base::text_or(call.body, "access_level") == "ref_protected";
  const std::int64_t timeout = base::integer_or(call.body, "maximum_timeout", 0);
  if (timeout > 0) runner.maximum_timeout = static_cast<int>(timeout);
  if (runner.tags.empty() && !runner.run_untagged) {
    throw Error("Invalid",
                "Validation failed: Tags list can not be empty when runner is not allowed to pick "
                "untagged jobs",
                400);
  }
  runner.info = base::object_or_empty(call.body, "info");
  const auto [added, token] = ci_.queue().add_runner(std::move(runner));
  return json(201, token_json(added.id, token));
}

ci::Runner Coordinator::runner_of(const Call& call) {
  const std::string token = call.token("RUNNER-TOKEN");
  auto runner = token.empty() ? std::nullopt : ci_.queue().runner_of(token);
  if (!runner) throw Error("Forbidden", "403 Forbidden", 403);
  return std::move(*runner);
}

net::Response Coordinator::verify_runner(const Call& call) {
  ci::Runner runner = runner_of(call);
  const Json& info = base::object_or_empty(call.body, "info");
  if (!info.empty() && info != runner.info) {
    runner.info = info;
    ci_.queue().update_runner(runner);
  }
  return json(200, token_json(runner.id, call.token("RUNNER-TOKEN")));
}

net::Response Coordinator::remove_runner(const Call& call) {
  ci_.queue().remove_runner(runner_of(call).id);
  return empty(204);
}

// The queue keeps a token for a runner's life, so a new token is a new runner with the same
// settings.
net::Response Coordinator::renew_token(const Call& call) {
  ci::Runner runner = runner_of(call);
  if (!ci_.queue().held_by(runner.id).empty()) {
    throw Error("Conflict", "409 Conflict: the runner has jobs that run", 409);
  }
  const Id old = runner.id;
  const auto [added, token] = ci_.queue().add_runner(std::move(runner));
  ci_.queue().remove_runner(old);
  return json(201, token_json(added.id, token));
}

std::optional<ci::Assignment> Coordinator::wait_for_job(Id runner, const Json& info) {
  struct Place {
    explicit Place(std::atomic<int>& places) : taken(places), number(++places) {}
    ~Place() { --taken; }
    std::atomic<int>& taken;
    const int number;
  };
  const Place place(waiting_);
  if (place.number > kMostWaiting || stopping_) {
    return ci_.queue().take(runner, info, std::chrono::milliseconds(0));
  }
  const auto until = std::chrono::steady_clock::now() + kLongestWait;
  while (true) {
    if (auto assignment = ci_.queue().take(runner, info, kWaitSlice)) return assignment;
    if (stopping_ || std::chrono::steady_clock::now() >= until) return std::nullopt;
  }
}

void Coordinator::drop_unsupported(const ci::Assignment& assignment, const Json& info) {
  const Id job = assignment.job.id;
  std::string words;
  for (const std::string& feature : lacking_features(assignment.job.spec, info)) {
    words += (words.empty() ? "" : ", ") + feature;
  }
  const std::string line = "ERROR: Job failed: the runner does not support " + words + "\n";
  ci_.queue().append_trace(job, 0, line);
  ci::JobUpdate update;
  update.state = "failed";
  update.failure_reason = "runner_unsupported";
  ci_.queue().update(job, update);
}

net::Response Coordinator::request_job(const Call& call) {
  const ci::Runner runner = runner_of(call);
  const Json& info = base::object_or_empty(call.body, "info");
  std::optional<ci::Assignment> assignment = wait_for_job(runner.id, info);
  // Jobs that this runner would do only in part: they fail, as in GitLab, instead of that.
  for (int dropped = 0; assignment && !lacking_features(assignment->job.spec, info).empty();) {
    drop_unsupported(*assignment, info);
    assignment.reset();
    if (++dropped < kMostDropped) assignment = wait_for_job(runner.id, info);
  }
  if (!assignment) {
    net::Response response = empty(204);
    response.headers.set("X-GitLab-Last-Update", base::random_hex(32));
    return response;
  }
  PayloadFacts facts;
  facts.url = url_();
  facts.now = base::SystemClock().now();
  facts.is_protected = forge_.is_protected(
      assignment->project, ci::full_ref(assignment->pipeline.ref, assignment->pipeline.tag));
  facts.last_change = [&](const std::string& path) {
    const auto commits =
        forge_.repository(assignment->project.id).history(assignment->pipeline.sha, path, 0, 1);
    return commits.empty() ? std::string() : commits.front().id;
  };
  return json(201, job_payload(*assignment, facts));
}

ci::Job Coordinator::job_of(const Call& call) {
  const std::string token = call.token("JOB-TOKEN");
  auto job = token.empty() ? std::nullopt : ci_.queue().job_of(token);
  if (job && job->id == call.route.job) return std::move(*job);
  Json detail = nullptr;
  // A token that was this job's is of no use once the job has ended; the runner learns how.
  if (const auto known = ci_.job(call.route.job)) {
    detail = {{"Job-Status", std::string(ci::text(known->status))}};
  }
  throw Error("Forbidden", "403 Forbidden", 403, std::move(detail));
}

net::Response Coordinator::append_trace(const Call& call) {
  const ci::Job job = job_of(call);
  const auto start = start_of_range(call.request.headers.get("Content-Range"));
  if (!start) throw Error("Invalid", "400 Missing header Content-Range", 400);
  const ci::TraceResult result =
      ci_.queue().append_trace(job.id, *start, call.request.body.text(kLargestTrace));
  net::Response response = empty(202);
  switch (result.outcome) {
    case ci::TraceResult::Outcome::kAccepted:
      response = json(202, "202 Trace was patched");
      break;
    case ci::TraceResult::Outcome::kMismatch:
      response = json(416, "416 Range Not Satisfiable");
      break;
    case ci::TraceResult::Outcome::kGone:
      response = refusal(404, "404 Not Found");
      break;
    case ci::TraceResult::Outcome::kForbidden:
      response = refusal(403, "403 Forbidden - Job is not running");
      break;
  }
  response.headers.set("Job-Status", std::string(ci::text(result.status)));
  response.headers.set("Range", "0-" + std::to_string(result.size));
  response.headers.set("X-GitLab-Trace-Update-Interval", std::to_string(kUpdateInterval));
  return response;
}

net::Response Coordinator::update_job(const Call& call) {
  const ci::Job job = job_of(call);
  ci::JobUpdate update;
  update.state = base::text_or(call.body, "state", "running");
  if (update.state == "pending") update.state = "running";  // a keep-alive of newer runners
  if (update.state != "running" && update.state != "success" && update.state != "failed") {
    throw Error("Invalid", "state does not have a valid value", 400);
  }
  update.failure_reason = base::text_or(call.body, "failure_reason");
  if (call.body.contains("exit_code") && call.body["exit_code"].is_number_integer()) {
    update.exit_code = static_cast<int>(base::integer_or(call.body, "exit_code", 0));
  }
  const Json& output = base::object_or_empty(call.body, "output");
  const std::string checksum =
      base::text_or(output, "checksum", base::text_or(call.body, "checksum"));
  if (!checksum.empty()) update.checksum = checksum;
  if (const std::int64_t bytes = base::integer_or(output, "bytesize", -1); bytes >= 0) {
    update.bytes = static_cast<std::uint64_t>(bytes);
  }
  net::Response response = empty(200);
  switch (ci_.queue().update(job.id, update)) {
    case ci::UpdateOutcome::kDone:
      response = json(200, "200 OK");
      break;
    case ci::UpdateOutcome::kTraceIncomplete:
      response = refusal(412, "412 Precondition Failed");  // the runner sends what is missing
      break;
    case ci::UpdateOutcome::kGone:
      response = refusal(404, "404 Not Found");
      break;
    case ci::UpdateOutcome::kForbidden:
      response = refusal(403, "403 Forbidden - Job is not running");
      break;
  }
  response.headers.set("Job-Status", std::string(ci::text(ci_.queue().status(job.id))));
  response.headers.set("X-GitLab-Trace-Update-Interval", std::to_string(kUpdateInterval));
  return response;
}

net::Response Coordinator::store_artifact(const Call& call) {
  const ci::Job job = job_of(call);
  ci::Artifact artifact;
  artifact.type = call.parameter("artifact_type", "archive");
  artifact.format = call.parameter("artifact_format", "zip");
  const Upload upload = take_upload(call.request, scratch_);
  artifact.filename = upload.filename();
  artifact.size = upload.size();
  const std::string expire_in = call.parameter("expire_in", "");
  if (!expire_in.empty()) {
    if (const auto after = ci_config::parse_duration(expire_in)) {
      artifact.expires = base::SystemClock().now() +
                         std::chrono::duration_cast<std::chrono::milliseconds>(*after).count();
    }
  }
  const ci::Artifact stored = ci_.queue().add_artifact(job.id, artifact, upload.path());
  return json(201, {{"id", job.id},
                    {"file_type", stored.type},
                    {"file_format", stored.format},
                    {"filename", stored.filename},
                    {"size", stored.size}});
}

// By the rules of the REST API: whoever sees the project, unless its jobs are for members.
bool Coordinator::shows_jobs_to(const std::string& job_token, Id id) const {
  const auto identity = forge_.authenticate(job_token);
  const auto project = forge_.project(id);
  if (!identity || !project || !forge_.can_read(&*identity, *project)) return false;
  return base::boolean_or(project->settings, "public_jobs", true) ||
         forge_.access(*identity, *project) >= forge::Access::kReporter;
}

net::Response Coordinator::send_artifact(const Call& call) {
  const std::string token = call.token("JOB-TOKEN");
  const auto running = token.empty() ? std::nullopt : ci_.queue().job_of(token);
  if (!running) throw Error("Forbidden", "403 Forbidden", 403);
  const auto wanted = ci_.job(call.route.job);
  if (!wanted) throw Error("NotFound", "404 Not found", 404);
  if (wanted->project != running->project && !shows_jobs_to(token, wanted->project)) {
    throw Error("NotFound", "404 Not found", 404);
  }
  const auto path = ci_.artifact_path(wanted->id, "archive");
  if (!path) throw Error("NotFound", "404 Not found", 404);
  net::Response response;
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Content-Disposition", "attachment; filename=\"artifacts.zip\"");
  response.body = net::FileSlice{*path, 0, std::filesystem::file_size(*path), nullptr};
  return response;
}

}  // namespace slipway::runner
