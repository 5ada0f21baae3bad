#pragma once

// The forge's tables. Paths are unique without regard to case, as on GitLab; ids are never used
// twice.
//
//   forge_counters   name | next
//   forge_users      id | username, name_key, name, email, admin, created
//   forge_tokens     id | digest (SHA-256), name, user_id, project_id, scopes, created, expires,
//                    last_used, revoked
//   forge_spaces     id | name, path, full_path, path_key, kind, parent, owner_id, description,
//                    visibility, created
//   forge_projects   id | path, full_path, path_key, space_id, creator, created, last_activity,
//                    document (what else there is, as JSON)
//   forge_members    target_id, of_project, user_id | access
//   forge_protected  project_id, tag, name | push, merge, force_push
//   forge_pushes     id | what push_ledger.h says

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forge/types.h"
#include "store/database.h"

namespace slipway::forge {

using store::Reader;
using store::Transaction;

void migrate_forge(store::Database& database);
Id next_id(Transaction& transaction, const std::string& counter);

void insert_user(Transaction& transaction, const User& user);
std::optional<User> find_user(Reader& reader, Id id);
std::optional<User> find_user_named(Reader& reader, std::string_view username);
std::vector<User> all_users(Reader& reader);

void insert_token(Transaction& transaction, const AccessToken& token, const std::string& digest);
std::optional<AccessToken> find_token(Reader& reader, const std::string& digest);
std::vector<AccessToken> tokens_of(Reader& reader, Id user);
void revoke(Transaction& transaction, Id token);
void note_use(Transaction& transaction, Id token, base::Millis at);

void insert_space(Transaction& transaction, const Namespace& space, Id owner);
std::optional<Namespace> find_space(Reader& reader, Id id);
std::optional<Namespace> find_space_at(Reader& reader, std::string_view full_path);
std::vector<Namespace> all_spaces(Reader& reader);
std::optional<Namespace> space_of_user(Reader& reader, Id user);
bool owns_space(Reader& reader, Id user, Id space);
// The namespace and all above it.
std::vector<Id> lineage(Reader& reader, Id space);
// The group and all below it.
std::vector<Id> descendants(Reader& reader, Id space);
void remove_space(Transaction& transaction, Id id);

// Whether a namespace or a project has this full path.
bool path_taken(Reader& reader, std::string_view full_path);
void insert_project(Transaction& transaction, const Project& project);
// All but id, creator and creation.
void store_project(Transaction& transaction, const Project& project);
std::optional<Project> find_project(Reader& reader, Id id);
std::optional<Project> find_project_at(Reader& reader, std::string_view full_path);
std::vector<Project> all_projects(Reader& reader);
std::vector<Id> projects_in(Reader& reader, Id space);
void remove_project(Transaction& transaction, Id id);
void note_activity(Transaction& transaction, Id project, base::Millis at);

// kNone removes.
void set_member(Transaction& transaction, Id target, bool of_project, Id user, Access access);
std::vector<Member> members_of(Reader& reader, Id target, bool of_project);
Access member_access(Reader& reader, Id target, bool of_project, Id user);

std::vector<ProtectedRef> protected_refs_of(Reader& reader, Id project);
void store_protected_ref(Transaction& transaction, Id project, const ProtectedRef& ref);
bool remove_protected_ref(Transaction& transaction, Id project, const std::string& name, bool tag);

}  // namespace slipway::forge
