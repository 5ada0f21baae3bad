#include "forge/store.h"

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace slipway::forge {
namespace {

using store::Row;
using store::Value;

constexpr const char* kUser = "select id, username, name, email, admin, created from forge_users ";
constexpr const char* kToken =
    "select id, name, user_id, project_id, scopes, created, expires, last_used, revoked "
    "from forge_tokens ";

User user_of(const Row& row) {
  User user;
  user.id = row.integer(0);
  user.username = row.text(1);
  user.name = row.text(2);
  user.email = row.text(3);
  user.admin = row.integer(4) != 0;
  user.created = row.integer(5);
  return user;
}

Value optional_value(const std::optional<std::int64_t>& value) {
  return value ? Value(*value) : Value(nullptr);
}

std::optional<std::int64_t> optional_integer(const Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

std::string text_of_scopes(const std::set<std::string>& scopes) {
  return base::join({scopes.begin(), scopes.end()}, " ");
}

AccessToken token_of(const Row& row) {
  AccessToken token;
  token.id = row.integer(0);
  token.name = row.text(1);
  token.user = row.integer(2);
  token.project = optional_integer(row, 3);
  for (std::string& scope : base::split(row.text(4), ' ')) {
    if (!scope.empty()) token.scopes.insert(std::move(scope));
  }
  token.created = row.integer(5);
  token.expires = optional_integer(row, 6);
  token.last_used = optional_integer(row, 7);
  token.revoked = row.integer(8) != 0;
  return token;
}

template <class Result>
std::optional<Result> first(Reader& reader, const std::string& sql,
                            const std::vector<Value>& values, Result (*read)(const Row&)) {
  std::optional<Result> result;
  reader.query(sql, values, [&](const Row& row) {
    if (!result) result = read(row);
  });
  return result;
}

template <class Result>
std::vector<Result> all(Reader& reader, const std::string& sql, const std::vector<Value>& values,
                        Result (*read)(const Row&)) {
  std::vector<Result> results;
  reader.query(sql, values, [&](const Row& row) { results.push_back(read(row)); });
  return results;
}

Id id_of(const Row& row) { return row.integer(0); }

}  // namespace

void migrate_forge(store::Database& database) {
  database.migrate({
      "create table if not exists forge_counters (name text primary key, next bigint not null)",
      "create table if not exists forge_users (id bigint primary key, username text not null, "
      "name_key text not null unique, name text not null, email text not null, "
      "admin bigint not null, created bigint not null)",
      "create table if not exists forge_tokens (id bigint primary key, "
      "digest text not null unique, name text not null, user_id bigint not null, "
      "project_id bigint, scopes text not null, created bigint not null, expires bigint, "
      "last_used bigint, revoked bigint not null)",
      "create index if not exists forge_tokens_by_user on forge_tokens (user_id, id)",
      "create table if not exists forge_spaces (id bigint primary key, name text not null, "
      "path text not null, full_path text not null, path_key text not null unique, "
      "kind text not null, parent bigint, owner_id bigint not null, description text not null, "
      "visibility text not null, created bigint not null)",
      "create table if not exists forge_projects (id bigint primary key, path text not null, "
      "full_path text not null, path_key text not null unique, space_id bigint not null, "
      "creator bigint not null, created bigint not null, last_activity bigint not null, "
      "document text not null)",
      "create index if not exists forge_projects_by_space on forge_projects (space_id, id)",
      "create table if not exists forge_members (target_id bigint not null, "
      "of_project bigint not null, user_id bigint not null, access bigint not null, "
      "primary key (target_id, of_project, user_id))",
      "create table if not exists forge_protected (project_id bigint not null, "
      "tag bigint not null, name text not null, push bigint not null, merge bigint not null, "
      "force_push bigint not null, primary key (project_id, tag, name))",
      "create table if not exists forge_pushes (id text primary key, session text not null, "
      "project_id bigint not null, user_id bigint not null, ref text not null, "
      "before_id text not null, after_id text not null, options text not null, "
      "refs_in_push bigint not null, state text not null, attempts bigint not null, "
      "at bigint not null)",
      "create index if not exists forge_pushes_by_session on forge_pushes (session)",
  });
}

Id next_id(Transaction& transaction, const std::string& counter) {
  transaction.execute(
      "insert into forge_counters (name, next) values (?, 1) "
      "on conflict (name) do update set next = forge_counters.next + 1",
      {counter});
  return first<Id>(transaction, "select next from forge_counters where name = ?", {counter}, id_of)
      .value();
}

void insert_user(Transaction& transaction, const User& user) {
  transaction.execute(
      "insert into forge_users (id, username, name_key, name, email, admin, created) "
      "values (?, ?, ?, ?, ?, ?, ?)",
      {user.id, user.username, base::lower(user.username), user.name, user.email,
       std::int64_t{user.admin}, user.created});
}

std::optional<User> find_user(Reader& reader, Id id) {
  return first<User>(reader, std::string(kUser) + "where id = ?", {id}, user_of);
}

std::optional<User> find_user_named(Reader& reader, std::string_view username) {
  return first<User>(reader, std::string(kUser) + "where name_key = ?", {base::lower(username)},
                     user_of);
}

std::vector<User> all_users(Reader& reader) {
  return all<User>(reader, std::string(kUser) + "order by id", {}, user_of);
}

void insert_token(Transaction& transaction, const AccessToken& token, const std::string& digest) {
  transaction.execute(
      "insert into forge_tokens (id, digest, name, user_id, project_id, scopes, created, expires, "
      "last_used, revoked) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {token.id, digest, token.name, token.user, optional_value(token.project),
       text_of_scopes(token.scopes), token.created, optional_value(token.expires),
       optional_value(token.last_used), std::int64_t{token.revoked}});
}

std::optional<AccessToken> find_token(Reader& reader, const std::string& digest) {
  return first<AccessToken>(reader, std::string(kToken) + "where digest = ?", {digest}, token_of);
}

std::vector<AccessToken> tokens_of(Reader& reader, Id user) {
  return all<AccessToken>(reader, std::string(kToken) + "where user_id = ? order by id", {user},
                          token_of);
}

void revoke(Transaction& transaction, Id token) {
  if (transaction.execute("update forge_tokens set revoked = 1 where id = ?", {token}) == 0) {
    throw Error("NotFound", "404 Personal Access Token Not Found", 404);
  }
}

void note_use(Transaction& transaction, Id token, base::Millis at) {
  transaction.execute("update forge_tokens set last_used = ? where id = ?", {at, token});
}

void set_member(Transaction& transaction, Id target, bool of_project, Id user, Access access) {
  const std::int64_t kind = of_project;
  if (access == Access::kNone) {
    transaction.execute(
        "delete from forge_members where target_id = ? and of_project = ? and user_id = ?",
        {target, kind, user});
    return;
  }
  transaction.execute(
      "insert into forge_members (target_id, of_project, user_id, access) values (?, ?, ?, ?) "
      "on conflict (target_id, of_project, user_id) do update set access = excluded.access",
      {target, kind, user, static_cast<std::int64_t>(access)});
}

std::vector<Member> members_of(Reader& reader, Id target, bool of_project) {
  return all<Member>(reader,
                     "select u.id, u.username, u.name, u.email, u.admin, u.created, m.access "
                     "from forge_members m join forge_users u on u.id = m.user_id "
                     "where m.target_id = ? and m.of_project = ? order by u.id",
                     {target, std::int64_t{of_project}}, [](const Row& row) {
                       return Member{user_of(row), static_cast<Access>(row.integer(6))};
                     });
}

Access member_access(Reader& reader, Id target, bool of_project, Id user) {
  const auto access = first<Id>(
      reader,
      "select access from forge_members where target_id = ? and of_project = ? and user_id = ?",
      {target, std::int64_t{of_project}, user}, id_of);
  return static_cast<Access>(access.value_or(0));
}

std::vector<ProtectedRef> protected_refs_of(Reader& reader, Id project) {
  return all<ProtectedRef>(
      reader,
      "select name, tag, push, merge, force_push from forge_protected where project_id = ? "
      "order by tag, name",
      {project}, [](const Row& row) {
        ProtectedRef ref;
        ref.name = row.text(0);
        ref.tag = row.integer(1) != 0;
        ref.push = static_cast<Access>(row.integer(2));
        ref.merge = static_cast<Access>(row.integer(3));
        ref.force_push = row.integer(4) != 0;
        return ref;
      });
}

void store_protected_ref(Transaction& transaction, Id project, const ProtectedRef& ref) {
  transaction.execute(
      "insert into forge_protected (project_id, tag, name, push, merge, force_push) "
      "values (?, ?, ?, ?, ?, ?) on conflict (project_id, tag, name) do update set "
      "push = excluded.push, merge = excluded.merge, force_push = excluded.force_push",
      {project, std::int64_t{ref.tag}, ref.name, static_cast<std::int64_t>(ref.push),
       static_cast<std::int64_t>(ref.merge), std::int64_t{ref.force_push}});
}

bool remove_protected_ref(Transaction& transaction, Id project, const std::string& name, bool tag) {
  return transaction.execute(
             "delete from forge_protected where project_id = ? and tag = ? and name = ?",
             {project, std::int64_t{tag}, name}) > 0;
}

}  // namespace slipway::forge
