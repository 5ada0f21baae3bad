#include <algorithm>

#include "base/strings.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using forge::Namespace;

bool visible(const Call& call, const Namespace& space) {
  if (call.access(space) > Access::kNone) return true;
  if (space.kind == "user") return false;
  return space.visibility == forge::Visibility::kPublic ||
         (space.visibility == forge::Visibility::kInternal && call.identity);
}

bool found_by(const Namespace& space, const std::string& search) {
  return search.empty() || base::lower(space.name).find(search) != std::string::npos ||
         base::lower(space.full_path).find(search) != std::string::npos;
}

std::vector<Namespace> visible_spaces(const Call& call, std::string_view kind,
                                      std::optional<forge::Id> parent) {
  const std::string search = base::lower(call.parameters.text("search"));
  auto all = call.forge().spaces();
  std::erase_if(all, [&](const Namespace& space) {
    if (!kind.empty() && space.kind != kind) return true;
    if (parent && space.parent != parent) return true;
    return !found_by(space, search) || !visible(call, space);
  });
  std::sort(all.begin(), all.end(),
            [](const Namespace& a, const Namespace& b) { return a.full_path < b.full_path; });
  return all;
}

net::Response groups(Call& call) {
  auto all = visible_spaces(call, "group", std::nullopt);
  if (call.parameters.boolean("top_level_only", false))
    std::erase_if(all, [](const Namespace& group) { return group.parent.has_value(); });
  Presenter present = presenter(call);
  return list(call, all, [&](const Namespace& group) { return present.group(group); });
}

net::Response subgroups(Call& call) {
  const Namespace parent = call.group();
  Presenter present = presenter(call);
  return list(call, visible_spaces(call, "group", parent.id),
              [&](const Namespace& group) { return present.group(group); });
}

net::Response group(Call& call) {
  const Namespace found = call.group();
  Presenter present = presenter(call);
  Json all = present.group(found);
  if (!call.parameters.boolean("with_projects", true)) return json(200, all);
  Json projects = Json::array();
  for (const forge::Project& project : call.forge().projects()) {
    if (project.space != found.id || projects.size() >= 100) continue;
    if (call.forge().can_read(call.identity ? &*call.identity : nullptr, project))
      projects.push_back(present.project(project, /*simple=*/true));
  }
  all["projects"] = projects;
  all["shared_projects"] = Json::array();
  return json(200, all);
}

net::Response create_group(Call& call) {
  if (call.user().only_project) forbidden();
  call.parameters.require({"name", "path"});
  Namespace wanted;
  wanted.name = call.parameters.text("name");
  wanted.path = call.parameters.text("path");
  wanted.kind = "group";
  wanted.description = call.parameters.text("description");
  wanted.visibility = *forge::visibility_of(
      call.parameters.one_of("visibility", {"private", "internal", "public"}, "private"));
  wanted.created = call.services.clock.now();
  if (const auto parent = call.parameters.integer("parent_id")) {
    const auto space = call.forge().space(*parent);
    if (!space || space->kind != "group" || !visible(call, *space)) not_found("Group");
    if (call.access(*space) < Access::kMaintainer) forbidden();
    wanted.parent = *parent;
  }
  const Namespace made = call.forge().create_group(std::move(wanted), call.user().user.id);
  return json(201, presenter(call).group(made));
}

net::Response remove_group(Call& call) {
  const Namespace group = call.group(forge::Access::kOwner);
  const auto before = call.forge().projects();
  call.forge().remove_group(group.id);
  for (const forge::Project& project : before) {
    if (!call.forge().project(project.id)) call.ci().project_removed(project.id);
  }
  return accepted();
}

net::Response group_projects(Call& call) {
  const Namespace group = call.group();
  const bool below = call.parameters.boolean("include_subgroups", false);
  const std::string search = base::lower(call.parameters.text("search"));
  const bool simple = call.parameters.boolean("simple", false);
  auto all = call.forge().projects();
  std::erase_if(all, [&](const forge::Project& project) {
    const bool inside = project.space == group.id ||
                        (below && project.full_path.starts_with(group.full_path + "/"));
    if (!inside) return true;
    if (!search.empty() && base::lower(project.name).find(search) == std::string::npos &&
        base::lower(project.path).find(search) == std::string::npos)
      return true;
    return !call.forge().can_read(call.identity ? &*call.identity : nullptr, project);
  });
  std::reverse(all.begin(), all.end());
  Presenter present = presenter(call);
  return list(call, all,
              [&](const forge::Project& project) { return present.project(project, simple); });
}

net::Response namespaces(Call& call) {
  const Presenter present = presenter(call);
  return list(call, visible_spaces(call, "", std::nullopt),
              [&](const Namespace& space) { return present.space(space); });
}

net::Response one_namespace(Call& call) {
  const std::string& id = call.value("id");
  const auto number = base::parse_integer(id);
  const auto found = number ? call.forge().space(*number) : call.forge().space_at(id);
  if (!found || !visible(call, *found)) not_found("Namespace");
  return json(200, presenter(call).space(*found));
}

constexpr Route kRoutes[] = {
    {"GET", "/groups", Who::kAnyone, Scope::kReadApi, groups},
    {"POST", "/groups", Who::kUser, Scope::kApi, create_group},
    {"GET", "/groups/:id", Who::kAnyone, Scope::kReadApi, group},
    {"DELETE", "/groups/:id", Who::kUser, Scope::kApi, remove_group},
    {"GET", "/groups/:id/projects", Who::kAnyone, Scope::kReadApi, group_projects},
    {"GET", "/groups/:id/subgroups", Who::kAnyone, Scope::kReadApi, subgroups},
    {"GET", "/namespaces", Who::kUser, Scope::kReadApi, namespaces},
    {"GET", "/namespaces/:id", Who::kUser, Scope::kReadApi, one_namespace},
};

}  // namespace

std::vector<Route> group_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
