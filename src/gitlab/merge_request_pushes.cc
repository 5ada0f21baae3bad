// What a push means for merge requests.

#include <algorithm>
#include <set>

#include "base/error.h"
#include "ci/merge_request.h"
#include "gitlab/branches.h"
#include "gitlab/diffs.h"
#include "gitlab/merge_requests.h"

namespace slipway::gitlab {
namespace {

constexpr int kMostCommits = 1000;  // of a push that are looked at

}  // namespace

std::optional<MergeIntent> MergeRequests::merge_by(const forge::Push& push,
                                                   const MergeRequest& one) const {
  const forge::Repository repository = forge_.repository(push.project);
  if (one.intent && contains(repository, push.after, one.intent->commit)) return one.intent;
  // By hand: the target has all commits now, and had not before.
  if (!contains(repository, push.after, one.sha) || contains(repository, push.before, one.sha) ||
      forge::is_no_commit(push.before)) {
    return std::nullopt;
  }
  MergeIntent found{.commit = push.after, .source = one.sha, .user = push.user};
  found.base = repository.merge_base(push.before, one.sha).value_or(push.before);
  for (const forge::Commit& commit :
       commits_between(repository, push.before, push.after, kMostCommits)) {
    const auto& parents = commit.parents;
    if (parents.size() > 1 && std::find(parents.begin(), parents.end(), one.sha) != parents.end()) {
      found.commit = commit.id;
    }
  }
  return found;
}

void MergeRequests::note_target(const forge::Push& push, const std::string& branch) {
  if (forge::is_no_commit(push.after)) return;
  for (const MergeRequest& one :
       store_.list({.project = push.project, .state = MergeState::kOpened, .target_branch = branch},
                   kMostOpenOfBranch)) {
    const auto intent = merge_by(push, one);
    if (!intent) continue;
    const MergeRequest after = record_merge(one, *intent);
    // A merge by hand leaves the branch to the hand.
    if (after.removes_source) remove_source(after);
  }
}

void MergeRequests::note_source(const forge::Push& push, const std::string& branch) {
  const std::vector<MergeRequest> all = open_from(push.project, branch);
  if (all.empty()) return;
  const forge::Repository repository = forge_.repository(push.project);
  // What the branch holds now: an old push may be told again.
  const auto head = head_of(repository, branch);
  for (const MergeRequest& one : all) {
    if (head && one.sha == *head) continue;
    std::string base;
    const auto target = head_of(repository, one.target_branch);
    if (head && target) base = repository.merge_base(*target, *head).value_or("");
    store_.change(one.id, path_of(one), [&](MergeRequest& same) {
      std::optional<MergeRequestNews> news;
      if (!same.is_open() || (head && same.sha == *head)) return news;
      same.updated = clock_.now();
      if (!head) {
        same.state = MergeState::kClosed;
        same.closed_by = push.user;
        same.closed_at = same.updated;
        same.wanted.reset();
        news = MergeRequestNews{.action = "close", .user = push.user, .oldrev = ""};
      } else {
        news = MergeRequestNews{.action = "update", .user = push.user, .oldrev = same.sha};
        same.sha = *head;
        if (!base.empty()) same.base_sha = base;
        same.wanted = WantedPipeline{.once = "push:" + push.id, .user = push.user};
      }
      return news;
    });
    if (head) repository.keep(ci::merge_request_ref(one.iid), *head);
  }
}

// What is shown to the person who pushes.
struct MergeRequests::Lines {
  std::vector<std::string> errors, pipelines, all;
};

void MergeRequests::follow_wishes(const forge::Push& push, const std::string& branch,
                                  const forge::Project& project, const forge::User& user,
                                  Lines& lines) {
  const PushWishes wishes = push_wishes(push.options);
  if (!wishes.any || forge::is_no_commit(push.after)) return;
  for (const std::string& name : wishes.unknown) {
    lines.errors.push_back("The push option '" + name + "' is not supported.");
  }
  if (branch == project.default_branch) return;
  const auto open = open_from(project.id, branch);
  try {
    if (!open.empty()) {
      const MergeRequest& one = open.front();
      MergeRequestChange wanted;
      wanted.title = wishes.title;
      if (wishes.draft) wanted.title = with_draft(wishes.title.value_or(one.title), *wishes.draft);
      wanted.description = wishes.description;
      wanted.target_branch = wishes.target;
      wanted.squash = wishes.squash;
      wanted.remove_source_branch = wishes.remove_source_branch;
      if (!wishes.labels.empty()) {
        std::set<std::string> labels(one.labels.begin(), one.labels.end());
        labels.insert(wishes.labels.begin(), wishes.labels.end());
        wanted.labels = std::vector<std::string>(labels.begin(), labels.end());
      }
      change(user, project, one, wanted);
    } else if (wishes.create) {
      NewMergeRequest wanted{.source_branch = branch,
                             .target_branch = wishes.target.value_or(project.default_branch),
                             .title = wishes.title.value_or(""),
                             .description = wishes.description.value_or(""),
                             .labels = wishes.labels,
                             .squash = wishes.squash.value_or(false),
                             .remove_source_branch = wishes.remove_source_branch.value_or(false)};
      const MergeRequest made = create(user, project, wanted);
      if (wishes.draft) {
        change(user, project, made, {.title = with_draft(made.title, *wishes.draft)});
      }
    } else if (wishes.unknown.empty()) {
      lines.errors.push_back(
          "A merge_request.create push option is required to create a merge request for branch " +
          branch);
    }
  } catch (const Error& error) {
    if (error.status() >= 500) throw;
    lines.errors.push_back("Error encountered with push options 'merge_request': " +
                           error.message());
  }
}

std::vector<std::string> MergeRequests::pushed(
    const forge::Push& push, const std::function<std::vector<std::string>()>& branch_pipeline) {
  const auto branch = forge::branch_of(push.ref);
  const auto project = forge_.project(push.project);
  const auto user = forge_.user(push.user);
  if (!branch || !project || !user) return branch_pipeline();
  note_target(push, *branch);
  note_source(push, *branch);
  Lines lines;
  follow_wishes(push, *branch, *project, *user, lines);
  // Made after the merge request, so that a configuration can leave one of the two pipelines out.
  lines.all = branch_pipeline();
  std::vector<std::string> named;
  for (const MergeRequest& one : open_from(push.project, *branch)) {
    const std::string address = url_() + "/" + project->full_path;
    if (const auto made = make_wanted(one)) {
      lines.pipelines.push_back("  Pipeline #" + std::to_string(made->id) + " of !" +
                                std::to_string(one.iid) + ": " + address + "/-/pipelines/" +
                                std::to_string(made->id));
    }
    named.insert(named.end(), {"", "View merge request for " + *branch + ":",
                               "  " + address + "/-/merge_requests/" + std::to_string(one.iid)});
  }
  const auto append = [&](const std::vector<std::string>& more) {
    lines.all.insert(lines.all.end(), more.begin(), more.end());
  };
  if (!lines.errors.empty()) append({"", "WARNINGS:"});
  append(lines.errors);
  append(lines.pipelines);
  append(named);
  if (!lines.all.empty() && !lines.all.back().empty()) append({""});
  return lines.all;
}

}  // namespace slipway::gitlab
