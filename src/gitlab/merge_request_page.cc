#include "gitlab/merge_request_page.h"

#include "gitlab/html.h"
#include "gitlab/merge_requests.h"
#include "gitlab/page_parts.h"
#include "gitlab/presenter.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

constexpr int kCommitsShown = 100;
constexpr std::size_t kPipelinesShown = 30;

std::string words_of(const std::string& status) {
  if (status == "mergeable") return "It can be merged.";
  if (status == "conflict") return "There are conflicts with its target.";
  if (status == "draft_status") return "It is a draft.";
  if (status == "commits_status") return "It has no commits that its target has not.";
  if (status == "ci_must_pass") return "Its pipeline must succeed first.";
  if (status == "ci_still_running") return "Its pipeline is not over yet.";
  return "";
}

}  // namespace

net::Response merge_request_page(const Call& call, const forge::Project& project,
                                 const std::string& suffix) {
  call.require_code(project);
  const MergeRequests& service = call.services.merge_requests;
  const auto found = service.store().find(project.id, call.number("iid"));
  if (!found) not_found();
  const MergeRequest& one = *found;
  Presenter present = presenter(call);
  const auto name_of = [&](forge::Id user) {
    const Json shown = present.user(user);
    return shown.is_object() ? escaped(base::text_or(shown, "name")) : std::string("somebody");
  };
  std::string body = "<p>" + escaped(text(one.state)) + ": <code>" + escaped(one.source_branch) +
                     "</code> into <code>" + escaped(one.target_branch) + "</code>, by " +
                     name_of(one.author) + ", " + time_text(one.created) + "</p>";
  if (one.merged_at) {
    body += "<p>Merged by " + name_of(one.merged_by.value_or(0)) + ", " +
            time_text(*one.merged_at) + ", as <code>" + escaped(one.merge_commit_sha.substr(0, 8)) +
            "</code></p>";
  }
  body += "<p>" + escaped(words_of(service.status(project, one))) + "</p>";
  if (!one.description.empty()) body += "<pre>" + escaped(one.description) + "</pre>";
  body += "<h2>Commits</h2><ul>";
  for (const forge::Commit& commit : service.commits(one, kCommitsShown)) {
    body += "<li><code>" + escaped(commit.id.substr(0, 8)) + "</code> " + escaped(commit.title()) +
            "</li>";
  }
  body += "</ul><h2>Pipelines</h2><ul>";
  auto pipelines = service.pipelines(one);
  if (pipelines.size() > kPipelinesShown) pipelines.resize(kPipelinesShown);
  for (const ci::Pipeline& pipeline : pipelines) {
    body +=
        "<li>" + badge(pipeline.status) + " <a href=\"" +
        escaped("/" + project.full_path + "/-/pipelines/" + std::to_string(pipeline.id) + suffix) +
        "\">#" + std::to_string(pipeline.id) + "</a> " + escaped(pipeline.source) + " <code>" +
        escaped(pipeline.sha.substr(0, 8)) + "</code></li>";
  }
  return html_response(200, one.title + " !" + std::to_string(one.iid), body + "</ul>", false);
}

}  // namespace slipway::gitlab
