#include "gitlab/call.h"

#include "base/strings.h"
#include "gitlab/names.h"

namespace slipway::gitlab {

using forge::Access;

void not_found(std::string_view what) {
  throw Error("NotFound", "404 " + (what.empty() ? "" : std::string(what) + " ") + "Not Found",
              404);
}

void forbidden(std::string_view reason) {
  throw Error("Forbidden", "403 Forbidden" + (reason.empty() ? "" : " - " + std::string(reason)),
              403);
}

void bad_request(std::string_view reason) {
  throw Error("Invalid", "400 Bad request - " + std::string(reason), 400);
}

void unauthorized() { throw Error("Unauthorized", "401 Unauthorized", 401); }

net::Response json(int status, const Json& body) {
  return net::plain(status, base::dump_json(body), "application/json");
}

net::Response no_content() {
  net::Response response;
  response.status = 204;
  return response;
}

net::Response accepted() { return json(202, Json{{"message", "202 Accepted"}}); }

net::Response page_of(const Call& call, const Json& items, const PageRequest& page,
                      std::int64_t total) {
  net::Response response = json(200, items);
  add_page_headers(response.headers, page, total,
                   call.services.url() + std::string(call.request.path()), call.request.query());
  return response;
}

forge::Id Call::number(const std::string& name) const {
  const auto number = base::parse_integer(value(name));
  if (!number) not_found();
  return *number;
}

const forge::Identity& Call::user() const {
  if (!identity) unauthorized();
  return *identity;
}

bool Call::is_admin() const {
  return identity && identity->user.admin && identity->kind != forge::TokenKind::kJob &&
         !identity->only_project;
}

Access Call::access(const forge::Project& project) const {
  return identity ? forge().access(*identity, project) : Access::kNone;
}

forge::Project Call::project(Access least) const { return project_named(value("id"), least); }

forge::Project Call::project_named(const std::string& id_or_path, Access least) const {
  const auto number = base::parse_integer(id_or_path);
  const auto project = number ? forge().project(*number) : forge().project_at(id_or_path);
  if (!project || !forge().can_read(identity ? &*identity : nullptr, *project))
    not_found("Project");
  if (least > Access::kNone && access(*project) < least) {
    if (!identity) unauthorized();
    forbidden();
  }
  return *project;
}

forge::Project Call::project_with_jobs() const {
  forge::Project found = project();
  if (!base::boolean_or(found.settings, "public_jobs", true) && access(found) < Access::kReporter) {
    if (!identity) unauthorized();
    forbidden();
  }
  return found;
}

forge::Project Call::project_with_code() const {
  forge::Project found = project();
  require_code(found);
  return found;
}

void Call::require_code(const forge::Project& project) const {
  const bool open = project.visibility == forge::Visibility::kPublic ||
                    (project.visibility == forge::Visibility::kInternal && identity);
  if (open || access(project) >= Access::kReporter) return;
  if (!identity) unauthorized();
  forbidden();
}

void Call::require_trace(const forge::Project& project, const ci::Job& job) const {
  if (!job.debug_trace || access(project) >= Access::kDeveloper) return;
  if (!identity) unauthorized();
  forbidden();
}

void Call::require_run(const forge::Project& project, const std::string& ref, bool tag) const {
  const std::string full = (tag ? "refs/tags/" : "refs/heads/") + ref;
  if (forge().is_protected(project, full) && !forge().can_push(user(), project, full)) forbidden();
}

Access Call::access(const forge::Namespace& space) const {
  if (!identity || identity->kind == forge::TokenKind::kJob || identity->only_project)
    return Access::kNone;
  if (identity->user.admin) return Access::kOwner;
  if (space.kind == "user")
    return space.path == identity->user.username ? Access::kOwner : Access::kNone;
  Access highest = Access::kNone;
  std::optional<forge::Namespace> at = space;
  for (int level = 0; at && level < 32; ++level) {
    for (const forge::Member& member : forge().members(at->id, /*of_project=*/false)) {
      if (member.user.id == identity->user.id) highest = std::max(highest, member.access);
    }
    at = at->parent ? forge().space(*at->parent) : std::nullopt;
  }
  return highest;
}

forge::Namespace Call::group(Access least) const {
  const std::string& id = value("id");
  const auto number = base::parse_integer(id);
  const auto found = number ? forge().space(*number) : forge().space_at(id);
  if (!found || found->kind != "group") not_found("Group");
  const Access mine = access(*found);
  const bool visible = mine > Access::kNone || found->visibility == forge::Visibility::kPublic ||
                       (found->visibility == forge::Visibility::kInternal && identity);
  if (!visible) not_found("Group");
  if (mine < least) {
    if (!identity) unauthorized();
    forbidden();
  }
  return *found;
}

ci::Pipeline Call::pipeline(const forge::Project& project) const {
  auto found = ci().pipeline(number("pipeline_id"));
  if (!found || found->project != project.id) not_found("Pipeline");
  return *found;
}

ci::Job Call::job(const forge::Project& project) const {
  auto found = ci().job(number("job_id"));
  if (!found || found->project != project.id) not_found();
  return *found;
}

std::string Call::commit_id(const forge::Project& project, const std::string& name) const {
  const auto id = forge().repository(project.id).resolve(name);
  if (!id) not_found("Commit");
  return *id;
}

}  // namespace slipway::gitlab
