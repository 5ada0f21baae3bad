#include "gitlab/pages.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "ci/decide.h"
#include "gitlab/artifacts.h"
#include "gitlab/environments_page.h"
#include "gitlab/failure.h"
#include "gitlab/html.h"
#include "gitlab/identify.h"
#include "gitlab/merge_request_page.h"
#include "gitlab/page_parts.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

constexpr std::size_t kMostTrace = 2u << 20;
constexpr int kPipelinesShown = 30;
constexpr std::string_view kMark = "/-/";

// What a page's path names.
struct Place {
  std::string project;             // "health/tumour"
  std::vector<std::string> parts;  // behind "/-/"
  bool is(std::initializer_list<std::string_view> pattern) const {
    if (pattern.size() != parts.size()) return false;
    return std::equal(pattern.begin(), pattern.end(), parts.begin(),
                      [](std::string_view wanted, const std::string& part) {
                        return wanted == "#" ? base::parse_integer(part).has_value()
                                             : wanted == part;
                      });
  }
};

std::optional<Place> place_of(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t mark = path.find(kMark);
  if (mark == std::string_view::npos || mark < 2) return std::nullopt;
  Place place;
  place.project = base::percent_decode(path.substr(1, mark - 1));
  place.parts = base::split(path.substr(mark + kMark.size()), '/');
  const bool known = place.is({"pipelines"}) || place.is({"pipelines", "#"}) ||
                     place.is({"jobs", "#"}) || place.is({"jobs", "#", "raw"}) ||
                     place.is({"jobs", "#", "artifacts", "download"}) ||
                     place.is({"merge_requests", "#"}) || place.is({"environments"});
  return known ? std::optional(place) : std::nullopt;
}

net::Response login_wanted() {
  net::Response response =
      html_response(401, "Log in",
                    "<p>Log in with any user name and an access token as the password; on the "
                    "server's machine <code>slipway env</code> prints one as GITLAB_TOKEN.</p>",
                    false);
  response.headers.set("WWW-Authenticate", "Basic realm=\"GitLab\", charset=\"UTF-8\"");
  return response;
}

std::optional<forge::Identity> visitor(const Services& services, const net::RequestHead& head,
                                       const Parameters& parameters) {
  std::optional<forge::Identity> found;
  if (const auto login = basic_login(head.headers)) {
    found = services.forge.authenticate(login->first, login->second);
  } else {
    found = identify(services.forge, head.headers, parameters);
  }
  if (!found || found->kind == forge::TokenKind::kJob) return std::nullopt;
  if (found->kind == forge::TokenKind::kAccess && !found->may("read_api")) return std::nullopt;
  return found;
}

std::string times(const ci::Job& job, base::Millis now) {
  if (!job.started) return "";
  return duration_text(job.finished.value_or(now) - *job.started);
}

class Pages {
 public:
  explicit Pages(const Call& call)
      : call_(call), present_(presenter(call)), now_(call.services.clock.now()) {
    // Whoever came by an address with a token goes on with it.
    if (call.parameters.has("private_token"))
      suffix_ = "?private_token=" + base::percent_encode(call.parameters.text("private_token"));
  }

  const std::string& suffix() const { return suffix_; }

  net::Response pipelines(const forge::Project& project) {
    ci::PipelineFilter filter;
    filter.limit = kPipelinesShown;
    int total = 0;
    std::string rows;
    for (const ci::Pipeline& each : call_.ci().pipelines(project.id, filter, &total)) {
      rows += "<tr><td>" + badge(each.status) + "</td><td>" +
              link(path(project, "pipelines", each.id), "#" + std::to_string(each.id)) +
              "</td><td>" + escaped(each.ref) + "</td><td><code>" + escaped(each.sha.substr(0, 8)) +
              "</code></td><td>" + escaped(each.source) + "</td><td>" + time_text(each.created) +
              "</td></tr>";
    }
    std::string body =
        rows.empty() ? "<p>No pipeline yet.</p>"
                     : "<table><tr><th>Status</th><th>Pipeline</th><th>Ref</th><th>Commit</th>"
                       "<th>Source</th><th>Created</th></tr>" +
                           rows + "</table>";
    body += "<p>" + link("/" + project.full_path + "/-/environments", "Environments") + "</p>";
    return html_response(200, "Pipelines of " + project.full_path, body, false);
  }

  net::Response pipeline(const forge::Project& project, const ci::Pipeline& pipeline) {
    const Json commit = present_.commit(project, pipeline.sha);
    std::string body = "<p>" + badge(pipeline.status) + " <code>" +
                       escaped(pipeline.sha.substr(0, 8)) + "</code> " +
                       escaped(base::text_or(commit, "title")) + "</p>" + facts(pipeline);
    for (std::size_t i = 0; i < pipeline.yaml_errors.size(); ++i) {
      const std::string place =
          i < pipeline.yaml_error_places.size() ? pipeline.yaml_error_places[i] : std::string();
      body += "<p class=\"error\">" + escaped(place.empty() ? "" : place + ": ") +
              escaped(pipeline.yaml_errors[i]) + "</p>";
    }
    const auto jobs = call_.ci().jobs_of(pipeline.id);
    body += "<div class=\"stages\">";
    for (const std::string& stage : stages_of(pipeline, jobs)) {
      body += "<section><h2>" + escaped(stage) + "</h2><ul>";
      for (const ci::Job& job : jobs) {
        if (job.stage() == stage) body += "<li>" + job_line(project, job) + "</li>";
      }
      body += "</ul></section>";
    }
    body += "</div><p>" + link("/" + project.full_path + "/-/pipelines", "All pipelines") + "</p>";
    return html_response(200, project.full_path + " pipeline #" + std::to_string(pipeline.id), body,
                         !ci::is_complete(pipeline.status));
  }

  net::Response job(const forge::Project& project, const ci::Job& job) {
    std::string body = "<p>" + badge(job.status) + " " + escaped(job.stage()) + " " +
                       times(job, now_) + " " +
                       link(path(project, "pipelines", job.pipeline),
                            "pipeline #" + std::to_string(job.pipeline)) +
                       "</p>";
    if (!job.failure_reason.empty()) {
      body += "<p class=\"error\">" + escaped(job.failure_reason) +
              (job.failure_message.empty() ? "" : ": " + escaped(job.failure_message)) + "</p>";
    }
    if (const std::string why = why_stuck(job); !why.empty())
      body += "<p class=\"error\">This job is stuck: " + escaped(why) + "</p>";
    for (const ci::Artifact& artifact : job.artifacts) {
      if (artifact.type != "archive") continue;
      body += "<p>" + link(path(project, "jobs", job.id) + "/artifacts/download", "artifacts.zip") +
              " " + std::to_string(artifact.size) + " bytes</p>";
    }
    const std::uint64_t from = job.trace_size > kMostTrace ? job.trace_size - kMostTrace : 0;
    const std::string trace = call_.ci().trace_from(job.id, from, kMostTrace);
    if (from > 0)
      body += "<p>The last " + std::to_string(kMostTrace >> 20) +
              " MiB of the log; all of it: " + link(path(project, "jobs", job.id) + "/raw", "raw") +
              "</p>";
    else if (!trace.empty())
      body += "<p>" + link(path(project, "jobs", job.id) + "/raw", "Raw log") + "</p>";
    body += "<div class=\"trace\">" + trace_html(trace) + "</div>";
    return html_response(200, job.name() + " #" + std::to_string(job.id), body,
                         !ci::is_complete(job.status));
  }

 private:
  std::string why_stuck(const ci::Job& job) {
    if (job.status != ci::Status::kPending || job.is_bridge()) return "";
    const auto pipeline = call_.ci().pipeline(job.pipeline);
    return ci::why_stuck(call_.ci().queue().runners(), job,
                         pipeline && base::boolean_or(pipeline->context, "protected", false));
  }

  static std::string path(const forge::Project& project, const std::string& kind, forge::Id id) {
    return "/" + project.full_path + "/-/" + kind + "/" + std::to_string(id);
  }

  std::string link(const std::string& to, const std::string& text) const {
    return "<a href=\"" + escaped(to + suffix_) + "\">" + escaped(text) + "</a>";
  }

  // Another project's only where the visitor may see it.
  std::string pipeline_link(const ci::Pipeline& pipeline) const {
    const auto project = call_.forge().project(pipeline.project);
    if (!project || !call_.forge().can_read(&*call_.identity, *project)) return "another project";
    return link(path(*project, "pipelines", pipeline.id),
                project->full_path + " #" + std::to_string(pipeline.id)) +
           " " + badge(pipeline.status);
  }

  std::string facts(const ci::Pipeline& pipeline) const {
    std::string text = "<p>" + escaped(pipeline.ref) + ", " + escaped(pipeline.source) + ", " +
                       time_text(pipeline.created);
    if (pipeline.started)
      text += ", " + duration_text(pipeline.finished.value_or(now_) - *pipeline.started);
    if (pipeline.upstream_job) {
      const auto bridge = call_.ci().job(*pipeline.upstream_job);
      const auto upstream = bridge ? call_.ci().pipeline(bridge->pipeline) : std::nullopt;
      if (upstream) text += ", made by " + pipeline_link(*upstream);
    }
    return text + "</p>";
  }

  std::string job_line(const forge::Project& project, const ci::Job& job) const {
    std::string text = badge(job.status) + " ";
    if (job.is_bridge()) {
      text += escaped(job.name());
      const auto made = job.downstream ? call_.ci().pipeline(*job.downstream) : std::nullopt;
      if (made) text += " &rarr; " + pipeline_link(*made);
    } else {
      text += link(path(project, "jobs", job.id), job.name());
    }
    const std::string took = times(job, now_);
    return took.empty() ? text : text + " <small>" + took + "</small>";
  }

  // In the pipeline's order; one that only the jobs know comes last.
  static std::vector<std::string> stages_of(const ci::Pipeline& pipeline,
                                            const std::vector<ci::Job>& jobs) {
    std::vector<std::string> all;
    const auto used = [&](const std::string& stage) {
      return std::any_of(jobs.begin(), jobs.end(),
                         [&](const ci::Job& job) { return job.stage() == stage; });
    };
    for (const std::string& stage : pipeline.stages) {
      if (used(stage)) all.push_back(stage);
    }
    for (const ci::Job& job : jobs) {
      if (std::find(all.begin(), all.end(), job.stage()) == all.end()) all.push_back(job.stage());
    }
    return all;
  }

  const Call& call_;
  Presenter present_;
  const base::Millis now_;
  std::string suffix_;
};

net::Response page(Services& services, const net::RequestHead& head) {
  if (head.method != "GET" && head.method != "HEAD")
    return html_response(405, "Not allowed", "<p>This page can only be looked at.</p>", false);
  const auto place = place_of(head.path());
  if (!place) not_found();
  Json query = Json::object();
  for (auto& [name, value] : base::parse_query(head.query())) query[name] = value;
  net::Request request;
  static_cast<net::RequestHead&>(request) = head;
  Parameters parameters(std::move(query));
  auto identity = visitor(services, head, parameters);
  if (!identity) return login_wanted();
  Call call{
      services, request, std::move(parameters), {{"id", place->project}}, std::move(identity)};
  const forge::Project project = call.project_with_jobs();
  Pages pages(call);
  if (place->is({"pipelines"})) return pages.pipelines(project);
  if (place->is({"environments"})) return environments_page(call, project, pages.suffix());
  if (place->parts.front() == "merge_requests") {
    call.path["iid"] = place->parts[1];
    return merge_request_page(call, project, pages.suffix());
  }
  if (place->parts.front() == "pipelines") {
    call.path["pipeline_id"] = place->parts[1];
    return pages.pipeline(project, call.pipeline(project));
  }
  call.path["job_id"] = place->parts[1];
  const ci::Job job = call.job(project);
  if (place->parts.back() != "download") call.require_trace(project, job);
  if (place->is({"jobs", "#"})) return pages.job(project, job);
  if (place->parts.back() == "download") return archive_response(call, job);
  net::Response raw = net::plain(200, call.ci().trace(job.id), "text/plain; charset=utf-8");
  raw.headers.set("X-Content-Type-Options", "nosniff");
  return raw;
}

}  // namespace

bool is_page(std::string_view path) { return place_of(path).has_value(); }

net::Response page_response(Services& services, const net::RequestHead& head) {
  try {
    return page(services, head);
  } catch (const Error& error) {
    if (error.code() == "Unauthorized") return login_wanted();
    const int status = failure_response(error).status;
    const std::string text =
        status >= 500 ? "Something went wrong on this server." : error.message();
    return html_response(status, std::to_string(status), "<p>" + escaped(text) + "</p>", false);
  }
}

}  // namespace slipway::gitlab
