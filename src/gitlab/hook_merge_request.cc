#include "gitlab/hook_merge_request.h"

#include "gitlab/hook_parts.h"
#include "gitlab/merge_request_rules.h"

namespace slipway::gitlab {

Json merge_request_payload(const forge::Forge& forge, const std::string& url,
                           const forge::Project& project, const MergeRequest& one,
                           const MergeRequestNews& news) {
  const Json about = project_json(project, url);
  const auto last = forge.repository(project.id).commit(one.sha);
  const std::string address = url + "/" + project.full_path;
  Json attributes{
      {"id", one.id},
      {"iid", one.iid},
      {"title", one.title},
      {"description", one.description},
      {"state", text(one.state)},
      {"action", news.action},
      {"source_branch", one.source_branch},
      {"target_branch", one.target_branch},
      {"source_project_id", one.project},
      {"target_project_id", one.project},
      {"author_id", one.author},
      {"created_at", base::iso8601_millis(one.created)},
      {"updated_at", base::iso8601_millis(one.updated)},
      {"draft", is_draft(one.title)},
      {"work_in_progress", is_draft(one.title)},
      {"merge_commit_sha", one.merge_commit_sha.empty() ? Json() : Json(one.merge_commit_sha)},
      {"url", address + "/-/merge_requests/" + std::to_string(one.iid)},
      {"source", about},
      {"target", about},
      {"last_commit", last ? commit_json(*last, address) : Json()}};
  if (!news.oldrev.empty()) attributes["oldrev"] = news.oldrev;
  Json labels = Json::array();
  for (const std::string& label : one.labels) labels.push_back({{"title", label}});
  return {{"object_kind", "merge_request"},
          {"event_type", "merge_request"},
          {"user", user_json(forge.user(news.user))},
          {"project", about},
          {"repository",
           {{"name", project.name},
            {"url", address + ".git"},
            {"description", project.description},
            {"homepage", address}}},
          {"object_attributes", attributes},
          {"labels", labels},
          {"changes", Json::object()}};
}

}  // namespace slipway::gitlab
