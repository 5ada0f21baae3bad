#include <algorithm>

#include "base/strings.h"
#include "gitlab/commit_request.h"
#include "gitlab/diffs.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using forge::FileAction;

constexpr int kMostCounted = 100'000;
constexpr std::size_t kLongestText = 255;

net::Response commits(Call& call) {
  const forge::Project project = call.project_with_code();
  const Parameters& given = call.parameters;
  const forge::Repository repository = call.forge().repository(project.id);
  const PageRequest page = page_request(given);
  const std::string ref = given.text("ref_name");
  const auto from = repository.resolve(ref.empty() ? "refs/heads/" + project.default_branch : ref);
  if (!from) {
    if (ref.empty()) return page_of(call, Json::array(), page, 0);
    not_found("Tree");
  }
  const auto since = given.time("since");
  const auto until = given.time("until");
  const std::string author = base::lower(given.text("author"));
  const bool filtered = since || until || !author.empty();
  const Presenter present = presenter(call);
  Json items = Json::array();
  // One more than the page holds tells whether there is a next one: git counts slowly.
  auto found = repository.history(*from, given.text("path"), filtered ? 0 : page.offset(),
                                  filtered ? kMostCounted : page.per_page + 1);
  if (filtered) {
    std::erase_if(found, [&](const forge::Commit& commit) {
      return (since && commit.committer.at < *since) || (until && commit.committer.at > *until) ||
             (!author.empty() &&
              base::lower(commit.author.name).find(author) == std::string::npos &&
              base::lower(commit.author.email).find(author) == std::string::npos);
    });
    return list(call, found, [&](const auto& each) { return present.commit(project, each); });
  }
  const bool more = found.size() > static_cast<std::size_t>(page.per_page);
  if (more) found.pop_back();
  for (const forge::Commit& commit : found) items.push_back(present.commit(project, commit));
  const auto known = static_cast<std::int64_t>(page.offset()) +
                     static_cast<std::int64_t>(found.size()) + (more ? 1 : 0);
  net::Response response = page_of(call, items, page, known);
  // As in GitLab: this list tells no totals.
  response.headers.remove("X-Total");
  response.headers.remove("X-Total-Pages");
  return response;
}

forge::Commit commit_of_path(const Call& call, const forge::Project& project) {
  const std::string id = call.commit_id(project, call.value("sha"));
  auto commit = call.forge().repository(project.id).commit(id);
  if (!commit) not_found("Commit");
  return *commit;
}

Json with_stats(const Call& call, const forge::Project& project, const forge::Commit& commit) {
  Json all = presenter(call).commit_detail(project, commit);
  if (!call.parameters.boolean("stats", true)) return all;
  const std::string before = commit.parents.empty() ? forge::kNoCommit : commit.parents.front();
  int added = 0;
  int removed = 0;
  for (const Json& diff : diffs_between(call.forge().repository(project.id), before, commit.id)) {
    for (const std::string& line : base::split(diff["diff"].get<std::string>(), '\n')) {
      added += line.starts_with('+') ? 1 : 0;
      removed += line.starts_with('-') ? 1 : 0;
    }
  }
  all["stats"] = {{"additions", added}, {"deletions", removed}, {"total", added + removed}};
  return all;
}

net::Response commit(Call& call) {
  const forge::Project project = call.project_with_code();
  return json(200, with_stats(call, project, commit_of_path(call, project)));
}

net::Response diff(Call& call) {
  const forge::Project project = call.project_with_code();
  const forge::Commit found = commit_of_path(call, project);
  const std::string before = found.parents.empty() ? forge::kNoCommit : found.parents.front();
  const Json all = diffs_between(call.forge().repository(project.id), before, found.id);
  return list(call, std::vector<Json>(all.begin(), all.end()), [](const Json& one) { return one; });
}

net::Response refs(Call& call) {
  const forge::Project project = call.project_with_code();
  const forge::Commit found = commit_of_path(call, project);
  const forge::Repository repository = call.forge().repository(project.id);
  const std::string type = call.parameters.one_of("type", {"branch", "tag", "all"}, "all");
  Json all = Json::array();
  for (const auto& [kind, prefix] : {std::pair("branch", std::string("refs/heads/")),
                                     std::pair("tag", std::string("refs/tags/"))}) {
    if (type != "all" && type != kind) continue;
    for (const forge::Ref& ref : repository.refs(prefix)) {
      if (repository.merge_base(found.id, ref.commit) == found.id)
        all.push_back({{"type", kind}, {"name", ref.name.substr(prefix.size())}});
    }
  }
  return list(call, std::vector<Json>(all.begin(), all.end()), [](const Json& one) { return one; });
}

forge::FileChange change_of(const Parameters& given) {
  given.require({"action", "file_path"});
  const std::string action = given.text("action");
  forge::FileChange change;
  change.path = given.text("file_path");
  change.previous_path = given.text("previous_path");
  change.executable = given.boolean("execute_filemode", false);
  if (action == "create") {
    change.action = FileAction::kCreate;
  } else if (action == "update") {
    change.action = FileAction::kUpdate;
    given.require({"content"});
  } else if (action == "delete") {
    change.action = FileAction::kDelete;
  } else if (action == "move") {
    change.action = FileAction::kMove;
    given.require({"previous_path"});
  } else if (action == "chmod") {
    change.action = FileAction::kChmod;
  } else {
    refuse_parameter("actions[0][action] does not have a valid value");
  }
  change.content = content_of(given);
  return change;
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"branch", "commit_message", "actions"});
  forge::CommitRequest request = commit_request(call.parameters, call.services.clock.now());
  const forge::Repository repository = call.forge().repository(project.id);
  for (const Parameters& given : call.parameters.objects("actions")) {
    request.changes.push_back(change_of(given));
    expect_last_commit(repository, request, given.text("last_commit_id"), given.text("file_path"));
  }
  const forge::Commit made = call.forge().commit(call.user(), project.id, request);
  return json(201, with_stats(call, project, made));
}

net::Response statuses(Call& call) {
  const forge::Project project = call.project_with_jobs();
  const std::string sha = call.commit_id(project, call.value("sha"));
  auto all = call.ci().commit_statuses(project.id, sha);
  Presenter present = presenter(call);
  const auto wanted = [&](const ci::Job& job) {
    const auto given = [&](const char* name, const std::string& value) {
      const auto asked = call.parameters.optional_text(name);
      return !asked || *asked == value;
    };
    const auto pipeline = call.parameters.integer("pipeline_id");
    return given("name", job.name()) && given("stage", job.stage()) &&
           (!pipeline || *pipeline == job.pipeline);
  };
  std::erase_if(all, [&](const ci::Job& job) { return !wanted(job); });
  return list(call, all, [&](const ci::Job& job) { return present.commit_status(job); });
}

net::Response set_status(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"state"});
  call.parameters.one_of("state",
                         {"pending", "running", "success", "failed", "canceled", "skipped"}, "");
  const std::string sha = call.commit_id(project, call.value("sha"));
  Json status = Json::object();
  for (const char* name : {"state", "ref", "name", "context", "target_url", "description"}) {
    if (call.parameters.has(name)) status[name] = call.parameters.text(name);
    if (base::text_or(status, name).size() > kLongestText)
      throw Error("Invalid", "400 Bad request", 400,
                  Json{{name, Json::array({"is too long (maximum is 255 characters)"})}});
  }
  if (const auto text = call.parameters.optional_text("coverage")) {
    const auto coverage = base::parse_number(*text);
    if (!coverage) refuse_parameter("coverage is invalid");
    status["coverage"] = *coverage;
  }
  if (const auto id = call.parameters.integer("pipeline_id")) status["pipeline_id"] = *id;
  const ci::Job job = call.ci().set_commit_status(call.user().user, project.id, sha, status);
  return json(201, presenter(call).commit_status(job));
}

constexpr auto kCode = Scope::kReadRepository;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/repository/commits", Who::kAnyone, kCode, commits},
    {"POST", "/projects/:id/repository/commits", Who::kUser, Scope::kApi, create},
    {"GET", "/projects/:id/repository/commits/*sha/diff", Who::kAnyone, kCode, diff},
    {"GET", "/projects/:id/repository/commits/*sha/refs", Who::kAnyone, kCode, refs},
    {"GET", "/projects/:id/repository/commits/*sha/statuses", Who::kAnyone, Scope::kReadApi,
     statuses},
    {"GET", "/projects/:id/repository/commits/*sha", Who::kAnyone, kCode, commit},
    {"POST", "/projects/:id/statuses/:sha", Who::kUser, Scope::kApi, set_status},
};

}  // namespace

std::vector<Route> commit_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
