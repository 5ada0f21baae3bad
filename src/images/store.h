#pragma once

// The room's tables; see docs/formats/images.md. A repository belongs to an account; a blob's
// bytes are shared by all, but a repository gives out only blobs that are linked to it.

#include <optional>
#include <string>
#include <vector>

#include "images/types.h"
#include "store/database.h"

namespace slipway::images {

void migrate_images(store::Database& database);

// Which repository; every function below takes one.
struct RepositoryKey {
  std::string account;
  std::string name;
};

std::optional<Repository> find_repository(store::Reader& reader, const RepositoryKey& key);
// Changes nothing where it is there; false then.
bool insert_repository(store::Transaction& transaction, const Repository& repository);
void update_repository(store::Transaction& transaction, const Repository& repository);
// With its tags, manifests and links. The blobs stay until they are collected.
void delete_repository(store::Transaction& transaction, const RepositoryKey& key);
// In the order of names, those after `after`.
std::vector<Repository> list_repositories(store::Reader& reader, const std::string& account,
                                          const std::string& after, std::size_t limit);
bool has_manifests(store::Reader& reader, const RepositoryKey& key);

// A blob that is linked to the repository.
std::optional<Blob> find_blob(store::Reader& reader, const RepositoryKey& key,
                              const std::string& digest);
std::optional<Blob> find_stored_blob(store::Reader& reader, const std::string& digest);
bool is_linked_in_account(store::Reader& reader, const std::string& account,
                          const std::string& digest);
// Records the blob as stored and touched, and links it.
void put_blob(store::Transaction& transaction, const RepositoryKey& key, const Blob& blob);
// False where it is not stored (any more).
bool touch_blob(store::Transaction& transaction, const std::string& digest, base::Millis now);
bool unlink_blob(store::Transaction& transaction, const RepositoryKey& key,
                 const std::string& digest);
bool is_referenced(store::Reader& reader, const RepositoryKey& key, const std::string& digest);
// Forgets, with their links, at most `limit` blobs that no manifest refers to and that
// were last touched before `before`. Returns them.
std::vector<Blob> forget_unreferenced(store::Transaction& transaction, base::Millis before,
                                      std::size_t limit);

// The manifest of a tag or digest.
std::optional<Manifest> find_manifest(store::Reader& reader, const RepositoryKey& key,
                                      const std::string& tag_or_digest);
// In any repository of the account.
std::optional<Manifest> find_manifest_in_account(store::Reader& reader, const std::string& account,
                                                 const std::string& digest);
std::optional<std::string> find_tag(store::Reader& reader, const RepositoryKey& key,
                                    const std::string& tag);
// Both without `content`, in the order of push, oldest first.
std::vector<Manifest> list_manifests(store::Reader& reader, const RepositoryKey& key);
std::vector<Manifest> list_referrers(store::Reader& reader, const RepositoryKey& key,
                                     const std::string& subject);
void put_manifest(store::Transaction& transaction, const RepositoryKey& key,
                  const Manifest& manifest, const ParsedManifest& parsed);
// With its tags.
bool delete_manifest(store::Transaction& transaction, const RepositoryKey& key,
                     const std::string& digest);
void put_tag(store::Transaction& transaction, const RepositoryKey& key, const std::string& tag,
             const std::string& digest, base::Millis now);
bool delete_tag(store::Transaction& transaction, const RepositoryKey& key, const std::string& tag);

struct Tag {
  std::string name;
  std::string digest;
};
// In the order of names, those after `after`.
std::vector<Tag> list_tags(store::Reader& reader, const RepositoryKey& key,
                           const std::string& after, std::size_t limit);

}  // namespace slipway::images
