// What the evidence for a package is read from: the registry and the buckets.

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "images/images.h"
#include "models/evidence.h"
#include "models/models.h"
#include "objects/objects.h"

namespace slipway::models {
namespace {

constexpr std::uint64_t kReportBytes = 1u << 20;
constexpr std::size_t kMostObjects = 10'000;  // below one prefix

// An ETag is the MD5 of an object that came in one piece, and its parts' of another; either way it
// is another where the bytes are.
std::string digest_of_etag(const std::string& etag) {
  const std::string plain = base::replace_all(etag, "\"", "");
  return (plain.find('-') == std::string::npos ? "md5:" : "etag:") + plain;
}

std::optional<std::string> digest_below(const objects::Objects& objects, const std::string& account,
                                        const objects::Location& at) {
  base::Digest digest(base::Algorithm::kSha256);
  std::size_t count = 0;
  objects.for_each(account, at.bucket, at.key, [&](const objects::ObjectInfo& object) {
    if (++count > kMostObjects)
      throw Error("ValidationException", "More than " + std::to_string(kMostObjects) +
                                             " objects lie below s3://" + at.bucket + "/" + at.key +
                                             ": name the model's own prefix.");
    digest.update(object.key + "\n" + object.etag + "\n");
  });
  if (count == 0) return std::nullopt;
  return "listing-sha256:" + base::hex(digest.finish());
}

std::optional<std::string> digest_of_data(const objects::Objects& objects,
                                          const std::string& account, const std::string& url) {
  const auto at = objects::parse_s3_uri(url);
  if (!at || !objects.has_bucket(account, at->bucket)) return std::nullopt;
  if (!at->key.empty() && !at->key.ends_with('/')) {
    if (const auto object = objects.find(account, at->bucket, at->key))
      return digest_of_etag(object->etag);
  }
  return digest_below(objects, account, *at);
}

}  // namespace

Sources Models::sources_of(const std::string& account) const {
  Sources sources;
  sources.image = [this, account](const std::string& image) -> std::optional<std::string> {
    try {
      return images_.resolve(account, image).digest;
    } catch (const Error& error) {
      // An image that lies elsewhere is allowed; it has no digest that we could vouch for.
      if (error.code() == "ValidationException") return std::nullopt;
      throw;
    }
  };
  sources.data = [this, account](const std::string& url) {
    return digest_of_data(objects_, account, url);
  };
  sources.report = [this, account](const std::string& url) -> std::optional<Json> {
    const auto at = objects::parse_s3_uri(url);
    if (!at || at->key.empty()) return std::nullopt;
    try {
      return base::try_parse_json(objects_.read(account, at->bucket, at->key, kReportBytes));
    } catch (const Error& error) {
      // A package may be registered before its report is there, or with one that lies elsewhere.
      if (error.status() < 500) return std::nullopt;
      throw;
    }
  };
  return sources;
}

}  // namespace slipway::models
