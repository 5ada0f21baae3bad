#include "store/resources.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::store {
namespace {

constexpr const char* kColumns =
    "account, kind, name, parent, status, created, modified, version, document";

Resource resource_of(const Row& row) {
  Resource resource;
  resource.account = row.text(0);
  resource.kind = row.text(1);
  resource.name = row.text(2);
  resource.parent = row.text(3);
  resource.status = row.text(4);
  resource.created = row.integer(5);
  resource.modified = row.integer(6);
  resource.version = row.integer(7);
  resource.document = base::parse_json(row.text(8), "a stored document");
  return resource;
}

// What an ARN and a resource have in common: "<account>:<kind>/<name>".
std::string owner_of(const std::string& arn) {
  const auto parsed = base::parse_arn(arn);
  return parsed ? parsed->account + ":" + parsed->resource : arn;
}

}  // namespace

void migrate_resources(Database& database) {
  database.migrate({
      "create table if not exists resources (account text not null, kind text not null, "
      "name text not null, parent text not null, status text not null, created bigint not null, "
      "modified bigint not null, version bigint not null, document text not null, "
      "primary key (account, kind, name))",
      "create index if not exists resources_by_creation on resources (account, kind, created, "
      "name)",
      "create index if not exists resources_by_parent on resources (account, kind, parent, "
      "created, name)",
      "create index if not exists resources_by_status on resources (kind, status)",
      "create table if not exists tags (arn text not null, key text not null, value text not "
      "null, owner text not null, primary key (arn, key))",
      "create index if not exists tags_by_owner on tags (owner)",
  });
}

void create(Transaction& transaction, const Resource& resource) {
  const std::int64_t changed = transaction.execute(
      "insert into resources (account, kind, name, parent, status, created, modified, version, "
      "document) values (?, ?, ?, ?, ?, ?, ?, 1, ?) on conflict (account, kind, name) do nothing",
      {resource.account, resource.kind, resource.name, resource.parent, resource.status,
       resource.created, resource.modified, base::dump_json(resource.document)});
  if (changed == 0) {
    throw Error("AlreadyExists", "The " + resource.kind + " " + resource.name + " already exists.");
  }
}

std::optional<Resource> find(Reader& reader, const std::string& account, const std::string& kind,
                             const std::string& name) {
  std::optional<Resource> found;
  reader.query(std::string("select ") + kColumns +
                   " from resources where account = ? and kind = ? and name = ?",
               {account, kind, name}, [&](const Row& row) { found = resource_of(row); });
  return found;
}

void update(Transaction& transaction, Resource& resource) {
  const std::int64_t changed = transaction.execute(
      "update resources set parent = ?, status = ?, modified = ?, document = ?, "
      "version = version + 1 where account = ? and kind = ? and name = ? and version = ?",
      {resource.parent, resource.status, resource.modified, base::dump_json(resource.document),
       resource.account, resource.kind, resource.name, resource.version});
  if (changed == 0) {
    throw Error("ConflictException",
                "The " + resource.kind + " " + resource.name +
                    " was changed or deleted by another request at the same time.",
                409);
  }
  ++resource.version;
}

bool remove(Transaction& transaction, const std::string& account, const std::string& kind,
            const std::string& name) {
  const std::int64_t changed = transaction.execute(
      "delete from resources where account = ? and kind = ? and name = ?", {account, kind, name});
  if (changed == 0) return false;
  // SageMaker writes names in ARNs in lower case.
  const std::string owner = account + ":" + kind + "/";
  transaction.execute("delete from tags where owner = ? or owner = ?",
                      {owner + name, owner + base::lower(name)});
  return true;
}

std::vector<Resource> with_status(Reader& reader, const std::string& kind,
                                  const std::vector<std::string>& statuses) {
  std::vector<Resource> found;
  for (const std::string& status : statuses) {
    reader.query(std::string("select ") + kColumns +
                     " from resources where kind = ? and status = ? order by created, name",
                 {kind, status}, [&](const Row& row) { found.push_back(resource_of(row)); });
  }
  return found;
}

Tags tags_of(Reader& reader, const std::string& arn) {
  Tags tags;
  reader.query("select key, value from tags where arn = ?", {arn},
               [&](const Row& row) { tags.emplace(row.text(0), row.text(1)); });
  return tags;
}

void set_tags(Transaction& transaction, const std::string& arn, const Tags& tags) {
  const std::string owner = owner_of(arn);
  for (const auto& [key, value] : tags) {
    transaction.execute(
        "insert into tags (arn, key, value, owner) values (?, ?, ?, ?) "
        "on conflict (arn, key) do update set value = excluded.value",
        {arn, key, value, owner});
  }
}

void remove_tags(Transaction& transaction, const std::string& arn,
                 const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    transaction.execute("delete from tags where arn = ? and key = ?", {arn, key});
  }
}

void remove_all_tags(Transaction& transaction, const std::string& arn) {
  transaction.execute("delete from tags where arn = ?", {arn});
}

}  // namespace slipway::store
