#include <algorithm>

#include "base/strings.h"
#include "gitlab/branches.h"
#include "gitlab/diffs.h"
#include "gitlab/merge_request_json.h"
#include "gitlab/merge_requests.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using Event = MergeRequestChange::Event;

constexpr int kMostListed = 10'000;
constexpr int kMostCommits = 1000;
constexpr int kMostIids = 100;
constexpr int kMostCompared = 100;  // with a commit, the newest; each costs processes of git's

// Merge requests show code: they are for those who may read it.
forge::Project project_of(const Call& call) { return call.project_with_code(); }

MergeRequest merge_request_of(const Call& call, const forge::Project& project) {
  auto found = call.services.merge_requests.store().find(project.id, call.number("iid"));
  if (!found) not_found();
  return *found;
}

MergeRequestJson presenter_of(const Call& call) {
  return MergeRequestJson(call.services.merge_requests, call.forge(), presenter(call),
                          call.identity ? &*call.identity : nullptr);
}

// What the database is asked; the rest is for keep_asked().
MergeRequestFilter filter_of(const Call& call) {
  const Parameters& given = call.parameters;
  MergeRequestFilter filter;
  filter.state =
      merge_state_of(given.one_of("state", {"opened", "closed", "merged", "locked", "all"}, "all"));
  filter.source_branch = given.optional_text("source_branch");
  filter.target_branch = given.optional_text("target_branch");
  if (const auto author = given.integer("author_id")) filter.author = *author;
  if (const auto name = given.optional_text("author_username")) {
    const auto user = call.forge().user_named(*name);
    filter.author = user ? user->id : forge::Id{-1};
  }
  for (const std::string& text : given.texts("iids")) {
    const auto iid = base::parse_integer(text);
    if (!iid || filter.iids.size() >= kMostIids) refuse_parameter("iids is invalid");
    filter.iids.push_back(*iid);
  }
  filter.order_by =
      given.one_of("order_by", {"created_at", "updated_at", "title", "merged_at"}, "created_at");
  filter.ascending = given.one_of("sort", {"asc", "desc"}, "desc") == "asc";
  return filter;
}

// What the database is not asked.
void keep_asked(const Call& call, std::vector<MergeRequest>& all) {
  const Parameters& given = call.parameters;
  const std::string search = base::lower(given.text("search"));
  auto draft = given.optional_text("wip");
  if (!draft && given.has("draft")) draft = given.boolean("draft", false) ? "yes" : "no";
  const auto created_after = given.time("created_after");
  const auto created_before = given.time("created_before");
  const auto updated_after = given.time("updated_after");
  const auto updated_before = given.time("updated_before");
  const auto labels = given.texts("labels");
  const bool locked = given.text("state") == "locked";
  std::erase_if(all, [&](const MergeRequest& one) {
    const auto has = [&](const std::string& label) {
      return std::find(one.labels.begin(), one.labels.end(), label) != one.labels.end();
    };
    return locked ||
           (!search.empty() &&
            base::lower(one.title + "\n" + one.description).find(search) == std::string::npos) ||
           (draft && is_draft(one.title) != (*draft == "yes")) ||
           (created_after && one.created < *created_after) ||
           (created_before && one.created > *created_before) ||
           (updated_after && one.updated < *updated_after) ||
           (updated_before && one.updated > *updated_before) ||
           !std::all_of(labels.begin(), labels.end(), has);
  });
}

net::Response of_project(Call& call) {
  const forge::Project project = project_of(call);
  MergeRequestFilter filter = filter_of(call);
  filter.project = project.id;
  const std::string scope =
      call.parameters.one_of("scope", {"all", "created_by_me", "assigned_to_me"}, "all");
  if (scope == "created_by_me") filter.author = call.user().user.id;
  auto all = call.services.merge_requests.store().list(filter, kMostListed);
  if (scope == "assigned_to_me") all.clear();
  keep_asked(call, all);
  MergeRequestJson present = presenter_of(call);
  return list(call, all, [&](const MergeRequest& one) { return present.basic(project, one); });
}

net::Response of_everybody(Call& call) {
  MergeRequestFilter filter = filter_of(call);
  const std::string scope =
      call.parameters.one_of("scope", {"all", "created_by_me", "assigned_to_me"}, "created_by_me");
  if (scope == "created_by_me" && !filter.author) filter.author = call.user().user.id;
  auto all = call.services.merge_requests.store().list(filter, kMostListed);
  if (scope == "assigned_to_me") all.clear();
  keep_asked(call, all);
  std::map<forge::Id, std::optional<forge::Project>> projects;
  std::erase_if(all, [&](const MergeRequest& one) {
    auto known = projects.find(one.project);
    if (known == projects.end()) {
      auto found = call.forge().project(one.project);
      if (found && call.access(*found) < Access::kReporter) found.reset();
      known = projects.emplace(one.project, std::move(found)).first;
    }
    return !known->second;
  });
  MergeRequestJson present = presenter_of(call);
  return list(call, all, [&](const MergeRequest& one) {
    return present.basic(*projects.at(one.project), one);
  });
}

net::Response one(Call& call) {
  const forge::Project project = project_of(call);
  return json(200, presenter_of(call).detail(project, merge_request_of(call, project)));
}

net::Response create(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const Parameters& given = call.parameters;
  given.require({"source_branch", "target_branch", "title"});
  const auto target = given.integer("target_project_id");
  if (target && *target != project.id) {
    throw Error("Invalid", "The target project must be the source project: there are no forks",
                422);
  }
  NewMergeRequest wanted{.source_branch = given.text("source_branch"),
                         .target_branch = given.text("target_branch"),
                         .title = given.text("title"),
                         .description = given.text("description"),
                         .labels = given.texts("labels"),
                         .squash = given.boolean("squash", false),
                         .remove_source_branch = given.boolean("remove_source_branch", false)};
  if (base::trim(wanted.title).empty()) refuse_parameter("title is empty");
  MergeRequests& all = call.services.merge_requests;
  const MergeRequest made = all.create(call.user().user, project, wanted);
  all.make_wanted(made);
  return json(201, presenter_of(call).detail(project, made));
}

// Its author, and whoever may push.
MergeRequest own(const Call& call, const forge::Project& project) {
  MergeRequest found = merge_request_of(call, project);
  const bool author = found.author == call.user().user.id;
  if (!author && call.access(project) < Access::kDeveloper) forbidden();
  return found;
}

net::Response edit(Call& call) {
  const forge::Project project = project_of(call);
  const MergeRequest found = own(call, project);
  const Parameters& given = call.parameters;
  MergeRequestChange wanted;
  wanted.title = given.optional_text("title");
  wanted.description = given.optional_text("description");
  wanted.target_branch = given.optional_text("target_branch");
  wanted.squash = given.optional_boolean("squash");
  wanted.remove_source_branch = given.optional_boolean("remove_source_branch");
  std::vector<std::string> labels =
      given.all().contains("labels") ? given.texts("labels") : found.labels;
  for (const std::string& label : given.texts("add_labels")) labels.push_back(label);
  const auto removed = given.texts("remove_labels");
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  std::erase_if(labels, [&](const std::string& label) {
    return label.empty() || std::find(removed.begin(), removed.end(), label) != removed.end();
  });
  wanted.labels = labels;
  const std::string event = given.one_of("state_event", {"close", "reopen"}, "");
  if (event == "close") wanted.event = Event::kClose;
  if (event == "reopen") wanted.event = Event::kReopen;
  return json(200,
              presenter_of(call).detail(project, call.services.merge_requests.change(
                                                     call.user().user, project, found, wanted)));
}

net::Response merge(Call& call) {
  const forge::Project project = project_of(call);
  const MergeRequest found = merge_request_of(call, project);
  const Parameters& given = call.parameters;
  MergeWish wish;
  wish.sha = given.text("sha");
  wish.message = given.text("merge_commit_message");
  wish.squash_message = given.text("squash_commit_message");
  wish.squash = given.optional_boolean("squash");
  wish.remove_source_branch = given.optional_boolean("should_remove_source_branch");
  MergeRequests& all = call.services.merge_requests;
  if (given.boolean("auto_merge", given.boolean("merge_when_pipeline_succeeds", false))) {
    const auto pipeline = all.head_pipeline(found);
    if (pipeline && !ci::is_complete(pipeline->status)) {
      throw Error("NotAllowed",
                  "405 Method Not Allowed: merging when the pipeline succeeds is not supported; "
                  "merge when it has ended",
                  405);
    }
  }
  return json(200,
              presenter_of(call).detail(project, all.merge(call.user(), project, found, wish)));
}

net::Response commits(Call& call) {
  const forge::Project project = project_of(call);
  auto all = call.services.merge_requests.commits(merge_request_of(call, project), kMostCommits);
  std::reverse(all.begin(), all.end());
  const Presenter present = presenter(call);
  return list(call, all,
              [&](const forge::Commit& commit) { return present.commit(project, commit); });
}

Json diffs_of(const Call& call, const forge::Project& project, const MergeRequest& found) {
  const std::string base = call.services.merge_requests.base_of(found);
  return diffs_between(call.forge().repository(project.id), base, found.sha);
}

net::Response changes(Call& call) {
  const forge::Project project = project_of(call);
  const MergeRequest found = merge_request_of(call, project);
  Json all = presenter_of(call).detail(project, found);
  all["changes"] = diffs_of(call, project, found);
  all["overflow"] = false;
  return json(200, all);
}

net::Response diffs(Call& call) {
  const forge::Project project = project_of(call);
  const Json all = diffs_of(call, project, merge_request_of(call, project));
  return list(call, std::vector<Json>(all.begin(), all.end()),
              [](const Json& each) { return each; });
}

net::Response pipelines(Call& call) {
  const forge::Project project = call.project_with_jobs();
  call.require_code(project);
  const auto all = call.services.merge_requests.pipelines(merge_request_of(call, project));
  Presenter present = presenter(call);
  return list(call, all, [&](const ci::Pipeline& each) { return present.pipeline(each); });
}

net::Response run(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const MergeRequest found = merge_request_of(call, project);
  if (!found.is_open()) throw Error("NotAllowed", "405 Method Not Allowed", 405);
  const ci::Pipeline made = call.services.merge_requests.run_pipeline(call.user().user, found);
  return json(201, presenter(call).pipeline_detail(made));
}

// Those whose source the commit belongs to, and those that brought it into their target.
net::Response of_commit(Call& call) {
  const forge::Project project = project_of(call);
  const std::string id = call.commit_id(project, call.value("sha"));
  const forge::Repository repository = call.forge().repository(project.id);
  const MergeRequests& service = call.services.merge_requests;
  auto all = service.store().list({.project = project.id}, kMostCompared);
  std::erase_if(all, [&](const MergeRequest& each) {
    if (each.merge_commit_sha == id || each.squash_commit_sha == id) return false;
    return !contains(repository, each.sha, id) || contains(repository, service.base_of(each), id);
  });
  MergeRequestJson present = presenter_of(call);
  return list(call, all, [&](const MergeRequest& each) { return present.basic(project, each); });
}

constexpr auto kRead = Scope::kReadApi;
constexpr auto kWrite = Scope::kApi;
constexpr Route kRoutes[] = {
    {"GET", "/merge_requests", Who::kUser, kRead, of_everybody},
    {"GET", "/projects/:id/merge_requests", Who::kAnyone, kRead, of_project},
    {"POST", "/projects/:id/merge_requests", Who::kUser, kWrite, create},
    {"GET", "/projects/:id/merge_requests/:iid", Who::kAnyone, kRead, one},
    {"PUT", "/projects/:id/merge_requests/:iid", Who::kUser, kWrite, edit},
    {"PUT", "/projects/:id/merge_requests/:iid/merge", Who::kUser, kWrite, merge},
    {"GET", "/projects/:id/merge_requests/:iid/commits", Who::kAnyone, kRead, commits},
    {"GET", "/projects/:id/merge_requests/:iid/changes", Who::kAnyone, kRead, changes},
    {"GET", "/projects/:id/merge_requests/:iid/diffs", Who::kAnyone, kRead, diffs},
    {"GET", "/projects/:id/merge_requests/:iid/pipelines", Who::kAnyone, kRead, pipelines},
    {"POST", "/projects/:id/merge_requests/:iid/pipelines", Who::kUser, kWrite, run},
    {"GET", "/projects/:id/repository/commits/*sha/merge_requests", Who::kAnyone, kRead, of_commit},
};

}  // namespace

std::vector<Route> merge_request_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
