#pragma once

// Merge requests: made, kept up to date with their branches, given pipelines, merged.
//
//   state    when                                                          to
//   (none)   create(); the push option merge_request.create                opened
//   opened   the target holds the commit of a merge, or the source's own   merged
//   opened   closed by hand; the source branch is removed                  closed
//   closed   reopened by hand                                              opened
//
// A merge is recorded from the push of its target branch, which the forge tells at least once
// however the server dies: the commits that were about to be pushed are recorded before (`intent`).
// What follows a state (a pipeline, the removal of the source branch) is recorded with it and done
// again by start() until it is done.

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ci/ci.h"
#include "forge/forge.h"
#include "gitlab/merge_request_rules.h"
#include "gitlab/merge_request_store.h"

namespace slipway::gitlab {

struct NewMergeRequest {
  std::string source_branch, target_branch;
  std::string title;  // empty: default_title()
  std::string description;
  std::vector<std::string> labels;
  bool squash = false;
  bool remove_source_branch = false;
};

struct MergeRequestChange {
  std::optional<std::string> title, description, target_branch;
  std::optional<std::vector<std::string>> labels;
  std::optional<bool> squash, remove_source_branch;
  enum class Event { kNone, kClose, kReopen };
  Event event = Event::kNone;
};

struct MergeWish {
  std::string sha;             // the source must be at this commit; empty: wherever
  std::string message;         // empty: GitLab's
  std::string squash_message;  // empty: the title
  std::optional<bool> squash, remove_source_branch;
};

// Thread-safe. What is refused is an Error with GitLab's words and status.
class MergeRequests {
 public:
  MergeRequests(forge::Forge& forge, ci::Ci& ci, store::Database& database,
                const base::Clock& clock, std::string account, std::function<std::string()> url);

  // Does what an earlier process left undone.
  void start();

  const MergeRequestStore& store() const { return store_; }

  // Its first pipeline is then wanted: make_wanted().
  MergeRequest create(const forge::User& user, const forge::Project& project,
                      const NewMergeRequest& wanted);
  MergeRequest change(const forge::User& user, const forge::Project& project,
                      const MergeRequest& one, const MergeRequestChange& change);
  MergeRequest merge(const forge::Identity& identity, const forge::Project& project,
                     const MergeRequest& one, const MergeWish& wish);

  // For Forge::on_push: `branch_pipeline` makes the pipeline of the branch or tag, between what
  // its variables tell of merge requests and the pipelines of those. Returns lines to show.
  std::vector<std::string> pushed(const forge::Push& push,
                                  const std::function<std::vector<std::string>()>& branch_pipeline);
  // For Ci::open_merge_requests_by().
  std::string open_of(forge::Id project, const std::string& branch) const;

  // The pipeline that is still to be made for it; nothing where there is none, or nothing to run.
  std::optional<ci::Pipeline> make_wanted(const MergeRequest& one);
  // A new pipeline for it. Throws as Ci::create_pipeline().
  ci::Pipeline run_pipeline(const forge::User& user, const MergeRequest& one);
  // Of all its commits, the newest first: its own, and those of its branch.
  std::vector<ci::Pipeline> pipelines(const MergeRequest& one) const;
  std::optional<ci::Pipeline> head_pipeline(const MergeRequest& one) const;

  std::string status(const forge::Project& project, const MergeRequest& one) const;
  // Where its changes begin: of an open one, where its branches part now.
  std::string base_of(const MergeRequest& one) const;
  std::vector<forge::Commit> commits(const MergeRequest& one, int limit) const;  // oldest first

 private:
  struct Lines;
  std::vector<MergeRequest> open_from(forge::Id project, const std::string& branch) const;
  void note_target(const forge::Push& push, const std::string& branch);
  void note_source(const forge::Push& push, const std::string& branch);
  void follow_wishes(const forge::Push& push, const std::string& branch,
                     const forge::Project& project, const forge::User& user, Lines& lines);
  MergeRequest record_merge(const MergeRequest& one, const MergeIntent& intent);
  std::optional<MergeIntent> merge_by(const forge::Push& push, const MergeRequest& one) const;
  void remove_source(const MergeRequest& one);
  ci::NewPipeline pipeline_request(const MergeRequest& one) const;
  bool conflicts(const forge::Repository& repository, const std::string& target,
                 const std::string& source) const;
  std::string path_of(const MergeRequest& one) const;

  forge::Forge& forge_;
  ci::Ci& ci_;
  const base::Clock& clock_;
  const std::function<std::string()> url_;
  MergeRequestStore store_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, bool> conflicts_;  // of two commits; guarded by mutex_
};

}  // namespace slipway::gitlab
