#pragma once

// Values of merge requests.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "forge/types.h"

namespace slipway::gitlab {

enum class MergeState { kOpened, kClosed, kMerged };
std::string_view text(MergeState state);
std::optional<MergeState> merge_state_of(std::string_view text);

// The commits of a merge that is about to move the target branch: whose push that is.
struct MergeIntent {
  std::string commit;
  std::string squashed;  // empty: not squashed
  std::string source;
  std::string base;
  forge::Id user = 0;
  bool remove_source_branch = false;
};

// A pipeline that is still to be made.
struct WantedPipeline {
  std::string once;  // the same makes the same pipeline
  forge::Id user = 0;
};

// Both branches are of the same project.
struct MergeRequest {
  forge::Id id = 0;
  forge::Id iid = 0;  // counts within the project
  forge::Id project = 0;
  forge::Id author = 0;
  std::string title;
  std::string description;
  std::string source_branch;
  std::string target_branch;
  MergeState state = MergeState::kOpened;
  std::string sha;       // of the source branch
  std::string base_sha;  // where it left the target, when that was last looked at
  std::vector<std::string> labels;
  bool squash = false;
  bool remove_source_branch = false;  // once it is merged
  std::string merge_commit_sha;
  std::string squash_commit_sha;
  std::optional<forge::Id> merged_by, closed_by;
  std::optional<base::Millis> merged_at, closed_at;
  base::Millis created = 0;
  base::Millis updated = 0;
  std::optional<MergeIntent> intent;
  std::optional<WantedPipeline> wanted;
  std::optional<forge::Id>
      removes_source;  // for this user the source branch is still to be removed

  bool is_open() const { return state == MergeState::kOpened; }
};

struct MergeRequestFilter {
  std::optional<forge::Id> project, author;
  std::optional<MergeState> state;
  std::optional<std::string> source_branch, target_branch, sha;
  std::vector<forge::Id> iids;  // empty: any
  std::string order_by = "created_at";
  bool ascending = false;
};

}  // namespace slipway::gitlab
