#include <algorithm>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

// A project or a group: both have members, by the same rules.
struct Body {
  forge::Id id = 0;
  bool project = false;
  Access mine = Access::kNone;
};

Body body_of(const Call& call, Access least) {
  if (call.request.path().starts_with("/api/v4/projects/")) {
    const forge::Project project = call.project(least);
    return {project.id, true, call.access(project)};
  }
  const forge::Namespace group = call.group(least);
  return {group.id, false, call.access(group)};
}

std::vector<forge::Member> direct(const Call& call, const Body& body) {
  return call.forge().members(body.id, body.project);
}

// With those of the groups above; of one user the highest role.
std::vector<forge::Member> inherited(const Call& call, const Body& body) {
  std::vector<forge::Member> all = direct(call, body);
  auto above = body.project ? call.forge().space(call.forge().project(body.id)->space)
                            : call.forge().space(body.id);
  for (int level = 0; above && level < 32; ++level) {
    for (const forge::Member& member : call.forge().members(above->id, /*of_project=*/false)) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const forge::Member& each) {
        return each.user.id == member.user.id;
      });
      if (known == all.end()) {
        all.push_back(member);
      } else {
        known->access = std::max(known->access, member.access);
      }
    }
    above = above->parent ? call.forge().space(*above->parent) : std::nullopt;
  }
  return all;
}

net::Response present(Call& call, const std::vector<forge::Member>& all) {
  const Presenter presented = presenter(call);
  return list(call, all, [&](const forge::Member& member) { return presented.member(member); });
}

net::Response members(Call& call) {
  return present(call, direct(call, body_of(call, Access::kNone)));
}
net::Response all_members(Call& call) {
  return present(call, inherited(call, body_of(call, Access::kNone)));
}

net::Response one_of(Call& call, const std::vector<forge::Member>& all, int status) {
  const forge::Id user = call.path.contains("user_id")
                             ? call.number("user_id")
                             : call.parameters.required_integer("user_id");
  for (const forge::Member& member : all) {
    if (member.user.id == user) return json(status, presenter(call).member(member));
  }
  not_found();
}
net::Response member(Call& call) {
  return one_of(call, direct(call, body_of(call, Access::kNone)), 200);
}
net::Response any_member(Call& call) {
  return one_of(call, inherited(call, body_of(call, Access::kNone)), 200);
}

Access level_from(const Call& call, const Body& body) {
  const auto number = call.parameters.required_integer("access_level");
  if (number != 10 && number != 20 && number != 30 && number != 40 && number != 50)
    refuse_parameter("access_level does not have a valid value");
  const auto level = static_cast<Access>(number);
  if (level > body.mine) forbidden();
  return level;
}

net::Response add(Call& call) {
  const Body body = body_of(call, Access::kMaintainer);
  call.parameters.require({"user_id", "access_level"});
  const forge::Id user = call.parameters.required_integer("user_id");
  const Access level = level_from(call, body);
  if (!call.forge().user(user)) not_found("User");
  for (const forge::Member& each : direct(call, body)) {
    if (each.user.id == user) throw Error("Conflict", "Member already exists", 409);
  }
  call.forge().set_member(body.id, body.project, user, level);
  return one_of(call, direct(call, body), 201);
}

// Nobody changes whoever is above.
void require_rank(const Call& call, const Body& body, forge::Id user) {
  for (const forge::Member& each : direct(call, body)) {
    if (each.user.id != user) continue;
    if (each.access > body.mine) forbidden();
    return;
  }
  not_found();
}

net::Response edit(Call& call) {
  const Body body = body_of(call, Access::kMaintainer);
  const forge::Id user = call.number("user_id");
  const Access level = level_from(call, body);
  require_rank(call, body, user);
  call.forge().set_member(body.id, body.project, user, level);
  return one_of(call, direct(call, body), 200);
}

net::Response remove(Call& call) {
  const forge::Id user = call.number("user_id");
  const bool leaves = call.user().user.id == user;
  const Body body = body_of(call, leaves ? Access::kNone : Access::kMaintainer);
  require_rank(call, body, user);
  call.forge().set_member(body.id, body.project, user, Access::kNone);
  return no_content();
}

constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/members", Who::kAnyone, Scope::kReadApi, members},
    {"GET", "/projects/:id/members/all", Who::kAnyone, Scope::kReadApi, all_members},
    {"GET", "/projects/:id/members/all/:user_id", Who::kAnyone, Scope::kReadApi, any_member},
    {"GET", "/projects/:id/members/:user_id", Who::kAnyone, Scope::kReadApi, member},
    {"POST", "/projects/:id/members", Who::kUser, Scope::kApi, add},
    {"PUT", "/projects/:id/members/:user_id", Who::kUser, Scope::kApi, edit},
    {"DELETE", "/projects/:id/members/:user_id", Who::kUser, Scope::kApi, remove},
    {"GET", "/groups/:id/members", Who::kAnyone, Scope::kReadApi, members},
    {"GET", "/groups/:id/members/all", Who::kAnyone, Scope::kReadApi, all_members},
    {"GET", "/groups/:id/members/:user_id", Who::kAnyone, Scope::kReadApi, member},
    {"POST", "/groups/:id/members", Who::kUser, Scope::kApi, add},
    {"PUT", "/groups/:id/members/:user_id", Who::kUser, Scope::kApi, edit},
    {"DELETE", "/groups/:id/members/:user_id", Who::kUser, Scope::kApi, remove},
};

}  // namespace

std::vector<Route> member_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
