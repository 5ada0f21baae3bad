#include <algorithm>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;
using forge::ProtectedRef;

Access level_of(const Parameters& given, const char* name, Access otherwise) {
  const auto number = given.integer(name);
  if (!number) return otherwise;
  if (*number != 0 && *number != 30 && *number != 40 && *number != 60)
    refuse_parameter(std::string(name) + " does not have a valid value");
  return *number == 60 ? Access::kOwner : static_cast<Access>(*number);
}

std::vector<ProtectedRef> refs_of(const Call& call, const forge::Project& project, bool tag) {
  auto all = call.forge().protected_refs(project.id);
  std::erase_if(all, [&](const ProtectedRef& ref) { return ref.tag != tag; });
  const std::string search = call.parameters.text("search");
  std::erase_if(
      all, [&](const ProtectedRef& ref) { return ref.name.find(search) == std::string::npos; });
  return all;
}

ProtectedRef one(const Call& call, const forge::Project& project, bool tag) {
  for (const ProtectedRef& ref : call.forge().protected_refs(project.id)) {
    if (ref.tag == tag && ref.name == call.value("name")) return ref;
  }
  not_found();
}

net::Response list_refs(Call& call, bool tag) {
  const forge::Project project = call.project(Access::kDeveloper);
  const Presenter present = presenter(call);
  return list(call, refs_of(call, project, tag),
              [&](const ProtectedRef& ref) { return present.protected_ref(ref); });
}
net::Response branches(Call& call) { return list_refs(call, false); }
net::Response tags(Call& call) { return list_refs(call, true); }

net::Response show(Call& call, bool tag) {
  const forge::Project project = call.project(Access::kDeveloper);
  return json(200, presenter(call).protected_ref(one(call, project, tag)));
}
net::Response branch(Call& call) { return show(call, false); }
net::Response tag(Call& call) { return show(call, true); }

net::Response add(Call& call, ProtectedRef ref) {
  const forge::Project project = call.project(Access::kMaintainer);
  for (const ProtectedRef& each : call.forge().protected_refs(project.id)) {
    if (each.tag == ref.tag && each.name == ref.name)
      throw Error("Conflict",
                  "Protected " + std::string(ref.tag ? "tag" : "branch") + " '" + ref.name +
                      "' already exists",
                  409);
  }
  call.forge().protect(project.id, ref);
  return json(201, presenter(call).protected_ref(ref));
}

net::Response add_branch(Call& call) {
  ProtectedRef ref;
  ref.name = call.parameters.required("name");
  ref.push = level_of(call.parameters, "push_access_level", Access::kMaintainer);
  ref.merge = level_of(call.parameters, "merge_access_level", Access::kMaintainer);
  ref.force_push = call.parameters.boolean("allow_force_push", false);
  return add(call, ref);
}

net::Response add_tag(Call& call) {
  ProtectedRef ref;
  ref.tag = true;
  ref.name = call.parameters.required("name");
  ref.push = level_of(call.parameters, "create_access_level", Access::kMaintainer);
  return add(call, ref);
}

net::Response edit_branch(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  ProtectedRef ref = one(call, project, false);
  ref.force_push = call.parameters.boolean("allow_force_push", ref.force_push);
  ref.push = level_of(call.parameters, "push_access_level", ref.push);
  ref.merge = level_of(call.parameters, "merge_access_level", ref.merge);
  call.forge().protect(project.id, ref);
  return json(200, presenter(call).protected_ref(ref));
}

net::Response drop(Call& call, bool tag) {
  const forge::Project project = call.project(Access::kMaintainer);
  call.forge().unprotect(project.id, one(call, project, tag).name, tag);
  return no_content();
}
net::Response drop_branch(Call& call) { return drop(call, false); }
net::Response drop_tag(Call& call) { return drop(call, true); }

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/protected_branches", Who::kUser, Scope::kReadApi, branches},
    {"POST", "/projects/:id/protected_branches", Who::kUser, Scope::kApi, add_branch},
    {"GET", "/projects/:id/protected_branches/*name", Who::kUser, Scope::kReadApi, branch},
    {"PATCH", "/projects/:id/protected_branches/*name", Who::kUser, Scope::kApi, edit_branch},
    {"DELETE", "/projects/:id/protected_branches/*name", Who::kUser, Scope::kApi, drop_branch},
    {"GET", "/projects/:id/protected_tags", Who::kUser, Scope::kReadApi, tags},
    {"POST", "/projects/:id/protected_tags", Who::kUser, Scope::kApi, add_tag},
    {"GET", "/projects/:id/protected_tags/*name", Who::kUser, Scope::kReadApi, tag},
    {"DELETE", "/projects/:id/protected_tags/*name", Who::kUser, Scope::kApi, drop_tag},
};

}  // namespace

std::vector<Route> protected_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
