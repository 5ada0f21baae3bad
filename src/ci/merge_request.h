#pragma once

// What a pipeline knows of the merge request that it is for. Pure.

#include <string>
#include <vector>

#include "ci/types.h"

namespace slipway::ci {

// As it was when the pipeline was made.
struct MergeRequestFacts {
  Id id = 0;
  Id iid = 0;
  std::string title;
  std::string description;
  std::string source_branch;
  std::string target_branch;
  std::string source_sha;
  std::string base_sha;  // where the source branch left the target
  std::vector<std::string> labels;
  bool draft = false;
  bool squash = false;
  std::string project_url;
};
// For NewPipeline::merge_request, and so for Pipeline::context.
Json json_of(const MergeRequestFacts& facts);
// null: the pipeline is not for one. Children of such a pipeline are.
const Json& merge_request_of(const Pipeline& pipeline);

// "refs/merge-requests/7/head", the ref of the pipelines of a merge request and of nothing else.
std::string merge_request_ref(Id iid);
bool is_merge_request_ref(std::string_view ref);
// "refs/heads/main", "refs/tags/v1" or that.
std::string full_ref(const std::string& ref, bool tag);
// The branch that the commit came from, also where the pipeline is for a merge request.
std::string source_ref(const Pipeline& pipeline);

// CI_MERGE_REQUEST_*, and CI_OPEN_MERGE_REQUESTS where the branch has any.
Variables merge_request_variables(const Pipeline& pipeline);

}  // namespace slipway::ci
