#pragma once

// The values of the images room.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::images {

inline constexpr std::uint64_t kManifestLimit = 4u << 20;     // bytes
inline constexpr std::uint64_t kConfigLimit = 8u << 20;       // bytes
inline constexpr std::uint64_t kBlobLimit = 128ull << 30;     // bytes
inline constexpr std::uint64_t kLayerPartSize = 20ull << 20;  // ECR's UploadLayerPart, as AWS says

inline constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";

// An image as people write it: [host/]repository[:tag][@digest].
struct Reference {
  std::string host;        // empty where none was given
  std::string repository;  // "health/tumour"
  std::string tag;         // "latest" where neither tag nor digest was given
  std::string digest;      // empty where a tag was given
};

struct Repository {
  std::string account;
  std::string name;
  base::Millis created = 0;
  // MUTABLE, IMMUTABLE, or either _WITH_EXCLUSION.
  std::string tag_mutability = "MUTABLE";
  // ECR's imageTagMutabilityExclusionFilters; tags that match one are the exception.
  Json exclusion_filters = Json::array();
  bool scan_on_push = false;
  Json encryption = Json{{"encryptionType", "AES256"}};
};

struct Descriptor {
  std::string media_type;
  std::string digest;
  std::uint64_t size = 0;
};

// A manifest as it was pushed, and what was read from it.
struct Manifest {
  std::string digest;
  std::string media_type;
  std::string content;        // the very bytes that the digest is of; empty in lists
  std::uint64_t size = 0;     // of the content, in bytes
  std::string artifact_type;  // its own, else its configuration's media type
  std::string subject;        // digest of the manifest that it refers to; empty where none
  Json annotations = Json::object();
  std::uint64_t image_size = 0;  // configuration and layers, compressed, in bytes
  base::Millis pushed = 0;
};

// What a manifest's text says.
struct ParsedManifest {
  std::string media_type;
  bool is_index = false;
  std::vector<Descriptor> blobs;      // configuration first, then layers; not foreign ones
  std::vector<Descriptor> manifests;  // of an index
  std::string artifact_type;
  std::string subject;
  Json annotations = Json::object();
  std::uint64_t image_size = 0;
};

struct Blob {
  std::string digest;
  std::uint64_t size = 0;
  base::Millis touched = 0;  // last pushed, mounted or asked for
};

}  // namespace slipway::images
