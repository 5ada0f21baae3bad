#include <algorithm>
#include <array>

#include "base/ids.h"
#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

constexpr std::array<std::string_view, 5> kScopes{"api", "read_api", "read_user", "read_repository",
                                                  "write_repository"};

forge::AccessToken token_from(const Call& call) {
  call.parameters.require({"name", "scopes"});
  forge::AccessToken token;
  token.name = call.parameters.text("name");
  for (const std::string& scope : call.parameters.texts("scopes")) {
    if (std::find(kScopes.begin(), kScopes.end(), scope) == kScopes.end())
      refuse_parameter("scopes does not have a valid value");
    token.scopes.insert(scope);
  }
  if (token.scopes.empty()) refuse_parameter("scopes is empty");
  token.expires = call.parameters.time("expires_at");
  token.created = call.services.clock.now();
  if (token.expires && *token.expires <= token.created)
    throw Error("Invalid", "400 Bad request", 400,
                Json{{"expires_at", Json::array({"can't be in the past"})}});
  return token;
}

net::Response created(const Call& call, forge::AccessToken wanted, Json more = Json::object()) {
  const auto [token, text] = call.forge().create_token(std::move(wanted));
  Json all = presenter(call).access_token(token);
  all["token"] = text;
  all.update(more);
  return json(201, all);
}

// Tokens of a user that are its own, not those of a project.
std::vector<forge::AccessToken> personal(const Call& call, forge::Id user) {
  auto all = call.forge().tokens(user);
  std::erase_if(all, [](const forge::AccessToken& token) { return token.project.has_value(); });
  return all;
}

net::Response own_tokens(Call& call) {
  auto all = personal(call, call.user().user.id);
  const Presenter present = presenter(call);
  return list(call, all, [&](const auto& token) { return present.access_token(token); });
}

// The token that this request was sent with.
forge::AccessToken this_token(const Call& call) {
  const forge::Identity& identity = call.user();
  for (forge::AccessToken& token : call.forge().tokens(identity.user.id)) {
    if (token.id == identity.token) return std::move(token);
  }
  not_found("Personal access token");
}

net::Response show_this(Call& call) {
  return json(200, presenter(call).access_token(this_token(call)));
}

std::pair<forge::AccessToken, bool> token_of_path(const Call& call) {
  const forge::Id id = call.number("token_id");
  for (const forge::User& user : call.forge().users()) {
    if (user.id != call.user().user.id && !call.is_admin()) continue;
    for (const forge::AccessToken& token : call.forge().tokens(user.id)) {
      if (token.id == id) return {token, user.id == call.user().user.id};
    }
  }
  not_found("Personal access token");
}

net::Response token(Call& call) {
  return json(200, presenter(call).access_token(token_of_path(call).first));
}

// The user that a project's token was made with goes from its members together with it.
void revoke_whole(const Call& call, const forge::AccessToken& token) {
  call.forge().revoke_token(token.id);
  if (token.project)
    call.forge().set_member(*token.project, /*of_project=*/true, token.user, Access::kNone);
}

net::Response revoke_this(Call& call) {
  revoke_whole(call, this_token(call));
  return no_content();
}

net::Response revoke(Call& call) {
  revoke_whole(call, token_of_path(call).first);
  return no_content();
}

net::Response create_for_user(Call& call) {
  const auto user = call.forge().user(call.number("user_id"));
  if (!user) not_found("User");
  forge::AccessToken wanted = token_from(call);
  wanted.user = user->id;
  return created(call, std::move(wanted));
}

// A project's own token belongs to a user of its own, a member of this project alone.
net::Response create_for_project(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const auto level = static_cast<Access>(call.parameters.integer("access_level").value_or(40));
  const bool known = level == Access::kGuest || level == Access::kReporter ||
                     level == Access::kDeveloper || level == Access::kMaintainer ||
                     level == Access::kOwner;
  if (!known) refuse_parameter("access_level does not have a valid value");
  if (level > call.access(project)) forbidden();
  forge::AccessToken wanted = token_from(call);
  forge::User bot;
  bot.username = "project_" + std::to_string(project.id) + "_bot_" + base::random_hex(16);
  bot.name = wanted.name;
  bot.email = bot.username + "@noreply.localhost";
  bot.created = call.services.clock.now();
  bot = call.forge().create_user(std::move(bot));
  call.forge().set_member(project.id, /*of_project=*/true, bot.id, level);
  wanted.user = bot.id;
  wanted.project = project.id;
  return created(call, std::move(wanted), {{"access_level", static_cast<int>(level)}});
}

std::vector<std::pair<forge::AccessToken, Access>> tokens_of(const Call& call,
                                                             const forge::Project& project) {
  std::vector<std::pair<forge::AccessToken, Access>> all;
  for (const forge::Member& member : call.forge().members(project.id, /*of_project=*/true)) {
    for (const forge::AccessToken& each : call.forge().tokens(member.user.id)) {
      if (each.project == project.id && !each.revoked) all.emplace_back(each, member.access);
    }
  }
  return all;
}

Json project_token_json(const Call& call, const std::pair<forge::AccessToken, Access>& each) {
  Json all = presenter(call).access_token(each.first);
  all["access_level"] = static_cast<int>(each.second);
  return all;
}

net::Response project_tokens(Call& call) {
  return list(call, tokens_of(call, call.project(Access::kMaintainer)),
              [&](const auto& each) { return project_token_json(call, each); });
}

std::pair<forge::AccessToken, Access> project_token_of_path(const Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  const forge::Id id = call.number("token_id");
  for (auto& each : tokens_of(call, project)) {
    if (each.first.id == id) return each;
  }
  not_found();
}

net::Response project_token(Call& call) {
  return json(200, project_token_json(call, project_token_of_path(call)));
}

net::Response revoke_project_token(Call& call) {
  revoke_whole(call, project_token_of_path(call).first);
  return no_content();
}

constexpr Route kRoutes[] = {
    {"GET", "/personal_access_tokens", Who::kUser, Scope::kReadApi, own_tokens},
    {"GET", "/personal_access_tokens/self", Who::kUser, Scope::kReadApi, show_this},
    {"DELETE", "/personal_access_tokens/self", Who::kUser, Scope::kApi, revoke_this},
    {"GET", "/personal_access_tokens/:token_id", Who::kUser, Scope::kReadApi, token},
    {"DELETE", "/personal_access_tokens/:token_id", Who::kUser, Scope::kApi, revoke},
    {"POST", "/users/:user_id/personal_access_tokens", Who::kAdmin, Scope::kApi, create_for_user},
    {"GET", "/projects/:id/access_tokens", Who::kUser, Scope::kReadApi, project_tokens},
    {"POST", "/projects/:id/access_tokens", Who::kUser, Scope::kApi, create_for_project},
    {"GET", "/projects/:id/access_tokens/:token_id", Who::kUser, Scope::kReadApi, project_token},
    {"DELETE", "/projects/:id/access_tokens/:token_id", Who::kUser, Scope::kApi,
     revoke_project_token},
};

}  // namespace

std::vector<Route> token_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
