#include "objects/store.h"
#include "objects/uploads.h"

namespace slipway::objects {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

constexpr char kColumns[] = "name, account, created, location, versioning";

Bucket bucket_of(const Row& row) {
  return {row.text(0), row.text(1), row.integer(2), row.text(3),
          static_cast<Versioning>(row.integer(4))};
}

bool has_rows(Reader& reader, const char* table, const std::string& bucket) {
  bool any = false;
  reader.query("select 1 from " + std::string(table) + " where bucket = ? limit 1", {bucket},
               [&](const Row&) { any = true; });
  return any;
}

}  // namespace

std::optional<Bucket> find_bucket(Reader& reader, const std::string& name) {
  std::optional<Bucket> found;
  reader.query("select " + std::string(kColumns) + " from s3_buckets where name = ?", {name},
               [&](const Row& row) { found = bucket_of(row); });
  return found;
}

std::vector<Bucket> buckets_of(Reader& reader, const std::string& account,
                               const std::string& prefix, const std::string& after, int limit) {
  std::vector<Bucket> buckets;
  std::string sql = "select " + std::string(kColumns) +
                    " from s3_buckets where account = ? and name >= ? and name > ?";
  std::vector<Value> values{account, prefix, after};
  if (std::string end = behind_prefix(prefix); !end.empty()) {
    sql += " and name < ?";
    values.push_back(end);
  }
  values.push_back(std::int64_t{limit});
  reader.query(sql + " order by name limit ?", values,
               [&](const Row& row) { buckets.push_back(bucket_of(row)); });
  return buckets;
}

void insert_bucket(Transaction& transaction, const Bucket& bucket) {
  transaction.execute(
      "insert into s3_buckets (name, account, created, location, versioning) values (?,?,?,?,?)",
      {bucket.name, bucket.account, bucket.created, bucket.location,
       static_cast<std::int64_t>(bucket.versioning)});
}

void set_versioning(Transaction& transaction, const std::string& bucket, Versioning versioning) {
  transaction.execute("update s3_buckets set versioning = ? where name = ?",
                      {static_cast<std::int64_t>(versioning), bucket});
}

bool is_empty(Reader& reader, const std::string& bucket) {
  return !has_rows(reader, "s3_objects", bucket) && !has_rows(reader, "s3_versions", bucket);
}

std::vector<Content> remove_bucket(Transaction& transaction, const std::string& bucket) {
  std::vector<Content> dropped = remove_uploads_of_bucket(transaction, bucket);
  transaction.execute("delete from s3_settings where bucket = ?", {bucket});
  transaction.execute("delete from s3_buckets where name = ?", {bucket});
  return dropped;
}

std::optional<Json> find_setting(Reader& reader, const std::string& bucket,
                                 const std::string& name) {
  std::optional<Json> found;
  reader.query(
      "select document from s3_settings where bucket = ? and name = ?", {bucket, name},
      [&](const Row& row) { found = base::parse_json(row.text(0), "a bucket's setting"); });
  return found;
}

void set_setting(Transaction& transaction, const std::string& bucket, const std::string& name,
                 const Json& document) {
  transaction.execute(
      "insert into s3_settings (bucket, name, document) values (?,?,?)"
      " on conflict (bucket, name) do update set document = excluded.document",
      {bucket, name, base::dump_json(document)});
}

void remove_setting(Transaction& transaction, const std::string& bucket, const std::string& name) {
  transaction.execute("delete from s3_settings where bucket = ? and name = ?", {bucket, name});
}

}  // namespace slipway::objects
