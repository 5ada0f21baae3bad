#include "gitlab/merge_requests.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "ci/merge_request.h"
#include "forge/merge.h"
#include "gitlab/branches.h"
#include "gitlab/diffs.h"

namespace slipway::gitlab {
namespace {

constexpr int kMostPending = 1000;  // that a start looks at
constexpr int kMostNamed = 4;       // in CI_OPEN_MERGE_REQUESTS, as in GitLab
constexpr int kMostCommits = 1000;
constexpr int kMostPipelines = 1000;
constexpr std::size_t kMostRemembered = 1000;
constexpr std::size_t kLongestTitle = 255;  // bytes
constexpr std::size_t kLongestDescription = 1u << 20;

[[noreturn]] void refuse(const std::string& field, const std::string& problem) {
  throw Error("Invalid", field + " " + problem, 400, {{field, Json::array({problem})}});
}
[[noreturn]] void not_allowed() { throw Error("NotAllowed", "405 Method Not Allowed", 405); }

void check_words(const std::string& title, const std::string& description) {
  if (base::trim(title).empty()) refuse("title", "can't be blank");
  if (title.size() > kLongestTitle) refuse("title", "is too long (maximum is 255 characters)");
  if (description.size() > kLongestDescription) {
    refuse("description", "is too long (maximum is 1048576 characters)");
  }
}

[[noreturn]] void refuse_second(const MergeRequest& other) {
  throw Error("Conflict", "Another open merge request already exists for this source branch: !" +
                              std::to_string(other.iid));
}

}  // namespace

MergeRequests::MergeRequests(forge::Forge& forge, ci::Ci& ci, store::Database& database,
                             const base::Clock& clock, std::string account,
                             std::function<std::string()> url)
    : forge_(forge),
      ci_(ci),
      clock_(clock),
      url_(std::move(url)),
      store_(database, std::move(account)) {}

void MergeRequests::start() {
  for (const MergeRequest& one : store_.pending(kMostPending)) {
    try {
      if (!forge_.project(one.project)) continue;
      if (one.removes_source) remove_source(one);
      make_wanted(one);
    } catch (const std::exception& error) {
      log(Level::kError, "what a merge request needs is left for the next start",
          {{"merge_request", one.id}, {"error", std::string_view(error.what())}});
    }
  }
}

std::string MergeRequests::path_of(const MergeRequest& one) const {
  const auto project = forge_.project(one.project);
  return project ? project->full_path : "";
}

std::vector<MergeRequest> MergeRequests::open_from(forge::Id project,
                                                   const std::string& branch) const {
  return store_.list({.project = project,
                      .state = MergeState::kOpened,
                      .source_branch = branch,
                      .ascending = true},
                     kMostOpenOfBranch);
}

std::string MergeRequests::open_of(forge::Id project, const std::string& branch) const {
  std::vector<std::string> names;
  std::string path;
  for (const MergeRequest& one : open_from(project, branch)) {
    if (names.size() == kMostNamed) break;
    if (path.empty()) path = path_of(one);
    names.push_back(path + "!" + std::to_string(one.iid));
  }
  return base::join(names, ",");
}

MergeRequest MergeRequests::create(const forge::User& user, const forge::Project& project,
                                   const NewMergeRequest& wanted) {
  const forge::Repository repository = forge_.repository(project.id);
  if (project.archived) throw Error("Forbidden", "403 Forbidden", 403);
  if (wanted.source_branch == wanted.target_branch) {
    throw Error("Invalid", "You can't use same project/branch for source and target", 422);
  }
  const auto source = head_of(repository, wanted.source_branch);
  if (!source) refuse("source_branch", "does not exist");
  const auto target = head_of(repository, wanted.target_branch);
  if (!target) refuse("target_branch", "does not exist");
  MergeRequest one;
  one.project = project.id;
  one.author = user.id;
  one.source_branch = wanted.source_branch;
  one.target_branch = wanted.target_branch;
  one.sha = *source;
  one.base_sha = repository.merge_base(*target, *source).value_or(*target);
  one.title = wanted.title;
  if (one.title.empty()) {
    one.title = default_title(one.source_branch, commits_between(repository, *target, *source, 2));
  }
  one.description = wanted.description;
  check_words(one.title, one.description);
  one.labels = wanted.labels;
  one.squash = wanted.squash;
  one.remove_source_branch = wanted.remove_source_branch;
  one.created = one.updated = clock_.now();
  one.wanted = WantedPipeline{.once = base::random_hex(16), .user = user.id};
  MergeRequestStore::Added added = store_.add(std::move(one), project.full_path);
  if (!added.is_new) refuse_second(added.merge_request);
  // Its ref is there before anybody hears of it; what a pipeline needs a start would do again.
  forge_.repository(project.id)
      .keep(ci::merge_request_ref(added.merge_request.iid), added.merge_request.sha);
  return added.merge_request;
}

MergeRequest MergeRequests::change(const forge::User& user, const forge::Project& project,
                                   const MergeRequest& before, const MergeRequestChange& change) {
  using Event = MergeRequestChange::Event;
  const forge::Repository repository = forge_.repository(project.id);
  const std::string target = change.target_branch.value_or(before.target_branch);
  const auto head = head_of(repository, before.source_branch);
  const auto target_head = head_of(repository, target);
  if (target != before.target_branch) {
    if (target == before.source_branch) {
      throw Error("Invalid", "You can't use same project/branch for source and target", 422);
    }
    if (!target_head) refuse("target_branch", "does not exist");
  }
  const bool reopens = change.event == Event::kReopen && before.state == MergeState::kClosed;
  if (reopens) {
    if (!head) refuse("source_branch", "does not exist");
    for (const MergeRequest& other : open_from(project.id, before.source_branch)) {
      if (other.target_branch == target) refuse_second(other);
    }
  }
  const MergeRequest after = store_.change(before.id, project.full_path, [&](MergeRequest& one) {
    std::optional<MergeRequestNews> news;
    const auto set = [&](auto& field, const auto& value) {
      if (!value || field == *value) return;
      field = *value;
      news = MergeRequestNews{.action = "update", .user = user.id, .oldrev = ""};
    };
    set(one.title, change.title);
    set(one.description, change.description);
    set(one.labels, change.labels);
    set(one.squash, change.squash);
    set(one.remove_source_branch, change.remove_source_branch);
    if (one.state != MergeState::kMerged) set(one.target_branch, change.target_branch);
    check_words(one.title, one.description);
    if (change.event == Event::kClose && one.is_open()) {
      one.state = MergeState::kClosed;
      one.closed_by = user.id;
      one.closed_at = clock_.now();
      news = MergeRequestNews{.action = "close", .user = user.id, .oldrev = ""};
    } else if (reopens && one.state == MergeState::kClosed) {
      one.state = MergeState::kOpened;
      one.closed_by.reset();
      one.closed_at.reset();
      if (one.sha != *head) {
        one.sha = *head;
        one.wanted = WantedPipeline{.once = base::random_hex(16), .user = user.id};
      }
      news = MergeRequestNews{.action = "reopen", .user = user.id, .oldrev = ""};
    }
    if (news) one.updated = clock_.now();
    return news;
  });
  if (after.wanted) make_wanted(after);
  return store_.find(after.id).value_or(after);
}

MergeRequest MergeRequests::merge(const forge::Identity& identity, const forge::Project& project,
                                  const MergeRequest& before, const MergeWish& wish) {
  if (!forge_.can_merge(identity, project, before.target_branch)) {
    throw Error("Unauthorized", "401 Unauthorized", 401);
  }
  const std::string obstacle = status(project, before);
  if (obstacle != "mergeable" && obstacle != "conflict") not_allowed();
  forge::MergeOrder order;
  order.source = before.source_branch;
  order.target = before.target_branch;
  order.expected = wish.sha;
  order.message = wish.message.empty() ? merge_message(before, project.full_path) : wish.message;
  if (base::text_or(project.settings, "merge_method") == "ff") {
    order.method = forge::MergeMethod::kFastForward;
  }
  if (wish.squash.value_or(before.squash)) {
    order.squash = wish.squash_message.empty() ? before.title : wish.squash_message;
  }
  MergeIntent intent{
      .user = identity.user.id,
      .remove_source_branch = wish.remove_source_branch.value_or(before.remove_source_branch)};
  order.about_to_move = [&](const forge::Merged& merged) {
    intent.commit = merged.commit;
    intent.squashed = merged.squashed;
    intent.source = merged.source;
    intent.base = merged.base;
    store_.change(before.id, project.full_path,
                  [&](MergeRequest& one) -> std::optional<MergeRequestNews> {
                    if (!one.is_open()) not_allowed();
                    one.intent = intent;
                    return std::nullopt;
                  });
  };
  try {
    forge_.merge(identity, project.id, order);
  } catch (const Error& error) {
    // Which files those are is for people; clients know the sentence.
    if (error.code() != "NotMergeable") throw;
    throw Error("NotMergeable", error.message(), error.status());
  }
  // Told by the push as well; whoever comes first records it.
  const MergeRequest after = record_merge(before, intent);
  if (after.removes_source) remove_source(after);
  return store_.find(before.id).value_or(after);
}

MergeRequest MergeRequests::record_merge(const MergeRequest& before, const MergeIntent& intent) {
  return store_.change(
      before.id, path_of(before), [&](MergeRequest& one) -> std::optional<MergeRequestNews> {
        if (!one.is_open()) return std::nullopt;
        one.state = MergeState::kMerged;
        one.merge_commit_sha = intent.commit;
        one.squash_commit_sha = intent.squashed;
        one.sha = intent.source;
        one.base_sha = intent.base;
        one.merged_by = intent.user;
        one.merged_at = one.updated = clock_.now();
        one.intent.reset();
        one.wanted.reset();
        if (intent.remove_source_branch) one.removes_source = intent.user;
        return MergeRequestNews{.action = "merge", .user = intent.user, .oldrev = ""};
      });
}

void MergeRequests::remove_source(const MergeRequest& one) {
  const auto user = forge_.user(one.removes_source.value_or(0));
  const forge::Repository repository = forge_.repository(one.project);
  // Not what was pushed to it after the merge.
  if (user && head_of(repository, one.source_branch) == one.sha) {
    try {
      forge::Identity identity;
      identity.user = *user;
      identity.scopes = {"api"};
      forge_.set_ref(identity, one.project, "refs/heads/" + one.source_branch, forge::kNoCommit);
    } catch (const Error& error) {
      log(Level::kWarning, "the source branch of a merge request stays",
          {{"merge_request", one.id}, {"reason", error.message()}});
    }
  }
  store_.change(one.id, path_of(one), [](MergeRequest& same) -> std::optional<MergeRequestNews> {
    same.removes_source.reset();
    return std::nullopt;
  });
}

ci::NewPipeline MergeRequests::pipeline_request(const MergeRequest& one) const {
  ci::NewPipeline request;
  request.project = one.project;
  request.ref = ci::merge_request_ref(one.iid);
  request.source = "merge_request_event";
  request.sha = one.sha;
  request.merge_request = ci::json_of({.id = one.id,
                                       .iid = one.iid,
                                       .title = one.title,
                                       .description = one.description,
                                       .source_branch = one.source_branch,
                                       .target_branch = one.target_branch,
                                       .source_sha = one.sha,
                                       .base_sha = base_of(one),
                                       .labels = one.labels,
                                       .draft = is_draft(one.title),
                                       .squash = one.squash,
                                       .project_url = url_() + "/" + path_of(one)});
  return request;
}

ci::Pipeline MergeRequests::run_pipeline(const forge::User& user, const MergeRequest& one) {
  return ci_.create_pipeline(user, pipeline_request(one));
}

std::optional<ci::Pipeline> MergeRequests::make_wanted(const MergeRequest& one) {
  if (!one.wanted || !one.is_open()) return std::nullopt;
  forge_.repository(one.project).keep(ci::merge_request_ref(one.iid), one.sha);
  std::optional<ci::Pipeline> made;
  if (const auto user = forge_.user(one.wanted->user)) {
    ci::NewPipeline request = pipeline_request(one);
    request.once = "merge-request:" + std::to_string(one.id) + ":" + one.wanted->once;
    try {
      made = ci_.create_pipeline(*user, request);
    } catch (const Error& error) {
      // No configuration, or no job for merge requests: a merge request like any other.
      if (error.code() != "Invalid") throw;
      log(Level::kDebug, "a merge request has no pipeline",
          {{"merge_request", one.id}, {"reason", error.message()}});
    }
  }
  store_.change(one.id, path_of(one), [&](MergeRequest& same) -> std::optional<MergeRequestNews> {
    if (same.wanted && same.wanted->once == one.wanted->once) same.wanted.reset();
    return std::nullopt;
  });
  return made;
}

std::vector<ci::Pipeline> MergeRequests::pipelines(const MergeRequest& one) const {
  ci::PipelineFilter filter;
  filter.limit = kMostPipelines;
  int total = 0;
  filter.ref = ci::merge_request_ref(one.iid);
  std::vector<ci::Pipeline> all = ci_.pipelines(one.project, filter, &total);
  std::set<std::string> own{one.sha};
  for (const forge::Commit& commit : commits(one, kMostCommits)) own.insert(commit.id);
  filter.ref = one.source_branch;
  for (ci::Pipeline& pipeline : ci_.pipelines(one.project, filter, &total)) {
    if (!pipeline.tag && own.contains(pipeline.sha)) all.push_back(std::move(pipeline));
  }
  std::sort(all.begin(), all.end(),
            [](const ci::Pipeline& a, const ci::Pipeline& b) { return a.id > b.id; });
  return all;
}

std::optional<ci::Pipeline> MergeRequests::head_pipeline(const MergeRequest& one) const {
  ci::PipelineFilter filter;
  filter.limit = 1;
  filter.sha = one.sha;
  int total = 0;
  for (const std::string& ref : {ci::merge_request_ref(one.iid), one.source_branch}) {
    filter.ref = ref;
    auto found = ci_.pipelines(one.project, filter, &total);
    if (!found.empty()) return std::move(found.front());
  }
  return std::nullopt;
}

bool MergeRequests::conflicts(const forge::Repository& repository, const std::string& target,
                              const std::string& source) const {
  const std::string key = repository.directory().string() + "\n" + target + "\n" + source;
  {
    const std::lock_guard lock(mutex_);
    const auto known = conflicts_.find(key);
    if (known != conflicts_.end()) return known->second;
  }
  const bool found = !forge::try_merge(repository, target, source).clean();
  const std::lock_guard lock(mutex_);
  if (conflicts_.size() >= kMostRemembered) conflicts_.clear();
  conflicts_[key] = found;
  return found;
}

std::string MergeRequests::status(const forge::Project& project, const MergeRequest& one) const {
  MergeFacts facts;
  if (one.is_open()) {
    const forge::Repository repository = forge_.repository(project.id);
    const auto source = head_of(repository, one.source_branch);
    const auto target = head_of(repository, one.target_branch);
    facts.has_source = source.has_value();
    facts.has_target = target.has_value();
    facts.has_commits = source && target && !contains(repository, *target, *source);
    facts.conflicts = facts.has_commits && conflicts(repository, *target, *source);
    facts.needs_pipeline =
        base::boolean_or(project.settings, "only_allow_merge_if_pipeline_succeeds", false);
    if (facts.needs_pipeline) {
      if (const auto pipeline = head_pipeline(one)) facts.pipeline = pipeline->status;
    }
  }
  return detailed_merge_status(one, facts);
}

std::string MergeRequests::base_of(const MergeRequest& one) const {
  if (!one.is_open()) return one.base_sha;
  const forge::Repository repository = forge_.repository(one.project);
  const auto target = head_of(repository, one.target_branch);
  return target ? repository.merge_base(*target, one.sha).value_or(one.base_sha) : one.base_sha;
}

std::vector<forge::Commit> MergeRequests::commits(const MergeRequest& one, int limit) const {
  return commits_between(forge_.repository(one.project), base_of(one), one.sha, limit);
}

}  // namespace slipway::gitlab
