#pragma once

// Repositories, manifests and blobs; what a container is made from.
//
// The registry keeps blobs by digest under <data>/blobs/sha256 and manifests and tags in
// the database. A container gets its file system from an UnpackedImage: one read-only
// directory a layer, unpacked once per layer digest.
//
// The pseudo-base "host" (label slipway.base=host in the image's configuration) means: below the
// image's layers lie the machine's own /usr, /lib*, /bin, /sbin and /etc essentials.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/http.h"
#include "store/database.h"
#include "store/files.h"
#include "wire/api.h"

namespace slipway::iam {
class Iam;
}

namespace slipway::images {

inline constexpr const char* kHostBaseLabel = "slipway.base";

// What the image says about running it (OCI image configuration, "config").
struct RunConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;
  std::string user;
  std::map<std::string, std::string> labels;
};

// Ready to be mounted. The directories stay for as long as the object lives (the cache
// does not evict what is in use) and must not be written to.
struct UnpackedImage {
  std::string digest;  // of the manifest, "sha256:…"
  bool host_base = false;
  std::vector<std::filesystem::path> layers;  // lowest first; OCI whiteouts turned into overlayfs's
  RunConfig config;
  std::shared_ptr<void> keep;
};

struct ResolvedImage {
  std::string repository;  // "health/tumour"
  std::string tag;         // empty where the reference named a digest
  std::string digest;
  std::string uri;  // the reference with the tag replaced by @digest
};

struct ImagesOptions {
  std::filesystem::path directory;  // <data>; uses <data>/blobs, <data>/images
  std::string region = "us-east-1";
  std::uint64_t upload_expiry_seconds = 24 * 3600;
  // How long a blob that no manifest refers to stays: a push puts blobs first.
  std::uint64_t garbage_grace_seconds = 24 * 3600;
  // Unpacked layers beyond this are evicted, where nobody uses them.
  std::uint64_t unpacked_limit_bytes = 50ull << 30;
};

// Thread-safe.
class Images {
 public:
  Images(store::Database& database, const base::Clock& clock, store::Disk& disk,
         store::Spool& spool, ImagesOptions options);
  ~Images();

  // Accepts "repo:tag", "repo@sha256:…", with any registry host before it (this server, or
  // "<account>.dkr.ecr.<region>.amazonaws.com"), and a bare "host" for the pseudo-base.
  // Throws Error{ValidationException} that names the reference where there is no such image.
  ResolvedImage resolve(const std::string& account, const std::string& reference) const;
  UnpackedImage unpack(const std::string& account, const std::string& digest);

  // Collects unreferenced blobs, expires uploads, syncs and evicts unpacked layers. Safe beside
  // every other call; meant to be called every few minutes on a thread that may block.
  void maintain();

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// ECR: the operations of the reference's index. `registry_url`: "http://127.0.0.1:4700".
void register_ecr_api(wire::Api& api, Images& images, const iam::Iam& iam,
                      std::string registry_url);

// OCI distribution 1.1 under /v2/, with Basic and Bearer authentication against `iam`.
class Registry {
 public:
  Registry(Images& images, const iam::Iam& iam);
  std::optional<net::Response> admit(const net::RequestHead& head) const;
  net::Response handle(const net::Request& request);

 private:
  Images& images_;
  const iam::Iam& iam_;
};

}  // namespace slipway::images
