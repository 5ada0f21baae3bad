#include "images/store.h"

#include "base/json.h"
#include "images/decide.h"

namespace slipway::images {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;

constexpr const char* kRepositoryColumns =
    "account, name, created, tag_mutability, exclusion_filters, scan_on_push, encryption";
constexpr const char* kManifestColumns =
    "digest, media_type, artifact_type, subject, annotations, image_size, pushed, "
    "length(content)";

Repository read_repository(const Row& row) {
  Repository result;
  result.account = row.text(0);
  result.name = row.text(1);
  result.created = row.integer(2);
  result.tag_mutability = row.text(3);
  result.exclusion_filters = base::parse_json(row.text(4), "exclusion filters");
  result.scan_on_push = row.integer(5) != 0;
  result.encryption = base::parse_json(row.text(6), "encryption configuration");
  return result;
}

Manifest read_manifest(const Row& row) {
  Manifest result;
  result.digest = row.text(0);
  result.media_type = row.text(1);
  result.artifact_type = row.text(2);
  result.subject = row.text(3);
  result.annotations = base::parse_json(row.text(4), "annotations");
  result.image_size = static_cast<std::uint64_t>(row.integer(5));
  result.pushed = row.integer(6);
  result.size = static_cast<std::uint64_t>(row.integer(7));
  return result;
}

bool exists(Reader& reader, std::string_view sql, const std::vector<store::Value>& values) {
  bool found = false;
  reader.query(sql, values, [&](const Row&) { found = true; });
  return found;
}

std::int64_t as_integer(std::size_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

void migrate_images(store::Database& database) {
  database.migrate({
      "create table if not exists image_repository (account text not null, name text not null, "
      "created bigint not null, tag_mutability text not null, exclusion_filters text not null, "
      "scan_on_push bigint not null, encryption text not null, primary key (account, name))",
      "create table if not exists image_blob (digest text not null primary key, "
      "size bigint not null, touched bigint not null)",
      "create table if not exists image_blob_link (account text not null, repository text not "
      "null, digest text not null, primary key (account, repository, digest))",
      "create index if not exists image_blob_link_digest on image_blob_link (digest)",
      "create table if not exists image_manifest (account text not null, repository text not "
      "null, digest text not null, media_type text not null, content blob not null, "
      "artifact_type text not null, subject text not null, annotations text not null, "
      "image_size bigint not null, pushed bigint not null, "
      "primary key (account, repository, digest))",
      "create index if not exists image_manifest_digest on image_manifest (digest)",
      "create index if not exists image_manifest_subject on image_manifest (subject)",
      "create table if not exists image_reference (account text not null, repository text not "
      "null, manifest text not null, digest text not null, "
      "primary key (account, repository, manifest, digest))",
      "create index if not exists image_reference_digest on image_reference (digest)",
      "create table if not exists image_tag (account text not null, repository text not null, "
      "tag text not null, digest text not null, moved bigint not null, "
      "primary key (account, repository, tag))",
      "create index if not exists image_tag_digest on image_tag (account, repository, digest)",
  });
}

std::optional<Repository> find_repository(Reader& reader, const RepositoryKey& key) {
  std::optional<Repository> result;
  reader.query(std::string("select ") + kRepositoryColumns +
                   " from image_repository where account = ? and name = ?",
               {key.account, key.name}, [&](const Row& row) { result = read_repository(row); });
  return result;
}

bool insert_repository(Transaction& transaction, const Repository& repository) {
  return transaction.execute(
             std::string("insert into image_repository (") + kRepositoryColumns +
                 ") values (?, ?, ?, ?, ?, ?, ?) on conflict (account, name) do nothing",
             {repository.account, repository.name, repository.created, repository.tag_mutability,
              base::dump_json(repository.exclusion_filters),
              std::int64_t{repository.scan_on_push ? 1 : 0},
              base::dump_json(repository.encryption)}) > 0;
}

void update_repository(Transaction& transaction, const Repository& repository) {
  transaction.execute(
      "update image_repository set tag_mutability = ?, exclusion_filters = ?, scan_on_push = ? "
      "where account = ? and name = ?",
      {repository.tag_mutability, base::dump_json(repository.exclusion_filters),
       std::int64_t{repository.scan_on_push ? 1 : 0}, repository.account, repository.name});
}

void delete_repository(Transaction& transaction, const RepositoryKey& key) {
  for (const char* table : {"image_tag", "image_reference", "image_manifest", "image_blob_link"}) {
    transaction.execute(
        std::string("delete from ") + table + " where account = ? and repository = ?",
        {key.account, key.name});
  }
  transaction.execute("delete from image_repository where account = ? and name = ?",
                      {key.account, key.name});
}

std::vector<Repository> list_repositories(Reader& reader, const std::string& account,
                                          const std::string& after, std::size_t limit) {
  std::vector<Repository> result;
  reader.query(std::string("select ") + kRepositoryColumns +
                   " from image_repository where account = ? and name > ? order by name limit ?",
               {account, after, as_integer(limit)},
               [&](const Row& row) { result.push_back(read_repository(row)); });
  return result;
}

bool has_manifests(Reader& reader, const RepositoryKey& key) {
  return exists(reader, "select 1 from image_manifest where account = ? and repository = ? limit 1",
                {key.account, key.name});
}

std::optional<Blob> find_blob(Reader& reader, const RepositoryKey& key, const std::string& digest) {
  std::optional<Blob> result;
  reader.query(
      "select b.digest, b.size, b.touched from image_blob b join image_blob_link l on l.digest = "
      "b.digest where l.account = ? and l.repository = ? and l.digest = ?",
      {key.account, key.name, digest}, [&](const Row& row) {
        result = Blob{row.text(0), static_cast<std::uint64_t>(row.integer(1)), row.integer(2)};
      });
  return result;
}

std::optional<Blob> find_stored_blob(Reader& reader, const std::string& digest) {
  std::optional<Blob> result;
  reader.query(
      "select digest, size, touched from image_blob where digest = ?", {digest},
      [&](const Row& row) {
        result = Blob{row.text(0), static_cast<std::uint64_t>(row.integer(1)), row.integer(2)};
      });
  return result;
}

bool is_linked_in_account(Reader& reader, const std::string& account, const std::string& digest) {
  return exists(reader, "select 1 from image_blob_link where digest = ? and account = ? limit 1",
                {digest, account});
}

void put_blob(Transaction& transaction, const RepositoryKey& key, const Blob& blob) {
  transaction.execute(
      "insert into image_blob (digest, size, touched) values (?, ?, ?) "
      "on conflict (digest) do update set touched = excluded.touched",
      {blob.digest, static_cast<std::int64_t>(blob.size), blob.touched});
  transaction.execute(
      "insert into image_blob_link (account, repository, digest) values (?, ?, ?) "
      "on conflict (account, repository, digest) do nothing",
      {key.account, key.name, blob.digest});
}

bool touch_blob(Transaction& transaction, const std::string& digest, base::Millis now) {
  return transaction.execute("update image_blob set touched = ? where digest = ?", {now, digest}) >
         0;
}

bool unlink_blob(Transaction& transaction, const RepositoryKey& key, const std::string& digest) {
  return transaction.execute(
             "delete from image_blob_link where account = ? and repository = ? and digest = ?",
             {key.account, key.name, digest}) > 0;
}

bool is_referenced(Reader& reader, const RepositoryKey& key, const std::string& digest) {
  return exists(reader,
                "select 1 from image_reference where digest = ? and account = ? and repository = ? "
                "limit 1",
                {digest, key.account, key.name});
}

std::vector<Blob> forget_unreferenced(Transaction& transaction, base::Millis before,
                                      std::size_t limit) {
  std::vector<Blob> result;
  transaction.query(
      "select b.digest, b.size, b.touched from image_blob b where b.touched < ? and not exists "
      "(select 1 from image_reference r where r.digest = b.digest) order by b.touched limit ?",
      {before, as_integer(limit)}, [&](const Row& row) {
        result.push_back(
            Blob{row.text(0), static_cast<std::uint64_t>(row.integer(1)), row.integer(2)});
      });
  for (const Blob& blob : result) {
    transaction.execute("delete from image_blob_link where digest = ?", {blob.digest});
    transaction.execute("delete from image_blob where digest = ?", {blob.digest});
  }
  return result;
}

std::optional<Manifest> find_manifest(Reader& reader, const RepositoryKey& key,
                                      const std::string& tag_or_digest) {
  std::string digest = tag_or_digest;
  if (!is_digest(tag_or_digest)) {
    const auto tagged = find_tag(reader, key, tag_or_digest);
    if (!tagged) return std::nullopt;
    digest = *tagged;
  }
  std::optional<Manifest> result;
  reader.query(std::string("select ") + kManifestColumns +
                   ", content from image_manifest where account = ? and repository = ? and "
                   "digest = ?",
               {key.account, key.name, digest}, [&](const Row& row) {
                 result = read_manifest(row);
                 result->content = row.text(8);
               });
  return result;
}

std::optional<Manifest> find_manifest_in_account(Reader& reader, const std::string& account,
                                                 const std::string& digest) {
  std::optional<Manifest> result;
  reader.query(std::string("select ") + kManifestColumns +
                   ", content from image_manifest where digest = ? and account = ? limit 1",
               {digest, account}, [&](const Row& row) {
                 result = read_manifest(row);
                 result->content = row.text(8);
               });
  return result;
}

std::optional<std::string> find_tag(Reader& reader, const RepositoryKey& key,
                                    const std::string& tag) {
  std::optional<std::string> result;
  reader.query("select digest from image_tag where account = ? and repository = ? and tag = ?",
               {key.account, key.name, tag}, [&](const Row& row) { result = row.text(0); });
  return result;
}

std::vector<Manifest> list_manifests(Reader& reader, const RepositoryKey& key) {
  std::vector<Manifest> result;
  reader.query(std::string("select ") + kManifestColumns +
                   " from image_manifest where account = ? and repository = ? "
                   "order by pushed, digest",
               {key.account, key.name},
               [&](const Row& row) { result.push_back(read_manifest(row)); });
  return result;
}

std::vector<Manifest> list_referrers(Reader& reader, const RepositoryKey& key,
                                     const std::string& subject) {
  std::vector<Manifest> result;
  reader.query(std::string("select ") + kManifestColumns +
                   " from image_manifest where subject = ? and account = ? and repository = ? "
                   "order by pushed, digest",
               {subject, key.account, key.name},
               [&](const Row& row) { result.push_back(read_manifest(row)); });
  return result;
}

void put_manifest(Transaction& transaction, const RepositoryKey& key, const Manifest& manifest,
                  const ParsedManifest& parsed) {
  transaction.execute(
      "insert into image_manifest (account, repository, digest, media_type, content, "
      "artifact_type, subject, annotations, image_size, pushed) values (?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?) on conflict (account, repository, digest) do update set pushed = excluded.pushed, "
      "media_type = excluded.media_type",
      {key.account, key.name, manifest.digest, manifest.media_type, store::Blob{manifest.content},
       manifest.artifact_type, manifest.subject, base::dump_json(manifest.annotations),
       static_cast<std::int64_t>(manifest.image_size), manifest.pushed});
  const auto refer = [&](const Descriptor& descriptor) {
    transaction.execute(
        "insert into image_reference (account, repository, manifest, digest) values (?, ?, ?, ?) "
        "on conflict (account, repository, manifest, digest) do nothing",
        {key.account, key.name, manifest.digest, descriptor.digest});
  };
  for (const Descriptor& blob : parsed.blobs) refer(blob);
  for (const Descriptor& child : parsed.manifests) refer(child);
}

bool delete_manifest(Transaction& transaction, const RepositoryKey& key,
                     const std::string& digest) {
  transaction.execute("delete from image_tag where account = ? and repository = ? and digest = ?",
                      {key.account, key.name, digest});
  transaction.execute(
      "delete from image_reference where account = ? and repository = ? and manifest = ?",
      {key.account, key.name, digest});
  return transaction.execute(
             "delete from image_manifest where account = ? and repository = ? and digest = ?",
             {key.account, key.name, digest}) > 0;
}

void put_tag(Transaction& transaction, const RepositoryKey& key, const std::string& tag,
             const std::string& digest, base::Millis now) {
  transaction.execute(
      "insert into image_tag (account, repository, tag, digest, moved) values (?, ?, ?, ?, ?) "
      "on conflict (account, repository, tag) do update set digest = excluded.digest, "
      "moved = excluded.moved",
      {key.account, key.name, tag, digest, now});
}

bool delete_tag(Transaction& transaction, const RepositoryKey& key, const std::string& tag) {
  return transaction.execute(
             "delete from image_tag where account = ? and repository = ? and tag = ?",
             {key.account, key.name, tag}) > 0;
}

std::vector<Tag> list_tags(Reader& reader, const RepositoryKey& key, const std::string& after,
                           std::size_t limit) {
  std::vector<Tag> result;
  reader.query(
      "select tag, digest from image_tag where account = ? and repository = ? and tag > ? "
      "order by tag limit ?",
      {key.account, key.name, after, as_integer(limit)}, [&](const Row& row) {
        result.push_back(Tag{row.text(0), row.text(1)});
      });
  return result;
}

}  // namespace slipway::images
