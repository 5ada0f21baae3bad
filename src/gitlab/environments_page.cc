#include "gitlab/environments_page.h"

#include "gitlab/html.h"
#include "gitlab/page_parts.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

// An address comes from a .gitlab-ci.yml: only one that a browser opens as a page becomes a link.
std::string link_out(const std::string& url) {
  if (!url.starts_with("https://") && !url.starts_with("http://")) return escaped(url);
  return "<a rel=\"noopener noreferrer nofollow\" href=\"" + escaped(url) + "\">" + escaped(url) +
         "</a>";
}

}  // namespace

net::Response environments_page(const Call& call, const forge::Project& project,
                                const std::string& suffix) {
  call.project(forge::Access::kReporter);
  const auto page = [&](const char* kind, forge::Id id) {
    return escaped("/" + project.full_path + "/-/" + kind + "/" + std::to_string(id) + suffix);
  };
  std::string rows;
  for (const ci::Environment& each : call.ci().environments(project.id)) {
    rows += "<tr><td>" + escaped(each.name) + "</td><td>" + escaped(each.state) + "</td><td>" +
            escaped(each.tier) + "</td><td>" + link_out(each.url) + "</td>";
    const auto job = each.last_job ? call.ci().job(*each.last_job) : std::nullopt;
    const auto pipeline = job ? call.ci().pipeline(job->pipeline) : std::nullopt;
    if (pipeline) {
      rows += "<td>" + badge(job->status) + " <a href=\"" + page("jobs", job->id) + "\">" +
              escaped(job->name()) + "</a></td><td>" + escaped(pipeline->ref) + " <code>" +
              escaped(pipeline->sha.substr(0, 8)) + "</code></td>";
    } else {
      rows += "<td></td><td></td>";
    }
    rows += "<td>" + time_text(each.updated) + "</td></tr>";
  }
  const std::string body =
      rows.empty() ? "<p>No job has named an environment yet.</p>"
                   : "<table><tr><th>Environment</th><th>State</th><th>Tier</th><th>Address</th>"
                     "<th>Last deployment</th><th>Commit</th><th>Changed</th></tr>" +
                         rows + "</table>";
  return html_response(200, "Environments of " + project.full_path, body, false);
}

}  // namespace slipway::gitlab
