#pragma once

// What the room's own sources share behind Images.

#include <string>
#include <variant>

#include "images/blobs.h"
#include "images/images.h"
#include "images/layer_cache.h"
#include "images/store.h"
#include "images/uploads.h"

namespace slipway::images {

// Why a manifest was not stored.
struct TagIsImmutable {};
struct RepositoryMissing {};
struct BlobMissing {
  std::string digest;
};
struct ManifestMissing {
  std::string digest;
};
struct Stored {
  bool image_was_there = false;  // the very manifest, before this call
  bool tag_was_there = false;    // on the very manifest
};
using PutOutcome =
    std::variant<Stored, TagIsImmutable, RepositoryMissing, BlobMissing, ManifestMissing>;

enum class WhenMissing { kCreate, kRefuse };

struct Images::State {
  State(store::Database& database_in, const base::Clock& clock_in, store::Disk& disk,
        store::Spool& spool_in, ImagesOptions options_in);

  // `tag` may be empty. Nothing is stored unless everything is.
  PutOutcome put_manifest(const RepositoryKey& key, const Manifest& manifest,
                          const ParsedManifest& parsed, const std::string& tag,
                          WhenMissing when_missing);
  // Creates the repository with ECR's defaults where it is missing.
  void ensure_repository(const RepositoryKey& key);
  // The image manifest behind a digest: of an index, the one for this machine.
  Manifest image_manifest(const std::string& account, const std::string& digest);

  store::Database& database;
  const base::Clock& clock;
  store::Spool& spool;
  const ImagesOptions options;
  BlobStore blobs;
  Uploads uploads;
  LayerCache layers;
};

}  // namespace slipway::images
