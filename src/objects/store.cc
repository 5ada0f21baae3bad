#include "objects/store.h"

#include <utility>

#include "base/ids.h"
#include "base/strings.h"

namespace slipway::objects {
namespace {

using store::Blob;
using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

// Lists read these; single reads read the document too.
constexpr char kColumns[] =
    "bucket, key, version, sequence, marker, place, content, size, etag, modified, "
    "storage_class, checksum_algorithm, checksum_type";

Version version_of(const Row& row) {
  Version v;
  v.bucket = row.text(0);
  v.key = row.text(1);
  v.version = row.text(2);
  v.sequence = row.integer(3);
  v.delete_marker = row.integer(4) != 0;
  v.content.place = static_cast<Place>(row.integer(5));
  v.content.id = row.text(6);
  v.content.size = static_cast<std::uint64_t>(row.integer(7));
  v.etag = row.text(8);
  v.modified = row.integer(9);
  v.storage_class = row.text(10);
  v.checksum_algorithm = row.text(11);
  v.checksum_type = row.text(12);
  return v;
}

std::map<std::string, std::string> texts(const Json& object) {
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : object.items()) map[name] = value.get<std::string>();
  return map;
}

void read_document(Version& version, const std::string& text) {
  Json document = base::parse_json(text, "the document of an object");
  version.headers = base::object_or_empty(document, "headers");
  version.metadata = texts(base::object_or_empty(document, "metadata"));
  version.tags = texts(base::object_or_empty(document, "tags"));
  version.checksums = texts(base::object_or_empty(document, "checksums"));
  for (const Json& part : base::array_or_empty(document, "parts")) {
    version.parts.push_back({static_cast<int>(base::integer_or(part, "number", 0)),
                             static_cast<std::uint64_t>(base::integer_or(part, "size", 0)),
                             base::text_or(part, "checksum")});
  }
}

std::string document_of(const Version& version) {
  Json document = Json::object();
  if (!version.headers.empty()) document["headers"] = version.headers;
  if (!version.metadata.empty()) document["metadata"] = version.metadata;
  if (!version.tags.empty()) document["tags"] = version.tags;
  if (!version.checksums.empty()) document["checksums"] = version.checksums;
  for (const PartInfo& part : version.parts) {
    Json item = {{"number", part.number}, {"size", part.size}};
    if (!part.checksum.empty()) item["checksum"] = part.checksum;
    document["parts"].push_back(std::move(item));
  }
  return base::dump_json(document);
}

std::optional<Version> find_one(Reader& reader, const char* table, const std::string& condition,
                                const std::vector<Value>& values) {
  std::optional<Version> found;
  reader.query(
      "select " + std::string(kColumns) + ", document from " + table + " where " + condition,
      values, [&](const Row& row) {
        found = version_of(row);
        read_document(*found, row.text(13));
      });
  return found;
}

void insert_version(Transaction& transaction, const char* table, const Version& v) {
  transaction.execute(
      "insert into " + std::string(table) + " (" + kColumns +
          ", document) values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      {v.bucket, Blob{v.key}, v.version, v.sequence, std::int64_t{v.delete_marker ? 1 : 0},
       static_cast<std::int64_t>(v.content.place), v.content.id,
       static_cast<std::int64_t>(v.content.size), v.etag, v.modified, v.storage_class,
       v.checksum_algorithm, v.checksum_type, document_of(v)});
}

void delete_current(Transaction& transaction, const std::string& bucket, const std::string& key) {
  transaction.execute("delete from s3_objects where bucket = ? and key = ?", {bucket, Blob{key}});
}

void delete_older(Transaction& transaction, const Version& v) {
  transaction.execute("delete from s3_versions where bucket = ? and key = ? and sequence = ?",
                      {v.bucket, Blob{v.key}, v.sequence});
}

std::optional<Version> newest_older(Reader& reader, const std::string& bucket,
                                    const std::string& key) {
  return find_one(reader, "s3_versions", "bucket = ? and key = ? order by sequence desc limit 1",
                  {bucket, Blob{key}});
}

// The rest of a scan's SQL: from a position on, before `end`.
void add_bounds(std::string& sql, std::vector<Value>& values, const Position& from,
                const std::string& end) {
  sql += from.inclusive ? " and key >= ?" : " and key > ?";
  values.push_back(Blob{from.key});
  if (!end.empty()) {
    sql += " and key < ?";
    values.push_back(Blob{end});
  }
}

std::vector<Version> scan(Reader& reader, std::string sql, std::vector<Value> values,
                          const char* order, int limit) {
  std::vector<Version> rows;
  sql += std::string(" order by ") + order + " limit ?";
  values.push_back(std::int64_t{limit});
  reader.query(sql, values, [&](const Row& row) { rows.push_back(version_of(row)); });
  return rows;
}

std::vector<Version> scan_objects(Reader& reader, const std::string& bucket, const Position& from,
                                  const std::string& end, int limit) {
  std::string sql = "select " + std::string(kColumns) + " from s3_objects where bucket = ?";
  std::vector<Value> values{bucket};
  add_bounds(sql, values, from, end);
  return scan(reader, std::move(sql), std::move(values), "key", limit);
}

std::vector<Version> scan_older(Reader& reader, const std::string& bucket, const Position& from,
                                const std::string& end, int limit) {
  std::vector<Version> rows;
  const std::string select =
      "select " + std::string(kColumns) + " from s3_versions where bucket = ?";
  if (!from.inclusive && !from.within.empty()) {
    rows = scan(reader, select + " and key = ? and sequence < ?",
                {bucket, Blob{from.key}, base::parse_integer(from.within).value_or(0)},
                "sequence desc", limit);
  }
  if (static_cast<int>(rows.size()) == limit) return rows;
  std::string sql = select;
  std::vector<Value> values{bucket};
  add_bounds(sql, values, from, end);
  auto rest = scan(reader, std::move(sql), std::move(values), "key, sequence desc",
                   limit - static_cast<int>(rows.size()));
  for (Version& version : rest) rows.push_back(std::move(version));
  return rows;
}

}  // namespace

void migrate_objects(store::Database& database) {
  const std::string columns =
      " (bucket text not null, key blob not null, version text not null, sequence bigint not null,"
      " marker bigint not null, place bigint not null, content text not null, size bigint not null,"
      " etag text not null, modified bigint not null, storage_class text not null,"
      " checksum_algorithm text not null, checksum_type text not null, document text not null, ";
  database.migrate(
      {"create table if not exists s3_runs (name text primary key, number bigint not null)",
       "create table if not exists s3_buckets (name text primary key, account text not null,"
       " created bigint not null, location text not null, versioning bigint not null)",
       "create table if not exists s3_settings (bucket text not null, name text not null,"
       " document text not null, primary key (bucket, name))",
       "create table if not exists s3_objects" + columns + "primary key (bucket, key))",
       "create table if not exists s3_versions" + columns + "primary key (bucket, key, sequence))",
       "create table if not exists s3_bytes (id text primary key, bytes blob not null)",
       "create table if not exists s3_uploads (id text primary key, bucket text not null,"
       " key blob not null, initiated bigint not null, completed bigint not null,"
       " document text not null)",
       "create index if not exists s3_uploads_by_key on s3_uploads (bucket, key, id)",
       "create index if not exists s3_uploads_by_end on s3_uploads (completed)",
       "create table if not exists s3_parts (upload text not null, number bigint not null,"
       " place bigint not null, content text not null, size bigint not null, etag text not null,"
       " modified bigint not null, document text not null, primary key (upload, number))"});
}

std::int64_t next_run(Transaction& transaction) {
  transaction.execute(
      "insert into s3_runs (name, number) values ('server', 1)"
      " on conflict (name) do update set number = s3_runs.number + 1");
  std::int64_t number = 0;
  transaction.query("select number from s3_runs where name = 'server'", {},
                    [&](const Row& row) { number = row.integer(0); });
  return number;
}

std::optional<Version> find_current(Reader& reader, const std::string& bucket,
                                    const std::string& key) {
  return find_one(reader, "s3_objects", "bucket = ? and key = ?", {bucket, Blob{key}});
}

std::optional<Version> find_version(Reader& reader, const std::string& bucket,
                                    const std::string& key, const std::string& version) {
  auto found = find_current(reader, bucket, key);
  if (found && found->version == version) return found;
  return find_one(reader, "s3_versions", "bucket = ? and key = ? and version = ?",
                  {bucket, Blob{key}, version});
}

std::optional<Version> find_current_marker(Reader& reader, const std::string& bucket,
                                           const std::string& key) {
  if (find_current(reader, bucket, key)) return std::nullopt;
  return newest_older(reader, bucket, key);
}

std::optional<std::string> read_row_content(Reader& reader, const std::string& id) {
  std::optional<std::string> bytes;
  reader.query("select bytes from s3_bytes where id = ?", {id},
               [&](const Row& row) { bytes = row.text(0); });
  return bytes;
}

void insert_row_content(Transaction& transaction, const std::string& id, std::string bytes) {
  transaction.execute("insert into s3_bytes (id, bytes) values (?, ?)",
                      {id, Blob{std::move(bytes)}});
}

std::vector<Content> put_version(Transaction& transaction, const Bucket& bucket, Version& next) {
  std::vector<Content> dropped;
  auto current = find_current(transaction, next.bucket, next.key);
  next.version = kNullVersion;
  if (bucket.versioning == Versioning::kOff) {
    if (current) dropped.push_back(current->content);
  } else {
    auto older = newest_older(transaction, next.bucket, next.key);
    std::int64_t newest = std::max(current ? current->sequence : 0, older ? older->sequence : 0);
    next.sequence = newest + 1;
    const bool replaces_null = bucket.versioning == Versioning::kSuspended;
    if (!replaces_null) next.version = base::random_hex(32);
    if (replaces_null && current && current->version == kNullVersion) {
      dropped.push_back(current->content);
    } else if (current) {
      insert_version(transaction, "s3_versions", *current);
    }
    if (replaces_null) {
      auto old = find_one(transaction, "s3_versions", "bucket = ? and key = ? and version = ?",
                          {next.bucket, Blob{next.key}, kNullVersion});
      if (old) {
        dropped.push_back(old->content);
        delete_older(transaction, *old);
      }
    }
  }
  if (current) delete_current(transaction, next.bucket, next.key);
  const bool marker_without_versions = next.delete_marker && bucket.versioning == Versioning::kOff;
  if (!marker_without_versions) {
    insert_version(transaction, next.delete_marker ? "s3_versions" : "s3_objects", next);
  }
  drop_rows(transaction, dropped);
  return dropped;
}

Removed remove_version(Transaction& transaction, const std::string& bucket, const std::string& key,
                       const std::string& version) {
  Removed removed;
  removed.version = find_version(transaction, bucket, key, version);
  if (!removed.version) return removed;
  auto current = find_current(transaction, bucket, key);
  if (current && current->version == version) {
    delete_current(transaction, bucket, key);
    current.reset();
  } else {
    delete_older(transaction, *removed.version);
  }
  if (!current) {
    // The newest of the rest is current again, unless it is a marker.
    auto newest = newest_older(transaction, bucket, key);
    if (newest && !newest->delete_marker) {
      delete_older(transaction, *newest);
      insert_version(transaction, "s3_objects", *newest);
    }
  }
  if (!removed.version->delete_marker) removed.dropped.push_back(removed.version->content);
  drop_rows(transaction, removed.dropped);
  return removed;
}

void update_document(Transaction& transaction, const Version& version) {
  for (const char* table : {"s3_objects", "s3_versions"}) {
    transaction.execute("update " + std::string(table) +
                            " set document = ? where bucket = ? and key = ? and version = ?",
                        {document_of(version), version.bucket, Blob{version.key}, version.version});
  }
}

void drop_rows(Transaction& transaction, const std::vector<Content>& dropped) {
  for (const Content& content : dropped) {
    if (content.place != Place::kRow) continue;
    transaction.execute("delete from s3_bytes where id = ?", {content.id});
  }
}

Listing<Version> list_objects(Reader& reader, const std::string& bucket, const ListQuery& query) {
  return list_by_prefix<Version>(
      query,
      [&](const Position& from, const std::string& end, int limit) {
        return scan_objects(reader, bucket, from, end, limit);
      },
      [](const Version&) { return std::string(); });
}

std::string within_of(const Version& version) { return std::to_string(version.sequence); }

Listing<ListedVersion> list_versions(Reader& reader, const std::string& bucket,
                                     const ListQuery& query) {
  std::string previous = query.start.within.empty() ? "" : query.start.key;
  bool any = !query.start.within.empty();
  auto fetch = [&](const Position& from, const std::string& end, int limit) {
    // A current version is its key's newest, so behind any of the key there is none.
    auto current = scan_objects(reader, bucket, from, end, limit);
    auto older = scan_older(reader, bucket, from, end, limit);
    std::vector<ListedVersion> rows;
    std::size_t a = 0, b = 0;
    while (static_cast<int>(rows.size()) < limit && (a < current.size() || b < older.size())) {
      bool take_current =
          b == older.size() || (a < current.size() && current[a].key <= older[b].key);
      Version& version = take_current ? current[a++] : older[b++];
      ListedVersion row;
      row.key = version.key;
      row.current = !any || version.key != previous;
      previous = version.key;
      any = true;
      row.version = std::move(version);
      rows.push_back(std::move(row));
    }
    return rows;
  };
  return list_by_prefix<ListedVersion>(
      query, fetch, [](const ListedVersion& row) { return within_of(row.version); });
}

void for_each_file_id(Reader& reader, const std::function<void(const std::string&)>& visit) {
  for (const char* table : {"s3_objects", "s3_versions", "s3_parts"}) {
    reader.query("select content from " + std::string(table) + " where place = ?",
                 {static_cast<std::int64_t>(Place::kFile)},
                 [&](const Row& row) { visit(row.text(0)); });
  }
}

}  // namespace slipway::objects
