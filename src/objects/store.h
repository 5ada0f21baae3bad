#pragma once

// The tables of buckets and objects; docs/formats/objects.md describes them.
//
// s3_objects holds the current version of each key, so that a bucket without versions
// touches one row. s3_versions holds what is older, and every delete marker: where the
// newest version of a key is a marker, s3_objects has no row for it.

#include <optional>
#include <string>
#include <vector>

#include "objects/listing.h"
#include "objects/types.h"
#include "store/database.h"

namespace slipway::objects {

void migrate_objects(store::Database& database);
// Counts the starts of the server; ids of files begin with it.
std::int64_t next_run(store::Transaction& transaction);

// Buckets.
std::optional<Bucket> find_bucket(store::Reader& reader, const std::string& name);
std::vector<Bucket> buckets_of(store::Reader& reader, const std::string& account,
                               const std::string& prefix, const std::string& after, int limit);
void insert_bucket(store::Transaction& transaction, const Bucket& bucket);
void set_versioning(store::Transaction& transaction, const std::string& bucket,
                    Versioning versioning);
bool is_empty(store::Reader& reader, const std::string& bucket);
// With its settings and uploads. The files of the uploads' parts are returned, to be removed.
std::vector<Content> remove_bucket(store::Transaction& transaction, const std::string& bucket);

// Settings of a bucket: one document a name ("cors", "policy", …).
std::optional<Json> find_setting(store::Reader& reader, const std::string& bucket,
                                 const std::string& name);
void set_setting(store::Transaction& transaction, const std::string& bucket,
                 const std::string& name, const Json& document);
void remove_setting(store::Transaction& transaction, const std::string& bucket,
                    const std::string& name);

// Objects.
std::optional<Version> find_current(store::Reader& reader, const std::string& bucket,
                                    const std::string& key);
// The version by its id, also the current one and delete markers.
std::optional<Version> find_version(store::Reader& reader, const std::string& bucket,
                                    const std::string& key, const std::string& version);
// The newest where it is a delete marker.
std::optional<Version> find_current_marker(store::Reader& reader, const std::string& bucket,
                                           const std::string& key);
// The bytes of Place::kRow.
std::optional<std::string> read_row_content(store::Reader& reader, const std::string& id);
void insert_row_content(store::Transaction& transaction, const std::string& id, std::string bytes);

// Makes `next` the current version of its key, or a marker that hides it, under the bucket's
// versioning; sets its version and sequence. Contents that nothing names any more are returned.
std::vector<Content> put_version(store::Transaction& transaction, const Bucket& bucket,
                                 Version& next);
// Removes one version for good; an older one may become current.
struct Removed {
  std::optional<Version> version;  // nothing: it was not there
  std::vector<Content> dropped;
};
Removed remove_version(store::Transaction& transaction, const std::string& bucket,
                       const std::string& key, const std::string& version);
// Writes headers, metadata, tags of a version that exists.
void update_document(store::Transaction& transaction, const Version& version);

// Lists, without documents. The second's rows are newest first within a key.
Listing<Version> list_objects(store::Reader& reader, const std::string& bucket,
                              const ListQuery& query);
struct ListedVersion {
  Version version;
  std::string key;  // the version's
  bool current = false;
};
Listing<ListedVersion> list_versions(store::Reader& reader, const std::string& bucket,
                                     const ListQuery& query);
// What Position::within says for a version in list_versions.
std::string within_of(const Version& version);

// Every id of a content that is a file, of versions and of parts.
void for_each_file_id(store::Reader& reader, const std::function<void(const std::string&)>& visit);

// Frees what was dropped from the tables: rows here; files are left to the caller.
void drop_rows(store::Transaction& transaction, const std::vector<Content>& dropped);

}  // namespace slipway::objects
