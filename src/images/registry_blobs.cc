#include "base/error.h"
#include "base/strings.h"
#include "images/registry_parts.h"

namespace slipway::images {
namespace {

std::string blob_location(const RegistryCall& call, const std::string& digest) {
  return "/v2/" + call.key.name + "/blobs/" + digest;
}

net::Response created(const RegistryCall& call, const std::string& digest) {
  net::Response response;
  response.status = 201;
  response.headers.set("Location", blob_location(call, digest));
  response.headers.set("Docker-Content-Digest", digest);
  return response;
}

std::string checked_digest(const std::string& digest) {
  if (!is_digest(digest)) {
    throw Error("DIGEST_INVALID", "provided digest is not a sha256 digest", 400,
                Json{{"digest", digest}});
  }
  return digest;
}

net::Response progress(const RegistryCall& call, const std::string& id, std::uint64_t received,
                       int status) {
  net::Response response;
  response.status = status;
  response.headers.set("Location", "/v2/" + call.key.name + "/blobs/uploads/" + id);
  // The last byte's position; the specification has no way to say "none yet" but this.
  response.headers.set("Range", "0-" + std::to_string(received == 0 ? 0 : received - 1));
  response.headers.set("Docker-Upload-UUID", id);
  return response;
}

net::Response send_blob(const RegistryCall& call) {
  const std::string digest = checked_digest(call.route.reference);
  const auto blob = call.state.blobs.find(call.key, digest);
  if (!blob) throw_unknown(call, "BLOB_UNKNOWN", "blob unknown to registry");
  net::Response response;
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("Docker-Content-Digest", digest);
  response.headers.set("ETag", "\"" + digest + "\"");
  response.headers.set("Accept-Ranges", "bytes");
  response.headers.set("Cache-Control", "private, max-age=31536000, immutable");
  if (call.request.headers.get("If-None-Match") == "\"" + digest + "\"") {
    response.status = 304;
    return response;
  }
  if (call.request.method == "HEAD") {
    response.content_length = blob->size;
    return response;
  }
  net::FileSlice slice{call.state.blobs.path_of(digest), 0, blob->size, nullptr};
  const RangeDecision decision = decide_range(call.request.headers.get("Range"), blob->size);
  if (decision.kind == RangeKind::kUnsatisfiable) {
    response = net::plain(416, "");
    response.headers.set("Content-Range", "bytes */" + std::to_string(blob->size));
    return response;
  }
  if (decision.kind == RangeKind::kPart) {
    response.status = 206;
    slice.offset = decision.range.first;
    slice.length = decision.range.last - decision.range.first + 1;
    response.headers.set("Content-Range", "bytes " + std::to_string(decision.range.first) + "-" +
                                              std::to_string(decision.range.last) + "/" +
                                              std::to_string(blob->size));
  }
  response.body = std::move(slice);
  return response;
}

net::Response delete_blob(const RegistryCall& call) {
  const std::string digest = checked_digest(call.route.reference);
  enum class Outcome { kUnknown, kInUse, kDeleted };
  const Outcome outcome = call.state.database.write([&](store::Transaction& transaction) {
    if (is_referenced(transaction, call.key, digest)) return Outcome::kInUse;
    return unlink_blob(transaction, call.key, digest) ? Outcome::kDeleted : Outcome::kUnknown;
  });
  if (outcome == Outcome::kUnknown) {
    throw_unknown(call, "BLOB_UNKNOWN", "blob unknown to registry");
  }
  if (outcome == Outcome::kInUse) {
    throw Error("UNSUPPORTED", "a manifest of this repository refers to the blob", 405);
  }
  net::Response response;
  response.status = 202;
  return response;
}

Uploads::Session open_upload(const RegistryCall& call) {
  auto session = call.state.uploads.open(call.key, call.route.reference);
  if (!session) {
    throw Error("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", 404,
                Json{{"upload", call.route.reference}});
  }
  return std::move(*session);
}

// An answer refuses the piece: it does not continue what has arrived.
std::optional<net::Response> check_piece(const RegistryCall& call,
                                         const Uploads::Session& session) {
  const auto header = call.request.headers.find("Content-Range");
  if (!header) return std::nullopt;
  const auto range = parse_content_range(*header);
  if (!range) throw Error("BLOB_UPLOAD_INVALID", "Content-Range is not <first>-<last>", 400);
  if (range->first != session.received()) {
    return progress(call, call.route.reference, session.received(), 416);
  }
  if (range->last - range->first + 1 != call.request.body.size()) {
    throw Error("SIZE_INVALID", "Content-Range and the content differ in length", 400);
  }
  return std::nullopt;
}

net::Response finish_upload(const RegistryCall& call, Uploads::Session& session) {
  const std::string digest = checked_digest(call.parameter("digest").value_or(""));
  if (auto refusal = check_piece(call, session)) return std::move(*refusal);
  if (session.received() == 0) {
    call.state.blobs.store_body(call.key, digest, call.request.body);
  } else {
    session.append(call.request.body);
    const std::string actual = session.digest();
    if (actual != digest) {
      session.discard();
      throw Error("DIGEST_INVALID", "provided digest did not match uploaded content", 400,
                  Json{{"provided", digest}, {"uploaded", actual}});
    }
    call.state.blobs.adopt_file(call.key, digest, session.received(), session.path());
  }
  session.discard();
  return created(call, digest);
}

}  // namespace

net::Response handle_blob(const RegistryCall& call) {
  if (call.is_read()) return send_blob(call);
  if (call.request.method == "DELETE") return delete_blob(call);
  throw_unsupported();
}

net::Response handle_uploads(const RegistryCall& call) {
  if (call.request.method != "POST") throw_unsupported();
  const auto digest = call.parameter("digest");
  if (digest) checked_digest(*digest);
  call.state.ensure_repository(call.key);
  if (digest) {
    call.state.blobs.store_body(call.key, *digest, call.request.body);
    return created(call, *digest);
  }
  const auto mount = call.parameter("mount");
  if (mount && is_digest(*mount) &&
      call.state.blobs.mount(call.key, call.parameter("from").value_or(""), *mount)) {
    return created(call, *mount);
  }
  return progress(call, call.state.uploads.start(call.key), 0, 202);
}

net::Response handle_upload(const RegistryCall& call) {
  Uploads::Session session = open_upload(call);
  const std::string& id = call.route.reference;
  if (call.request.method == "PATCH") {
    if (auto refusal = check_piece(call, session)) return std::move(*refusal);
    session.append(call.request.body);
    return progress(call, id, session.received(), 202);
  }
  if (call.request.method == "PUT") return finish_upload(call, session);
  if (call.request.method == "GET") return progress(call, id, session.received(), 204);
  if (call.request.method == "DELETE") {
    session.discard();
    net::Response response;
    response.status = 204;
    return response;
  }
  throw_unsupported();
}

}  // namespace slipway::images
