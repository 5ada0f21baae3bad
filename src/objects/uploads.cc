#include "objects/uploads.h"

#include "base/error.h"
#include "objects/decide.h"
#include "objects/store.h"

namespace slipway::objects {
namespace {

using store::Blob;
using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

constexpr char kColumns[] = "id, bucket, key, initiated, document";

std::map<std::string, std::string> texts(const Json& object) {
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : object.items()) map[name] = value.get<std::string>();
  return map;
}

Upload upload_of(const Row& row) {
  Upload upload;
  upload.id = row.text(0);
  upload.bucket = row.text(1);
  upload.key = row.text(2);
  upload.initiated = row.integer(3);
  Json document = base::parse_json(row.text(4), "the document of an upload");
  upload.checksum_algorithm = base::text_or(document, "checksum_algorithm");
  upload.checksum_type = base::text_or(document, "checksum_type");
  upload.storage_class = base::text_or(document, "storage_class", "STANDARD");
  upload.headers = base::object_or_empty(document, "headers");
  upload.metadata = texts(base::object_or_empty(document, "metadata"));
  upload.tags = texts(base::object_or_empty(document, "tags"));
  if (document.contains("result")) upload.result = document["result"];
  return upload;
}

std::string document_of(const Upload& upload) {
  Json document = {{"checksum_algorithm", upload.checksum_algorithm},
                   {"checksum_type", upload.checksum_type},
                   {"storage_class", upload.storage_class},
                   {"headers", upload.headers},
                   {"metadata", upload.metadata},
                   {"tags", upload.tags}};
  if (!upload.result.is_null()) document["result"] = upload.result;
  return base::dump_json(document);
}

Part part_of(const Row& row) {
  Part part;
  part.number = static_cast<int>(row.integer(0));
  part.content.place = static_cast<Place>(row.integer(1));
  part.content.id = row.text(2);
  part.content.size = static_cast<std::uint64_t>(row.integer(3));
  part.etag = row.text(4);
  part.modified = row.integer(5);
  Json document = base::parse_json(row.text(6), "the document of a part");
  part.checksums = texts(base::object_or_empty(document, "checksums"));
  return part;
}

std::vector<Content> remove_parts(Transaction& transaction, const std::string& id) {
  std::vector<Content> dropped;
  for (const Part& part : parts_of(transaction, id, 0, kMostParts)) dropped.push_back(part.content);
  transaction.execute("delete from s3_parts where upload = ?", {id});
  drop_rows(transaction, dropped);
  return dropped;
}

std::vector<Upload> scan_uploads(Reader& reader, std::string sql, std::vector<Value> values,
                                 int limit) {
  std::vector<Upload> rows;
  values.push_back(std::int64_t{limit});
  reader.query(sql + " and completed = 0 order by key, id limit ?", values,
               [&](const Row& row) { rows.push_back(upload_of(row)); });
  return rows;
}

}  // namespace

void insert_upload(Transaction& transaction, const Upload& upload) {
  transaction.execute("delete from s3_uploads where completed > 0 and completed < ?",
                      {upload.initiated - kKeepCompleted});
  transaction.execute(
      "insert into s3_uploads (id, bucket, key, initiated, completed, document)"
      " values (?,?,?,?,0,?)",
      {upload.id, upload.bucket, Blob{upload.key}, upload.initiated, document_of(upload)});
}

std::optional<Upload> find_upload(Reader& reader, const std::string& id) {
  std::optional<Upload> found;
  reader.query("select " + std::string(kColumns) + " from s3_uploads where id = ?", {id},
               [&](const Row& row) { found = upload_of(row); });
  return found;
}

std::vector<Content> complete_upload(Transaction& transaction, const std::string& id,
                                     base::Millis now, const Json& result) {
  auto upload = find_upload(transaction, id);
  if (!upload) base::throw_internal("a completed upload is missing: " + id);
  upload->result = result;
  transaction.execute("update s3_uploads set completed = ?, document = ? where id = ?",
                      {now, document_of(*upload), id});
  return remove_parts(transaction, id);
}

std::vector<Content> remove_upload(Transaction& transaction, const std::string& id) {
  transaction.execute("delete from s3_uploads where id = ?", {id});
  return remove_parts(transaction, id);
}

std::vector<Content> remove_uploads_of_bucket(Transaction& transaction, const std::string& bucket) {
  std::vector<std::string> ids;
  transaction.query("select id from s3_uploads where bucket = ?", {bucket},
                    [&](const Row& row) { ids.push_back(row.text(0)); });
  std::vector<Content> dropped;
  for (const std::string& id : ids) {
    for (Content& content : remove_upload(transaction, id)) dropped.push_back(std::move(content));
  }
  return dropped;
}

Listing<Upload> list_uploads(Reader& reader, const std::string& bucket, const ListQuery& query) {
  const std::string select =
      "select " + std::string(kColumns) + " from s3_uploads where bucket = ?";
  auto fetch = [&](const Position& from, const std::string& end, int limit) {
    std::vector<Upload> rows;
    if (!from.inclusive && !from.within.empty()) {
      rows = scan_uploads(reader, select + " and key = ? and id > ?",
                          {bucket, Blob{from.key}, from.within}, limit);
    }
    if (static_cast<int>(rows.size()) == limit) return rows;
    std::string sql = select + (from.inclusive ? " and key >= ?" : " and key > ?");
    std::vector<Value> values{bucket, Blob{from.key}};
    if (!end.empty()) {
      sql += " and key < ?";
      values.push_back(Blob{end});
    }
    auto rest = scan_uploads(reader, sql, values, limit - static_cast<int>(rows.size()));
    for (Upload& upload : rest) rows.push_back(std::move(upload));
    return rows;
  };
  return list_by_prefix<Upload>(query, fetch, [](const Upload& upload) { return upload.id; });
}

std::vector<Content> put_part(Transaction& transaction, const std::string& upload,
                              const Part& part) {
  std::vector<Content> dropped;
  for (const Part& old : parts_of(transaction, upload, part.number - 1, 1)) {
    if (old.number == part.number) dropped.push_back(old.content);
  }
  drop_rows(transaction, dropped);
  transaction.execute("delete from s3_parts where upload = ? and number = ?",
                      {upload, std::int64_t{part.number}});
  transaction.execute(
      "insert into s3_parts (upload, number, place, content, size, etag, modified, document)"
      " values (?,?,?,?,?,?,?,?)",
      {upload, std::int64_t{part.number}, static_cast<std::int64_t>(part.content.place),
       part.content.id, static_cast<std::int64_t>(part.content.size), part.etag, part.modified,
       base::dump_json(Json{{"checksums", part.checksums}})});
  return dropped;
}

std::vector<Part> parts_of(Reader& reader, const std::string& upload, int after, int limit) {
  std::vector<Part> parts;
  reader.query(
      "select number, place, content, size, etag, modified, document from s3_parts"
      " where upload = ? and number > ? order by number limit ?",
      {upload, std::int64_t{after}, std::int64_t{limit}},
      [&](const Row& row) { parts.push_back(part_of(row)); });
  return parts;
}

}  // namespace slipway::objects
