#include "iam/store.h"

#include "base/ids.h"

namespace slipway::iam {
namespace {

constexpr std::string_view kKeyColumns =
    "id, user_name, secret, session_token, arn, user_id, created, expires";
constexpr std::string_view kRoleColumns =
    "name, id, path, arn, trust, description, longest_session, created";

std::string select(std::string_view columns, std::string_view rest) {
  return "select " + std::string(columns) + " from " + std::string(rest);
}

KeyRecord key_of(const store::Row& row) {
  KeyRecord record;
  record.id = row.text(0);
  record.user = row.text(1);
  record.secret = row.text(2);
  record.session_token = row.text(3);
  record.arn = row.text(4);
  record.user_id = row.text(5);
  record.created = row.integer(6);
  record.expires = row.integer(7);
  return record;
}

Role role_of(const store::Row& row) {
  Role role;
  role.name = row.text(0);
  role.id = row.text(1);
  role.path = row.text(2);
  role.arn = row.text(3);
  role.trust = row.text(4);
  role.description = row.text(5);
  role.longest_session = static_cast<int>(row.integer(6));
  role.created = row.integer(7);
  return role;
}

int count(store::Reader& reader, std::string_view sql, const std::vector<store::Value>& values) {
  int found = 0;
  reader.query(sql, values,
               [&](const store::Row& row) { found = static_cast<int>(row.integer(0)); });
  return found;
}

}  // namespace

void migrate(store::Database& database) {
  database.migrate({
      "create table if not exists iam_keys (id text primary key, user_name text not null, "
      "secret text not null, session_token text not null, arn text not null, "
      "user_id text not null, created bigint not null, expires bigint not null)",
      "create index if not exists iam_keys_by_expiry on iam_keys (expires)",
      "create table if not exists iam_roles (name text primary key, id text not null, "
      "path text not null, arn text not null, trust text not null, description text not null, "
      "longest_session bigint not null, created bigint not null)",
      "create table if not exists iam_settings (name text primary key, value text not null)",
  });
}

std::string secret_of_server(store::Database& database) {
  return database.write([](store::Transaction& transaction) {
    std::string secret;
    transaction.query("select value from iam_settings where name = ?",
                      {std::string("registry-secret")},
                      [&](const store::Row& row) { secret = row.text(0); });
    if (secret.empty()) {
      secret = base::random_hex(64);
      transaction.execute("insert into iam_settings (name, value) values (?, ?)",
                          {std::string("registry-secret"), secret});
    }
    return secret;
  });
}

std::vector<KeyRecord> load_keys(store::Database& database) {
  std::vector<KeyRecord> records;
  database.read([&](store::Reader& reader) {
    reader.query(select(kKeyColumns, "iam_keys"), {},
                 [&](const store::Row& row) { records.push_back(key_of(row)); });
  });
  return records;
}

void insert_key(store::Transaction& transaction, const KeyRecord& record) {
  transaction.execute(
      "insert into iam_keys (" + std::string(kKeyColumns) + ") values (?, ?, ?, ?, ?, ?, ?, ?)",
      {record.id, record.user, record.secret, record.session_token, record.arn, record.user_id,
       record.created, record.expires});
}

std::optional<KeyRecord> find_key(store::Reader& reader, const std::string& id) {
  std::optional<KeyRecord> found;
  reader.query(select(kKeyColumns, "iam_keys where id = ?"), {id},
               [&](const store::Row& row) { found = key_of(row); });
  return found;
}

void remove_key(store::Transaction& transaction, const std::string& id) {
  transaction.execute("delete from iam_keys where id = ?", {id});
}

int count_keys(store::Reader& reader, const std::string& user) {
  return count(reader, "select count(*) from iam_keys where user_name = ? and expires = 0", {user});
}

int count_sessions(store::Reader& reader) {
  return count(reader, "select count(*) from iam_keys where expires > 0", {});
}

std::vector<std::string> forget_expired(store::Transaction& transaction, base::Millis now) {
  std::vector<std::string> ids;
  transaction.query("select id from iam_keys where expires > 0 and expires <= ?", {now},
                    [&](const store::Row& row) { ids.push_back(row.text(0)); });
  if (!ids.empty())
    transaction.execute("delete from iam_keys where expires > 0 and expires <= ?", {now});
  return ids;
}

bool insert_role(store::Transaction& transaction, const Role& role) {
  return transaction.execute("insert into iam_roles (" + std::string(kRoleColumns) +
                                 ") values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (name) do nothing",
                             {role.name, role.id, role.path, role.arn, role.trust, role.description,
                              static_cast<std::int64_t>(role.longest_session), role.created}) == 1;
}

std::optional<Role> find_role(store::Reader& reader, const std::string& name) {
  std::optional<Role> found;
  reader.query(select(kRoleColumns, "iam_roles where name = ?"), {name},
               [&](const store::Row& row) { found = role_of(row); });
  return found;
}

bool remove_role(store::Transaction& transaction, const std::string& name) {
  return transaction.execute("delete from iam_roles where name = ?", {name}) == 1;
}

std::vector<Role> list_roles(store::Reader& reader, const std::string& path_prefix,
                             const std::string& after, int limit) {
  std::vector<Role> roles;
  reader.query(select(kRoleColumns,
                      "iam_roles where substr(path, 1, ?) = ? and name > ? order by name limit ?"),
               {static_cast<std::int64_t>(path_prefix.size()), path_prefix, after,
                static_cast<std::int64_t>(limit)},
               [&](const store::Row& row) { roles.push_back(role_of(row)); });
  return roles;
}

}  // namespace slipway::iam
