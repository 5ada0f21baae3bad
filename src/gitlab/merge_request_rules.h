#pragma once

// What merge requests decide: pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ci/types.h"
#include "forge/repository.h"
#include "gitlab/merge_request_types.h"

namespace slipway::gitlab {

// By its title: "Draft: …", "[Draft] …", "(Draft) …".
bool is_draft(std::string_view title);
std::string with_draft(const std::string& title, bool draft);

// The title where none is given: that of the one commit, or the branch in words.
std::string default_title(const std::string& branch, const std::vector<forge::Commit>& commits);
std::string merge_message(const MergeRequest& one, const std::string& project_path);

// The push options "merge_request.*" of one push.
struct PushWishes {
  bool any = false;
  bool create = false;
  std::optional<std::string> target, title, description;
  std::optional<bool> draft, squash, remove_source_branch;
  std::vector<std::string> labels;
  std::vector<std::string> unknown;  // names of options that are not for this server
};
PushWishes push_wishes(const std::vector<std::string>& options);

// What stands in the way of merging, in GitLab's words; "mergeable" where nothing does.
struct MergeFacts {
  bool has_source = true;  // its branch is there
  bool has_target = true;
  bool has_commits = true;  // that the target has not
  bool conflicts = false;
  bool needs_pipeline = false;  // only_allow_merge_if_pipeline_succeeds
  std::optional<ci::Status> pipeline;
};
std::string detailed_merge_status(const MergeRequest& one, const MergeFacts& facts);

}  // namespace slipway::gitlab
