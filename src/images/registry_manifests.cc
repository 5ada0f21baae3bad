#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "images/registry_parts.h"

namespace slipway::images {
namespace {

std::string accept_of(const net::Headers& headers) {
  // Clients send one field a media type, or one with all.
  std::vector<std::string> values;
  for (const auto& [name, value] : headers) {
    if (base::equals_ignoring_case(name, "Accept")) values.push_back(value);
  }
  return base::join(values, ",");
}

std::optional<Manifest> find(const RegistryCall& call, const std::string& reference) {
  return call.state.database.read(
      [&](store::Reader& reader) { return find_manifest(reader, call.key, reference); });
}

// A client that does not know indexes gets the image for this machine instead.
Manifest for_client(const RegistryCall& call, Manifest manifest) {
  const bool is_index = manifest.media_type == kOciIndex || manifest.media_type == kDockerList;
  if (!is_index || is_digest(call.route.reference)) return manifest;
  const std::string accept = accept_of(call.request.headers);
  if (accepts(accept, manifest.media_type)) return manifest;
  if (!accepts(accept, kOciManifest) && !accepts(accept, kDockerManifest)) return manifest;
  const auto chosen =
      choose_platform(base::parse_json(manifest.content, "image index"), native_architecture());
  if (!chosen) return manifest;
  return find(call, *chosen).value_or(manifest);
}

net::Response send_manifest(const RegistryCall& call) {
  auto found = find(call, call.route.reference);
  if (!found) throw_unknown(call, "MANIFEST_UNKNOWN", "manifest unknown");
  Manifest manifest = for_client(call, std::move(*found));
  net::Response response;
  response.headers.set("Content-Type", manifest.media_type);
  response.headers.set("Docker-Content-Digest", manifest.digest);
  response.headers.set("ETag", "\"" + manifest.digest + "\"");
  if (call.request.headers.get("If-None-Match") == "\"" + manifest.digest + "\"") {
    response.status = 304;
    return response;
  }
  response.body = std::move(manifest.content);
  return response;
}

[[noreturn]] void refuse(const RegistryCall& call, const PutOutcome& outcome) {
  if (const auto* blob = std::get_if<BlobMissing>(&outcome)) {
    throw Error("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", 404,
                Json{{"digest", blob->digest}});
  }
  if (const auto* child = std::get_if<ManifestMissing>(&outcome)) {
    throw Error("MANIFEST_BLOB_UNKNOWN", "manifest unknown to registry", 404,
                Json{{"digest", child->digest}});
  }
  if (std::holds_alternative<TagIsImmutable>(outcome)) {
    throw Error("TAG_INVALID",
                "The image tag '" + call.route.reference + "' already exists in the '" +
                    call.key.name +
                    "' repository and cannot be overwritten because the tag is immutable.",
                400);
  }
  throw Error("NAME_UNKNOWN", "repository name not known to registry", 404);
}

net::Response put_manifest(const RegistryCall& call) {
  const net::Body& body = call.request.body;
  if (body.size() > kManifestLimit) {
    throw Error("SIZE_INVALID", "a manifest has at most 4 MiB", 413);
  }
  const std::string& reference = call.route.reference;
  const bool by_digest = reference.find(':') != std::string::npos;
  if (!by_digest && !is_tag(reference)) throw Error("TAG_INVALID", "invalid tag", 400);
  Manifest manifest;
  manifest.content = body.text(kManifestLimit);
  manifest.digest = "sha256:" + body.sha256();
  if (by_digest && reference != manifest.digest) {
    throw Error("DIGEST_INVALID", "provided digest did not match uploaded content", 400,
                Json{{"provided", reference}, {"uploaded", manifest.digest}});
  }
  const ParsedManifest parsed =
      parse_manifest(manifest.content, call.request.headers.get("Content-Type"));
  manifest.media_type = parsed.media_type;
  manifest.artifact_type = parsed.artifact_type;
  manifest.subject = parsed.subject;
  manifest.annotations = parsed.annotations;
  manifest.image_size = parsed.image_size;
  manifest.pushed = call.state.clock.now();
  const PutOutcome outcome = call.state.put_manifest(
      call.key, manifest, parsed, by_digest ? "" : reference, WhenMissing::kCreate);
  if (!std::holds_alternative<Stored>(outcome)) refuse(call, outcome);
  net::Response response;
  response.status = 201;
  response.headers.set("Location", "/v2/" + call.key.name + "/manifests/" + manifest.digest);
  response.headers.set("Docker-Content-Digest", manifest.digest);
  if (!manifest.subject.empty()) response.headers.set("OCI-Subject", manifest.subject);
  return response;
}

net::Response delete_manifest(const RegistryCall& call) {
  const std::string& reference = call.route.reference;
  enum class Outcome { kUnknown, kInUse, kDeleted };
  const Outcome outcome = call.state.database.write([&](store::Transaction& transaction) {
    if (!is_digest(reference)) {
      return delete_tag(transaction, call.key, reference) ? Outcome::kDeleted : Outcome::kUnknown;
    }
    if (is_referenced(transaction, call.key, reference)) return Outcome::kInUse;
    return images::delete_manifest(transaction, call.key, reference) ? Outcome::kDeleted
                                                                     : Outcome::kUnknown;
  });
  if (outcome == Outcome::kUnknown) throw_unknown(call, "MANIFEST_UNKNOWN", "manifest unknown");
  if (outcome == Outcome::kInUse) {
    throw Error("UNSUPPORTED", "an index of this repository refers to the manifest", 405);
  }
  net::Response response;
  response.status = 202;
  return response;
}

}  // namespace

net::Response handle_manifest(const RegistryCall& call) {
  if (call.is_read()) return send_manifest(call);
  if (call.request.method == "PUT") return put_manifest(call);
  if (call.request.method == "DELETE") return delete_manifest(call);
  throw_unsupported();
}

}  // namespace slipway::images
