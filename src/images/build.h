#pragma once

// Building images without a daemon and without privileges: the base's layers, a layer with the
// Python packages of requirements.txt, a layer with the code. What another tool has built from a
// Dockerfile is a base like any other.
//
// The same plan gives the same bytes, so the same digest. Packages are installed inside the
// base, by a container that the caller runs; the resulting layer is kept in the cache, under
// a digest of the requirements, the base and its Python. Formats: docs/formats/images.md.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "images/images.h"
#include "images/registry_client.h"

namespace slipway::images {

struct BuildPlan {
  std::string base = "host";  // or an image of the registry: "health/base:1.0", "…@sha256:…"
  // An OCI layout with one image, to build on instead of `base`; needed until the push.
  std::optional<std::filesystem::path> base_layout;
  std::string requirements;      // the text of requirements.txt; may be empty
  std::filesystem::path source;  // the tree that becomes the code layer; may be empty
  // In .dockerignore's manner: a pattern without "/" matches a name at any depth, one with "/" the
  // path from the source; "*" matches anything; the last match counts, and "!" takes one back.
  std::vector<std::string> ignore;
  std::string destination = "/opt/program";        // of the source, in the image
  std::map<std::string, std::string> extra_files;  // absolute path to contents; mode 0755
  std::vector<std::string> entrypoint;             // the base's where empty
  std::map<std::string, std::string> environment;  // over the base's
  // "org.opencontainers.image.created" also becomes the image's time; 1970 without it.
  std::map<std::string, std::string> labels;
  std::string working_directory;       // the base's where empty
  std::int64_t source_date_epoch = 0;  // modification time of every file, epoch seconds
  // Where PIP_*, proxy and certificate variables for the installation come from; this process's
  // environment where absent.
  std::optional<std::map<std::string, std::string>> build_environment;
};

struct BuiltLayer {
  std::string digest;      // of the compressed file
  std::string diff_id;     // of the tar inside it
  std::uint64_t size = 0;  // of the compressed file, in bytes
  std::string media_type;
  std::filesystem::path path;
};

struct BuiltImage {
  std::string digest;    // of the manifest
  std::string manifest;  // its text
  std::string config;
  std::vector<BuiltLayer> layers;  // lowest first
  bool dependencies_cached = false;
  std::string base_repository;  // where the base's layers are; empty for "host"
};

// Runs a command in a container with network, made by the caller.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // Returns the exit code. Each of `writable_mounts` is a directory here and its path there.
  virtual int run(const UnpackedImage& base, const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& environment,
                  const std::vector<std::pair<std::filesystem::path, std::string>>& writable_mounts,
                  std::function<void(std::string_view line)> on_line) = 0;
};

// Throws Error{BuildError} with what to do: no such base, no Python or pip in it, a requirement
// that cannot be installed. `registry` may be null where the base is "host". `progress`
// gets a line at a time.
BuiltImage build(const BuildPlan& plan, const std::filesystem::path& cache_directory,
                 RegistryClient* registry, StepRunner& steps,
                 const std::function<void(std::string_view)>& progress);

// Sends what the registry does not have, the manifest last.
void push(const BuiltImage& image, RegistryClient& registry, const std::string& repository,
          const std::string& tag);

// Makes the image ready to run on this machine, without a registry.
UnpackedImage unpack_locally(const BuiltImage& image, const std::filesystem::path& cache_directory);

}  // namespace slipway::images
