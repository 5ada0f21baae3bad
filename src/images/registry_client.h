#pragma once

// A client of any registry that speaks OCI distribution 1.1 with Basic authentication.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "net/client.h"

namespace slipway::images {

struct FetchedManifest {
  std::string digest;
  std::string media_type;
  std::string content;
};

// Thread-safe. Every member throws Error{RegistryError} with the request and the registry's own
// words where it refuses, and Error{ConnectionError} where it does not answer.
class RegistryClient {
 public:
  // `url`: "http://127.0.0.1:4700", without a path. `user` and `password` may be empty.
  RegistryClient(net::Client& client, std::string url, const std::string& user,
                 const std::string& password);

  bool has_blob(const std::string& repository, const std::string& digest);
  // Uploads the file unless the registry has it. Where `mount_from` names another repository,
  // the registry is first asked to take the blob from there.
  void push_blob(const std::string& repository, const std::string& digest,
                 const std::filesystem::path& file, const std::string& mount_from = "");
  void push_bytes(const std::string& repository, const std::string& digest,
                  const std::string& bytes);
  // Writes the blob to `file`, which must not exist, and verifies its digest.
  void pull_blob(const std::string& repository, const std::string& digest,
                 const std::filesystem::path& file);
  // `reference`: tag or digest. An index is answered as it is.
  std::optional<FetchedManifest> get_manifest(const std::string& repository,
                                              const std::string& reference);
  // Returns the manifest's digest.
  std::string put_manifest(const std::string& repository, const std::string& reference,
                           const std::string& media_type, const std::string& content);

  // Empty where there is no such repository.
  std::vector<std::string> tags(const std::string& repository);
  // The next three throw where there is no such image.
  std::string manifest_digest(const std::string& repository, const std::string& reference);
  // The manifest for this machine: of an index, the chosen one.
  FetchedManifest image_manifest(const std::string& repository, const std::string& reference);
  Json image_config(const std::string& repository, const std::string& reference);

 private:
  net::ClientRequest request(const std::string& method, const std::string& path) const;
  net::ClientResponse send(const net::ClientRequest& request);
  [[noreturn]] static void refuse(const net::ClientRequest& request,
                                  const net::ClientResponse& response);
  void upload(const std::string& repository, const std::string& digest,
              const std::string& mount_from, net::ClientRequest content);
  std::string absolute(const std::string& location) const;

  net::Client& client_;
  const std::string url_;
  const std::string authorization_;  // empty: none
};

}  // namespace slipway::images
