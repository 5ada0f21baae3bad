#include "ci/ci.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "ci/decide.h"
#include "ci/masker.h"
#include "ci/merge_request.h"
#include "ci/removal.h"
#include "ci/state.h"

namespace slipway::ci {
namespace {

constexpr int kMostRefsInPush = 4;
constexpr std::size_t kMostErrorsShown = 10;  // to who pushed

Variable variable_of_option(std::string_view option) {
  Variable variable;
  const std::size_t equals = option.find('=');
  variable.key = std::string(option.substr(0, equals));
  if (equals != std::string_view::npos) variable.value = std::string(option.substr(equals + 1));
  return variable;
}

// "build, test: no active runner has the tags docker".
std::vector<std::string> stuck_jobs(const std::vector<Runner>& runners,
                                    const std::vector<Job>& jobs, bool ref_protected) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const Job& job : jobs) {
    if (job.is_bridge()) continue;
    const std::string why = why_stuck(runners, job, ref_protected);
    if (!why.empty()) by_reason[why].push_back(job.name());
  }
  std::vector<std::string> lines;
  for (const auto& [why, names] : by_reason) {
    if (lines.size() < kMostErrorsShown) lines.push_back(base::join(names, ", ") + ": " + why);
  }
  return lines;
}

std::string plural(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

Ci::State::State(store::Database& database, const base::Clock& clock, forge::Forge& forge,
                 store::Spool& spool, CiOptions options)
    : workshop{.database = database,
               .clock = clock,
               .forge = forge,
               .spool = spool,
               .options = std::move(options),
               .wakes = {}},
      settings(workshop),
      variables(workshop, settings),
      artifacts(workshop.options.directory / "artifacts"),
      traces(workshop.options.directory / "traces", workshop.options.trace_limit,
             [this](Id job) {
               return workshop.database.read(
                   [&](store::Reader& reader) -> std::optional<std::vector<std::string>> {
                     const auto row = find_job(reader, job);
                     if (!row || row->token.empty()) return std::nullopt;
                     return secrets_of(reader, job);
                   });
             }),
      creation(workshop, settings, variables),
      bridges(workshop, creation, variables, artifacts),
      queue(workshop, settings, variables, artifacts, traces),
      caretaker({.workshop = workshop,
                 .settings = settings,
                 .creation = creation,
                 .bridges = bridges,
                 .artifacts = artifacts,
                 .traces = traces,
                 .queue = queue}) {
  workshop.wakes.pending = [this] { queue.wake(); };
  workshop.wakes.work = [this] { caretaker.wake_for_work(); };
  workshop.wakes.due = [this] { caretaker.wake_for_time(); };
  workshop.wakes.ended = [this](Id job) { caretaker.note_ended(job); };
  store::create_directories_durably(store::system_disk(), workshop.options.directory);
}

Pipeline Ci::State::pipeline(Id id) const {
  auto found =
      workshop.database.read([&](store::Reader& reader) { return find_pipeline(reader, id); });
  if (!found) throw Error("NotFound", "404 Pipeline Not Found", 404);
  return std::move(*found);
}

JobRow Ci::State::row(Id id) const {
  auto found = workshop.database.read([&](store::Reader& reader) { return find_job(reader, id); });
  if (!found) throw Error("NotFound", "404 Job Not Found", 404);
  return std::move(*found);
}

void Ci::State::check_may_run(const forge::User& user, const Pipeline& of) const {
  const auto project = workshop.forge.project(of.project);
  if (!project) throw Error("NotFound", "404 Project Not Found", 404);
  const forge::Identity identity = identity_of_user(user);
  const std::string ref = full_ref(of.ref, of.tag);
  if (workshop.forge.access(identity, *project) < forge::Access::kDeveloper ||
      (workshop.forge.is_protected(*project, ref) &&
       !workshop.forge.can_push(identity, *project, ref))) {
    throw Error("Forbidden", "403 Forbidden", 403);
  }
}

Ci::Ci(store::Database& database, const base::Clock& clock, forge::Forge& forge,
       store::Spool& spool, CiOptions options) {
  migrate_tables(database);
  state_ = std::make_unique<State>(database, clock, forge, spool, std::move(options));
}

Ci::~Ci() { stop(); }

void Ci::start() {
  record_all_removed(state_->workshop);
  state_->queue.open();
  state_->caretaker.start();
  state_->queue.wake();
}

void Ci::stop() {
  state_->queue.close();
  state_->caretaker.stop();
}

void Ci::run_due() { state_->caretaker.run_due(); }

std::vector<std::string> Ci::pushed(const forge::Push& push) {
  if (push.after == forge::kNoCommit || push.refs_in_push > kMostRefsInPush) return {};
  if (!push.ref.starts_with("refs/heads/") && !push.ref.starts_with("refs/tags/")) return {};
  const auto project = state_->workshop.forge.project(push.project);
  const auto user = state_->workshop.forge.user(push.user);
  if (!project || !user) return {};
  Making making;
  making.authorized = true;
  NewPipeline& request = making.request;
  request.project = push.project;
  request.ref = push.ref;
  request.source = "push";
  request.sha = push.after;
  request.before_sha = push.before;
  if (!push.id.empty()) request.once = "push:" + push.id + ":" + push.ref;
  constexpr std::string_view kVariable = "ci.variable=";
  for (const std::string& option : push.options) {
    if (option == "ci.skip") making.skip = true;
    if (option.starts_with(kVariable)) {
      request.variables.push_back(variable_of_option(option.substr(kVariable.size())));
    }
  }
  try {
    const Pipeline made = state_->creation.create(*user, making);
    const std::string address = state_->workshop.url() + "/" + project->full_path +
                                "/-/pipelines/" + std::to_string(made.id);
    const std::vector<Job> jobs = jobs_of(made.id);
    std::string what = plural(jobs.size(), "job");
    if (!made.yaml_errors.empty()) what = "invalid configuration";
    if (made.status == Status::kSkipped && making.may_skip && made.stages.empty()) what = "skipped";
    std::vector<std::string> lines{
        "", "  Pipeline #" + std::to_string(made.id) + " (" + what + "): " + address};
    for (std::size_t i = 0; i < std::min(made.yaml_errors.size(), kMostErrorsShown); ++i) {
      const std::string place =
          i < made.yaml_error_places.size() ? made.yaml_error_places[i] : std::string();
      lines.push_back("    " + (place.empty() ? "" : place + ": ") + made.yaml_errors[i]);
    }
    for (const std::string& line : stuck_jobs(state_->queue.runners(), jobs,
                                              base::boolean_or(made.context, "protected", false))) {
      lines.push_back("    " + line);
    }
    lines.emplace_back("");
    return lines;
  } catch (const Error& error) {
    // No configuration, or its rules leave nothing to run: a push like any other.
    if (error.code() != "Invalid") throw;
    log(Level::kDebug, "a push made no pipeline",
        {{"project", project->full_path}, {"reason", error.what()}});
    return {};
  }
}

void Ci::open_merge_requests_by(OpenMergeRequests find) {
  state_->creation.open_merge_requests_by(std::move(find));
}

Pipeline Ci::create_pipeline(const forge::User& user, const NewPipeline& request) {
  Making making;
  making.request = request;
  if (making.request.source.empty()) making.request.source = "api";
  return state_->creation.create(user, making);
}

Pipeline Ci::trigger_pipeline(Id project, const std::string& token, const std::string& ref,
                              const Variables& variables, const std::string& payload) {
  Making making;
  making.may_skip = false;
  NewPipeline& request = making.request;
  request.project = project;
  request.ref = ref;
  request.variables = variables;
  if (!payload.empty()) {
    Variable body;
    body.key = "TRIGGER_PAYLOAD";
    body.value = payload;
    body.file = true;
    request.variables.push_back(std::move(body));
  }
  std::optional<forge::User> user;
  if (const auto trigger = state_->settings.use_trigger(project, token)) {
    request.source = "trigger";
    user = state_->workshop.forge.user(trigger->owner);
  } else if (const auto job = state_->queue.job_of(token)) {
    request.source = "pipeline";
    request.upstream_job = job->id;
    const auto secrets = state_->workshop.database.read(
        [&](store::Reader& reader) { return secrets_of(reader, job->id); });
    for (Variable& each : request.variables) {
      if (shows_secret(each.value, secrets)) each.masked = true;
    }
    user = state_->workshop.forge.user(job->user);
    const auto target = state_->workshop.forge.project(project);
    const auto identity = identity_of(token);
    // A public project is read by everybody, and still starts nothing for a job that it lets not
    // in.
    if (!target || !identity ||
        state_->workshop.forge.access(*identity, *target) == forge::Access::kNone) {
      throw Error("NotFound", "404 Project Not Found", 404);
    }
  }
  if (!user) throw Error("NotFound", "404 Not Found", 404);
  return state_->creation.create(*user, making);
}

std::optional<forge::Identity> Ci::identity_of(std::string_view job_token) const {
  const auto job = state_->queue.job_of(job_token);
  if (!job) return std::nullopt;
  const auto user = state_->workshop.forge.user(job->user);
  if (!user) return std::nullopt;
  forge::Identity identity;
  identity.user = *user;
  identity.kind = forge::TokenKind::kJob;
  identity.scopes = {"read_repository", "read_registry", "write_registry"};
  identity.job = job->id;
  identity.job_project = job->project;
  return identity;
}

std::optional<Pipeline> Ci::pipeline(Id id) const {
  return state_->workshop.database.read(
      [&](store::Reader& reader) { return find_pipeline(reader, id); });
}

std::optional<Pipeline> Ci::latest_pipeline(Id project, const std::string& ref) const {
  auto found = state_->workshop.database.read([&](store::Reader& reader) {
    return pipelines_where(
        reader, "where project = ? and ref = ? and parent is null order by id desc limit 1",
        {project, ref});
  });
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Pipeline> Ci::pipelines(Id project, const PipelineFilter& filter, int* total) const {
  std::string where = "where project = ?";
  std::vector<store::Value> values{project};
  const auto add = [&](const char* condition, auto&& value) {
    where += std::string(" and ") + condition;
    values.emplace_back(std::forward<decltype(value)>(value));
  };
  if (filter.ref) add("ref = ?", *filter.ref);
  if (filter.sha) add("sha = ?", *filter.sha);
  if (filter.status) add("status = ?", *filter.status);
  if (filter.name) add("name = ?", *filter.name);
  if (filter.source) {
    add("source = ?", *filter.source);
  } else {
    where += " and parent is null";
  }
  if (filter.username) {
    const auto user = state_->workshop.forge.user_named(*filter.username);
    add("user_id = ?", user ? user->id : Id{-1});
  }
  if (filter.updated_after) add("updated > ?", *filter.updated_after);
  if (filter.updated_before) add("updated < ?", *filter.updated_before);
  const std::string scope = filter.scope.value_or("");
  if (scope == "running" || scope == "pending") add("status = ?", scope);
  if (scope == "finished") where += " and status in ('success', 'failed', 'canceled')";
  if (scope == "branches") where += " and tag = 0";
  if (scope == "tags") where += " and tag = 1";
  std::string order = "id";
  for (const auto& [name, column] :
       {std::pair("status", "status"), std::pair("ref", "ref"), std::pair("updated_at", "updated"),
        std::pair("user_id", "user_id")}) {
    if (filter.order_by == name) order = column;
  }
  const char* direction = filter.ascending ? " asc" : " desc";
  return state_->workshop.database.read([&](store::Reader& reader) {
    if (total != nullptr) {
      *total = static_cast<int>(count(reader, "ci_pipelines " + where, values));
    }
    auto page = values;
    page.emplace_back(static_cast<std::int64_t>(filter.limit));
    page.emplace_back(static_cast<std::int64_t>(filter.offset));
    return pipelines_where(
        reader, where + " order by " + order + direction + ", id" + direction + " limit ? offset ?",
        page);
  });
}

Pipeline Ci::retry_pipeline(Id id, const forge::User& user) {
  state_->check_may_run(user, state_->pipeline(id));
  state_->workshop.change([&](Machine& machine) { machine.retry_pipeline(id, user.id); });
  return state_->pipeline(id);
}

Pipeline Ci::cancel_pipeline(Id id) {
  state_->workshop.change([&](Machine& machine) { machine.cancel_pipeline(id); });
  return state_->pipeline(id);
}

void Ci::delete_pipeline(Id id) { remove_pipeline(state_->workshop, state_->pipeline(id)); }

void Ci::project_removed(Id project) { record_removed(state_->workshop, project); }

Pipeline Ci::rename_pipeline(Id id, const std::string& name) {
  state_->workshop.database.write([&](store::Transaction& transaction) {
    auto found = find_pipeline(transaction, id);
    if (!found) throw Error("NotFound", "404 Pipeline Not Found", 404);
    found->name = name;
    update(transaction, *found);
  });
  return state_->pipeline(id);
}

ci_config::Result Ci::lint(const forge::User& user, Id project, const std::string& content,
                           const std::string& ref, bool dry_run) {
  return state_->creation.lint(user, project, content, ref, dry_run);
}

Queue& Ci::queue() { return state_->queue; }

}  // namespace slipway::ci
