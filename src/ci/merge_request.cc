#include "ci/merge_request.h"

#include <utility>

#include "base/strings.h"
#include "ci/add_variable.h"

namespace slipway::ci {
namespace {

constexpr std::string_view kRefs = "refs/merge-requests/";
constexpr std::size_t kLongestDescription = 2700;  // GitLab's

}  // namespace

Json json_of(const MergeRequestFacts& facts) {
  return {{"id", facts.id},
          {"iid", facts.iid},
          {"title", facts.title},
          {"description", facts.description},
          {"source_branch", facts.source_branch},
          {"target_branch", facts.target_branch},
          {"source_sha", facts.source_sha},
          {"base_sha", facts.base_sha},
          {"labels", facts.labels},
          {"draft", facts.draft},
          {"squash", facts.squash},
          {"project_url", facts.project_url}};
}

const Json& merge_request_of(const Pipeline& pipeline) {
  static const Json none;
  const auto found = pipeline.context.find("merge_request");
  return found == pipeline.context.end() ? none : *found;
}

std::string merge_request_ref(Id iid) { return std::string(kRefs) + std::to_string(iid) + "/head"; }

bool is_merge_request_ref(std::string_view ref) { return ref.starts_with(kRefs); }

std::string full_ref(const std::string& ref, bool tag) {
  if (is_merge_request_ref(ref)) return ref;
  return (tag ? "refs/tags/" : "refs/heads/") + ref;
}

std::string source_ref(const Pipeline& pipeline) {
  return base::text_or(merge_request_of(pipeline), "source_branch", pipeline.ref);
}

Variables merge_request_variables(const Pipeline& pipeline) {
  Variables all;
  const std::string open = base::text_or(pipeline.context, "open_merge_requests");
  if (!open.empty()) add_raw(all, "CI_OPEN_MERGE_REQUESTS", open);
  const Json& facts = merge_request_of(pipeline);
  if (!facts.is_object()) return all;
  const auto text = [&](const char* name) { return base::text_or(facts, name); };
  const auto yes = [&](const char* name) {
    return std::string(base::boolean_or(facts, name, false) ? "true" : "false");
  };
  const Id iid = base::integer_or(facts, "iid", 0);
  const std::string project = std::to_string(pipeline.project);
  const std::string path = base::text_or(pipeline.context, "path");
  const std::string description = text("description");
  add(all, "CI_MERGE_REQUEST_ID", std::to_string(base::integer_or(facts, "id", 0)));
  add(all, "CI_MERGE_REQUEST_IID", std::to_string(iid));
  add(all, "CI_MERGE_REQUEST_EVENT_TYPE", "detached");
  add(all, "CI_MERGE_REQUEST_REF_PATH", merge_request_ref(iid));
  add(all, "CI_MERGE_REQUEST_PROJECT_ID", project);
  add(all, "CI_MERGE_REQUEST_PROJECT_PATH", path);
  add(all, "CI_MERGE_REQUEST_PROJECT_URL", text("project_url"));
  add(all, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", project);
  add(all, "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", path);
  add(all, "CI_MERGE_REQUEST_SOURCE_PROJECT_URL", text("project_url"));
  add_raw(all, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", text("source_branch"));
  add(all, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", text("source_sha"));
  add_raw(all, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", text("target_branch"));
  add(all, "CI_MERGE_REQUEST_DIFF_BASE_SHA", text("base_sha"));
  add_raw(all, "CI_MERGE_REQUEST_TITLE", text("title"));
  add_raw(all, "CI_MERGE_REQUEST_DESCRIPTION",
          std::string(base::utf8_prefix(description, kLongestDescription)));
  add(all, "CI_MERGE_REQUEST_DESCRIPTION_IS_TRUNCATED",
      description.size() > kLongestDescription ? "true" : "false");
  add(all, "CI_MERGE_REQUEST_DRAFT", yes("draft"));
  add(all, "CI_MERGE_REQUEST_SQUASH_ON_MERGE", yes("squash"));
  std::vector<std::string> labels;
  for (const Json& label : base::array_or_empty(facts, "labels")) {
    if (label.is_string()) labels.push_back(label.get<std::string>());
  }
  if (!labels.empty()) add_raw(all, "CI_MERGE_REQUEST_LABELS", base::join(labels, ","));
  return all;
}

}  // namespace slipway::ci
