// The forge's users, tokens, groups and members.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/forge.h"
#include "forge/limits.h"
#include "forge/refuse.h"
#include "forge/state.h"
#include "forge/store.h"

namespace slipway::forge {
namespace {

bool is_scope(const std::string& scope) {
  constexpr std::array<std::string_view, 14> kScopes = {
      "api",           "read_api",       "read_user",   "read_repository", "write_repository",
      "read_registry", "write_registry", "sudo",        "admin_mode",      "create_runner",
      "manage_runner", "ai_features",    "self_rotate", "k8s_proxy"};
  return std::find(kScopes.begin(), kScopes.end(), scope) != kScopes.end();
}

}  // namespace

User Forge::create_user(User user) {
  if (const auto problem = path_problem(user.username)) refuse("username", *problem);
  if (is_reserved(user.username)) refuse("username", "is a reserved name");
  if (user.name.empty()) user.name = user.username;
  if (user.email.empty()) user.email = user.username + "@localhost";
  if (user.name.size() > kLongestText || user.email.size() > kLongestText) {
    refuse("name", "is too long");
  }
  user.created = state_->clock.now();
  state_->database.write([&](Transaction& transaction) {
    if (find_user_named(transaction, user.username) || path_taken(transaction, user.username)) {
      throw Error("Conflict", "Username has already been taken", 409);
    }
    user.id = next_id(transaction, "users");
    insert_user(transaction, user);
    Namespace space;
    space.id = next_id(transaction, "spaces");
    space.name = user.name;
    space.path = space.full_path = user.username;
    space.kind = "user";
    space.created = user.created;
    insert_space(transaction, space, user.id);
  });
  return user;
}

std::optional<User> Forge::user(Id id) const {
  return state_->database.read([&](Reader& reader) { return find_user(reader, id); });
}

std::optional<User> Forge::user_named(std::string_view username) const {
  return state_->database.read([&](Reader& reader) { return find_user_named(reader, username); });
}

std::vector<User> Forge::users() const {
  return state_->database.read([](Reader& reader) { return all_users(reader); });
}

std::pair<AccessToken, std::string> Forge::create_token(AccessToken token) {
  if (base::trim(token.name).empty()) refuse("name", "can't be blank");
  if (token.name.size() > kLongestText) refuse("name", "is too long");
  if (token.scopes.empty()) refuse("scopes", "can't be blank");
  if (!std::all_of(token.scopes.begin(), token.scopes.end(), is_scope)) {
    refuse("scopes", "can only contain available scopes");
  }
  const base::Millis now = state_->clock.now();
  if (token.expires && *token.expires <= now) refuse("expires_at", "must be in the future");
  const std::string text = "glpat-" + base::random_text(20, kTokenAlphabet);
  token.created = now;
  token.last_used.reset();
  token.revoked = false;
  state_->database.write([&](Transaction& transaction) {
    if (!find_user(transaction, token.user)) throw_not_found("User");
    if (token.project && !find_project(transaction, *token.project)) throw_not_found("Project");
    token.id = next_id(transaction, "tokens");
    insert_token(transaction, token, token_digest(text));
  });
  return {token, text};
}

std::vector<AccessToken> Forge::tokens(Id user) const {
  return state_->database.read([&](Reader& reader) { return tokens_of(reader, user); });
}

void Forge::revoke_token(Id id) {
  state_->database.write([&](Transaction& transaction) { revoke(transaction, id); });
}

Namespace Forge::create_group(Namespace group, Id owner) {
  if (const auto problem = path_problem(group.path)) refuse("path", *problem);
  if (group.name.empty()) group.name = group.path;
  if (group.name.size() > kLongestText || group.description.size() > kLongestText) {
    refuse("name", "is too long");
  }
  if (!group.parent && is_reserved(group.path)) refuse("path", group.path + " is a reserved name");
  group.kind = "group";
  group.created = state_->clock.now();
  state_->database.write([&](Transaction& transaction) {
    group.full_path = group.path;
    if (group.parent) {
      const auto parent = find_space(transaction, *group.parent);
      if (!parent || parent->kind != "group") throw_not_found("Group");
      if (lineage(transaction, parent->id).size() >= kDeepestGroup) {
        refuse("parent", "has too many groups above it");
      }
      group.full_path = parent->full_path + "/" + group.path;
    }
    if (path_taken(transaction, group.full_path)) refuse("path", "has already been taken");
    if (owner != 0 && !find_user(transaction, owner)) throw_not_found("User");
    group.id = next_id(transaction, "spaces");
    insert_space(transaction, group, owner);
    if (owner != 0) forge::set_member(transaction, group.id, false, owner, Access::kOwner);
  });
  return group;
}

std::optional<Namespace> Forge::space(Id id) const {
  return state_->database.read([&](Reader& reader) { return find_space(reader, id); });
}

std::optional<Namespace> Forge::space_at(std::string_view full_path) const {
  return state_->database.read([&](Reader& reader) { return find_space_at(reader, full_path); });
}

std::vector<Namespace> Forge::spaces() const {
  return state_->database.read([](Reader& reader) { return all_spaces(reader); });
}

void Forge::remove_group(Id id) {
  std::vector<Id> projects;
  state_->database.write([&](Transaction& transaction) {
    const auto group = find_space(transaction, id);
    if (!group || group->kind != "group") throw_not_found("Group");
    for (const Id space : descendants(transaction, id)) {
      for (const Id project : projects_in(transaction, space)) {
        forge::remove_project(transaction, project);
        projects.push_back(project);
      }
      remove_space(transaction, space);
    }
  });
  for (const Id project : projects) state_->discard_repository(project);
}

void Forge::set_member(Id space_or_project, bool of_project, Id user, Access access) {
  state_->database.write([&](Transaction& transaction) {
    if (of_project ? !find_project(transaction, space_or_project).has_value()
                   : !find_space(transaction, space_or_project).has_value()) {
      throw_not_found(of_project ? "Project" : "Group");
    }
    if (!find_user(transaction, user)) throw_not_found("User");
    forge::set_member(transaction, space_or_project, of_project, user, access);
  });
}

std::vector<Member> Forge::members(Id space_or_project, bool of_project) const {
  return state_->database.read(
      [&](Reader& reader) { return members_of(reader, space_or_project, of_project); });
}

}  // namespace slipway::forge
