#include <algorithm>

#include "base/ids.h"
#include "base/strings.h"
#include "gitlab/names.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

net::Response version(Call& call) {
  call.user();
  return json(200, {{"version", kVersion}, {"revision", kRevision}});
}

net::Response metadata(Call& call) {
  call.user();
  return json(200, {{"version", kVersion},
                    {"revision", kRevision},
                    {"kas",
                     {{"enabled", false},
                      {"externalUrl", nullptr},
                      {"externalK8sProxyUrl", nullptr},
                      {"version", nullptr}}},
                    {"enterprise", false}});
}

net::Response own_user(Call& call) { return json(200, presenter(call).own_user(call.user().user)); }

Json shown(const Call& call, const forge::User& user) {
  const bool own = call.identity && call.identity->user.id == user.id;
  return own || call.is_admin() ? presenter(call).own_user(user) : presenter(call).user(user);
}

net::Response users(Call& call) {
  call.user();
  const auto username = call.parameters.optional_text("username");
  const std::string search = base::lower(call.parameters.text("search"));
  std::vector<forge::User> all = call.forge().users();
  std::erase_if(all, [&](const forge::User& user) {
    if (username && !base::equals_ignoring_case(user.username, *username)) return true;
    return !search.empty() && base::lower(user.username).find(search) == std::string::npos &&
           base::lower(user.name).find(search) == std::string::npos &&
           base::lower(user.email) != search;
  });
  std::reverse(all.begin(), all.end());
  return list(call, all, [&](const forge::User& user) { return shown(call, user); });
}

net::Response user(Call& call) {
  const auto found = call.forge().user(call.number("user_id"));
  if (!found) not_found("User");
  return json(200, shown(call, *found));
}

net::Response create_user(Call& call) {
  call.parameters.require({"email", "name", "username"});
  forge::User user;
  user.email = call.parameters.text("email");
  user.name = call.parameters.text("name");
  user.username = call.parameters.text("username");
  user.admin = call.parameters.boolean("admin", false);
  user.created = call.services.clock.now();
  return json(201, presenter(call).own_user(call.forge().create_user(std::move(user))));
}

constexpr Route kRoutes[] = {
    {"GET", "/version", Who::kUser, Scope::kReadUser, version},
    {"GET", "/metadata", Who::kUser, Scope::kReadUser, metadata},
    {"GET", "/user", Who::kUser, Scope::kReadUser, own_user},
    {"GET", "/users", Who::kUser, Scope::kReadUser, users},
    {"GET", "/users/:user_id", Who::kUser, Scope::kReadUser, user},
    {"POST", "/users", Who::kAdmin, Scope::kApi, create_user},
};

}  // namespace

std::vector<Route> user_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
