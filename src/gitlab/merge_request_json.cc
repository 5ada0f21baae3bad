#include "gitlab/merge_request_json.h"

#include "gitlab/diffs.h"

namespace slipway::gitlab {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

Json MergeRequestJson::basic(const forge::Project& project, const MergeRequest& one) {
  const std::string number = "!" + std::to_string(one.iid);
  const std::string status = service_.status(project, one);
  const bool draft = is_draft(one.title);
  const bool clean = status != "conflict" && status != "commits_status";
  Json all{{"id", one.id},
           {"iid", one.iid},
           {"project_id", one.project},
           {"title", one.title},
           {"description", one.description},
           {"state", text(one.state)},
           {"created_at", base::iso8601_millis(one.created)},
           {"updated_at", base::iso8601_millis(one.updated)},
           {"merged_at", time_json(one.merged_at)},
           {"closed_at", time_json(one.closed_at)},
           {"target_branch", one.target_branch},
           {"source_branch", one.source_branch},
           {"author", presenter_.user(one.author)},
           {"source_project_id", one.project},
           {"target_project_id", one.project},
           {"labels", one.labels},
           {"draft", draft},
           {"work_in_progress", draft},
           {"merge_status", clean ? "can_be_merged" : "cannot_be_merged"},
           {"detailed_merge_status", status},
           {"has_conflicts", status == "conflict"},
           {"sha", one.sha},
           {"merge_commit_sha", text_or_null(one.merge_commit_sha)},
           {"squash_commit_sha", text_or_null(one.squash_commit_sha)},
           {"should_remove_source_branch", nullptr},
           {"force_remove_source_branch", one.remove_source_branch},
           {"squash", one.squash},
           {"squash_on_merge", one.squash},
           {"reference", number},
           {"references",
            {{"short", number}, {"relative", number}, {"full", project.full_path + number}}},
           {"web_url", presenter_.web_url(project, "/-/merge_requests/" + std::to_string(one.iid))},
           {"merge_when_pipeline_succeeds", false},
           {"blocking_discussions_resolved", true},
           {"user_notes_count", 0},
           {"upvotes", 0},
           {"downvotes", 0},
           {"assignees", Json::array()},
           {"reviewers", Json::array()},
           {"task_completion_status", {{"count", 0}, {"completed_count", 0}}},
           {"time_stats",
            {{"time_estimate", 0},
             {"total_time_spent", 0},
             {"human_time_estimate", nullptr},
             {"human_total_time_spent", nullptr}}}};
  for (const char* user : {"merged_by", "merge_user"}) {
    all[user] = one.merged_by ? presenter_.user(*one.merged_by) : Json();
  }
  all["closed_by"] = one.closed_by ? presenter_.user(*one.closed_by) : Json();
  for (const char* nothing : {"assignee", "milestone", "discussion_locked", "merge_after"}) {
    all[nothing] = nullptr;
  }
  return all;
}

Json MergeRequestJson::detail(const forge::Project& project, const MergeRequest& one) {
  Json all = basic(project, one);
  const std::string base = service_.base_of(one);
  const auto head = service_.head_pipeline(one);
  const Json changes = diffs_between(forge_.repository(project.id), base, one.sha);
  all.update(
      {{"subscribed", false},
       {"changes_count", changes.empty() ? Json() : Json(std::to_string(changes.size()))},
       {"diff_refs", {{"base_sha", base}, {"head_sha", one.sha}, {"start_sha", base}}},
       {"pipeline", head ? presenter_.pipeline(*head) : Json()},
       {"head_pipeline", head ? presenter_.pipeline_detail(*head) : Json()},
       {"latest_build_started_at", head ? time_json(head->started) : Json()},
       {"latest_build_finished_at", head ? time_json(head->finished) : Json()},
       {"first_deployed_to_production_at", nullptr},
       {"merge_error", nullptr},
       {"first_contribution", false},
       {"user",
        {{"can_merge", viewer_ && forge_.can_merge(*viewer_, project, one.target_branch)}}}});
  return all;
}

}  // namespace slipway::gitlab
