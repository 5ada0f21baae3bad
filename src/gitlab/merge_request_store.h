#pragma once

// Merge requests in the database.
//
//   gitlab_merge_requests   id | project, iid, author, state, source_branch, target_branch, title,
//                           sha, created, updated, merged_at, pending, document
//
// `pending`: something is still to be done for it, which a start looks for. The rest is in the
// document, as JSON. Each change that others may want to know of appends its event in the same
// transaction: MergeRequest.Opened, .Updated, .Closed, .Reopened, .Merged (subject
// "<project path>!<iid>", detail: id, iid, project_id, user_id, action, and oldrev of new commits).

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gitlab/merge_request_types.h"
#include "store/database.h"
#include "store/outbox.h"

namespace slipway::gitlab {

// What a change means to others.
struct MergeRequestNews {
  std::string action;  // "open", "update", "close", "reopen", "merge"
  forge::Id user = 0;
  std::string oldrev;  // of an update by new commits
};

// Thread-safe.
class MergeRequestStore {
 public:
  MergeRequestStore(store::Database& database, std::string account);

  // Gives it its numbers. Nothing is added, and the other returned, where an open one has the same
  // branches.
  struct Added {
    MergeRequest merge_request;
    bool is_new = false;
  };
  Added add(MergeRequest merge_request, const std::string& project_path);
  // Changes it in one transaction; `change` must be short and returns what to tell, if anything.
  // What it throws leaves everything as it was.
  using Change = std::function<std::optional<MergeRequestNews>(MergeRequest&)>;
  MergeRequest change(forge::Id id, const std::string& project_path, const Change& change);

  std::optional<MergeRequest> find(forge::Id project, forge::Id iid) const;
  std::optional<MergeRequest> find(forge::Id id) const;
  // In the filter's order; at most `limit`.
  std::vector<MergeRequest> list(const MergeRequestFilter& filter, int limit) const;
  std::vector<MergeRequest> pending(int limit) const;

 private:
  store::Database& database_;
  const std::string account_;
};

}  // namespace slipway::gitlab
