#include <algorithm>
#include <array>

#include "base/strings.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using forge::Project;

// Settings that are kept and shown, and have an effect only where CI reads them.
constexpr std::array kKeptBooleans{"public_jobs",
                                   "shared_runners_enabled",
                                   "ci_forward_deployment_enabled",
                                   "ci_job_token_scope_enabled",
                                   "ci_push_repository_for_job_token_allowed",
                                   "keep_latest_artifact",
                                   "only_allow_merge_if_pipeline_succeeds"};
constexpr std::array kKeptTexts{"build_git_strategy", "auto_cancel_pending_pipelines",
                                "build_coverage_regex", "merge_method",
                                "ci_pipeline_variables_minimum_override_role"};
constexpr std::array kKeptNumbers{"ci_default_git_depth"};

bool can_read(const Call& call, const Project& project) {
  return call.forge().can_read(call.identity ? &*call.identity : nullptr, project);
}

bool wanted(const Call& call, const Project& project) {
  const Parameters& given = call.parameters;
  const std::string search = base::lower(given.text("search"));
  if (!search.empty() && base::lower(project.name).find(search) == std::string::npos &&
      base::lower(given.boolean("search_namespaces", false) ? project.full_path : project.path)
              .find(search) == std::string::npos)
    return false;
  if (const auto archived = given.optional_boolean("archived");
      archived && *archived != project.archived)
    return false;
  const auto visibility = given.optional_text("visibility");
  if (visibility && *visibility != forge::text(project.visibility)) return false;
  if (given.boolean("owned", false) && (!call.identity || call.access(project) < Access::kOwner))
    return false;
  if (given.boolean("membership", false) && call.access(project) == Access::kNone) return false;
  const auto least = given.integer("min_access_level");
  if (least && static_cast<int>(call.access(project)) < *least) return false;
  if (const auto id = given.integer("id_after"); id && project.id <= *id) return false;
  if (const auto id = given.integer("id_before"); id && project.id >= *id) return false;
  return can_read(call, project);
}

void sort_projects(const Parameters& given, std::vector<Project>& all) {
  const std::string by = given.one_of(
      "order_by", {"id", "name", "path", "created_at", "updated_at", "last_activity_at"},
      "created_at");
  const bool ascending = given.one_of("sort", {"asc", "desc"}, "desc") == "asc";
  std::stable_sort(all.begin(), all.end(), [&](const Project& a, const Project& b) {
    const Project& first = ascending ? a : b;
    const Project& second = ascending ? b : a;
    if (by == "name") return base::lower(first.name) < base::lower(second.name);
    if (by == "path") return first.path < second.path;
    if (by == "last_activity_at" || by == "updated_at")
      return std::pair(first.last_activity, first.id) < std::pair(second.last_activity, second.id);
    return first.id < second.id;
  });
}

net::Response list_of(Call& call, std::vector<Project> all) {
  std::erase_if(all, [&](const Project& project) { return !wanted(call, project); });
  sort_projects(call.parameters, all);
  const bool simple = call.parameters.boolean("simple", false) || !call.identity;
  Presenter present = presenter(call);
  return list(call, all, [&](const Project& project) { return present.project(project, simple); });
}

net::Response projects(Call& call) { return list_of(call, call.forge().projects()); }

net::Response user_projects(Call& call) {
  const auto number = base::parse_integer(call.value("user_id"));
  const auto user =
      number ? call.forge().user(*number) : call.forge().user_named(call.value("user_id"));
  if (!user) not_found("User");
  const auto own = call.forge().space_at(user->username);
  auto all = call.forge().projects();
  std::erase_if(all, [&](const Project& project) { return !own || project.space != own->id; });
  return list_of(call, std::move(all));
}

net::Response project(Call& call) {
  return json(200, presenter(call).project(call.project(), /*simple=*/!call.identity));
}

std::chrono::seconds timeout_from(std::int64_t seconds) {
  if (seconds < 600 || seconds > 2'678'400)
    throw Error(
        "Invalid", "400 Bad request", 400,
        Json{{"build_timeout", Json::array({"needs to be between 10 minutes and 1 month"})}});
  return std::chrono::seconds(seconds);
}

// What create and edit have in common.
void apply(const Parameters& given, Project& project) {
  project.description = given.text("description", project.description);
  project.default_branch = given.text("default_branch", project.default_branch);
  project.ci_config_path = given.text("ci_config_path", project.ci_config_path);
  const std::string visibility = given.one_of("visibility", {"private", "internal", "public"},
                                              forge::text(project.visibility));
  project.visibility = *forge::visibility_of(visibility);
  if (const auto seconds = given.integer("build_timeout"))
    project.build_timeout = timeout_from(*seconds);
  for (const char* name : kKeptBooleans) {
    if (const auto value = given.optional_boolean(name)) project.settings[name] = *value;
  }
  // An older name of the same setting.
  if (const auto value = given.optional_boolean("public_builds"))
    project.settings["public_jobs"] = *value;
  for (const char* name : kKeptTexts) {
    if (const auto value = given.optional_text(name)) project.settings[name] = *value;
  }
  for (const char* name : kKeptNumbers) {
    if (const auto value = given.integer(name)) project.settings[name] = *value;
  }
}

forge::Id space_for(const Call& call) {
  const auto id = call.parameters.integer("namespace_id");
  if (!id) {
    const auto own = call.forge().space_at(call.user().user.username);
    return own ? own->id : 0;
  }
  const auto space = call.forge().space(*id);
  const auto refused = [](const char* field, const char* text) {
    throw Error("Invalid", "400 Bad request", 400, Json{{field, Json::array({text})}});
  };
  if (!space) refused("namespace", "is not valid");
  if (call.access(*space) < Access::kDeveloper) refused("namespace", "is not valid");
  return space->id;
}

net::Response create_project(Call& call) {
  const Parameters& given = call.parameters;
  if (call.user().only_project) forbidden();  // and not one beside it
  if (!given.has("name") && !given.has("path"))
    refuse_parameter("name, path are missing, at least one parameter must be provided");
  Project wanted;
  wanted.name = given.text("name", given.text("path"));
  wanted.path = given.text("path");
  if (wanted.path.empty()) wanted.path = base::replace_all(base::lower(wanted.name), " ", "-");
  wanted.space = space_for(call);
  wanted.created = call.services.clock.now();
  apply(given, wanted);
  Project made = call.forge().create_project(std::move(wanted), call.user().user.id);
  if (given.boolean("initialize_with_readme", false)) {
    forge::CommitRequest first;
    first.branch = made.default_branch;
    first.message = "Initial commit";
    forge::FileChange readme;
    readme.path = "README.md";
    readme.content = "# " + made.name + "\n";
    first.changes.push_back(std::move(readme));
    call.forge().commit(call.user(), made.id, first);
    made = call.forge().project(made.id).value_or(made);
  }
  return json(201, presenter(call).project(made));
}

net::Response edit_project(Call& call) {
  const Parameters& given = call.parameters;
  Project project = call.project(Access::kMaintainer);
  const bool moves =
      (given.has("path") && given.text("path") != project.path) ||
      (given.has("visibility") && given.text("visibility") != forge::text(project.visibility));
  if (moves && call.access(project) < Access::kOwner) forbidden();
  const std::lock_guard lock(call.services.edits);
  project = call.forge().project(project.id).value_or(project);
  project.name = given.text("name", project.name);
  if (const auto path = given.optional_text("path"); path && *path != project.path) {
    project.full_path = project.namespace_path() + "/" + *path;
    project.path = *path;
  }
  const std::string branch = given.text("default_branch", project.default_branch);
  if (branch != project.default_branch &&
      !call.forge().repository(project.id).resolve("refs/heads/" + branch))
    bad_request("Could not change HEAD: branch '" + branch + "' does not exist");
  apply(given, project);
  call.forge().update_project(project);
  return json(200, presenter(call).project(call.forge().project(project.id).value_or(project)));
}

net::Response remove_project(Call& call) {
  const Project project = call.project(Access::kOwner);
  call.forge().remove_project(project.id);
  call.ci().project_removed(project.id);
  return accepted();
}

net::Response set_archived(Call& call, bool archived) {
  const forge::Id id = call.project(Access::kOwner).id;
  const std::lock_guard lock(call.services.edits);
  auto project = call.forge().project(id);
  if (!project) not_found("Project");
  project->archived = archived;
  call.forge().update_project(*project);
  return json(201, presenter(call).project(*project));
}
net::Response archive(Call& call) { return set_archived(call, true); }
net::Response unarchive(Call& call) { return set_archived(call, false); }

constexpr Route kRoutes[] = {
    {"GET", "/projects", Who::kAnyone, Scope::kReadApi, projects},
    {"POST", "/projects", Who::kUser, Scope::kApi, create_project},
    {"GET", "/projects/:id", Who::kAnyone, Scope::kReadApi, project},
    {"PUT", "/projects/:id", Who::kUser, Scope::kApi, edit_project},
    {"DELETE", "/projects/:id", Who::kUser, Scope::kApi, remove_project},
    {"POST", "/projects/:id/archive", Who::kUser, Scope::kApi, archive},
    {"POST", "/projects/:id/unarchive", Who::kUser, Scope::kApi, unarchive},
    {"GET", "/users/:user_id/projects", Who::kAnyone, Scope::kReadApi, user_projects},
};

}  // namespace

std::vector<Route> project_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
