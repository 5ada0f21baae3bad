#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

// ListObjectVersions. In a bucket without versions every object is its version "null".

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

Json item_of(const ListedVersion& row, const Json& owner, bool encode) {
  const Version& version = row.version;
  Json item = {{"Key", encode_name(version.key, encode)},
               {"VersionId", version.version},
               {"IsLatest", row.current},
               {"LastModified", base::epoch_seconds(version.modified)},
               {"Owner", owner}};
  if (version.delete_marker) return item;
  item["ETag"] = version.etag;
  item["Size"] = version.content.size;
  item["StorageClass"] = version.storage_class;
  if (!version.checksum_algorithm.empty()) {
    item["ChecksumAlgorithm"] = Json::array({version.checksum_algorithm});
    item["ChecksumType"] = version.checksum_type;
  }
  return item;
}

// Behind the version that the markers name. Throws InvalidArgument for a version alone.
Position start_of(store::Reader& reader, const Call& call, const ListQuery& query) {
  const std::string key = call.text("KeyMarker");
  const std::string id = call.text("VersionIdMarker");
  if (key.empty()) {
    if (id.empty()) return {};
    throw invalid_argument("A version-id marker cannot be specified without a key marker.",
                           "version-id-marker", id);
  }
  std::string within;
  if (!id.empty()) {
    auto version = find_version(reader, bucket_of(call), key, id);
    // It may have been deleted since the last page, as clients that empty a bucket do. Then the
    // rest of its key comes again, which is right for them, and the next page goes on.
    if (!version) return {key, true, ""};
    within = within_of(*version);
  }
  return position_after(key, within, query.prefix, query.delimiter);
}

Reply list(Objects::State& state, Call& call) {
  const bool encode = wants_encoding(call);
  ListQuery query;
  query.prefix = call.text("Prefix");
  query.delimiter = call.text("Delimiter");
  query.limit = limit_of(call, "MaxKeys");
  Bucket bucket;
  auto listing = state.database.read([&](store::Reader& reader) {
    bucket = require_bucket(reader, access_of(call), bucket_of(call));
    query.start = start_of(reader, call, query);
    return list_versions(reader, bucket.name, query);
  });
  Json output = {{"Name", bucket.name},
                 {"Prefix", encode_name(query.prefix, encode)},
                 {"KeyMarker", encode_name(call.text("KeyMarker"), encode)},
                 {"VersionIdMarker", call.text("VersionIdMarker")},
                 {"MaxKeys", query.limit},
                 {"IsTruncated", listing.truncated}};
  if (encode) output["EncodingType"] = "url";
  if (!query.delimiter.empty()) output["Delimiter"] = encode_name(query.delimiter, encode);
  if (listing.truncated) {
    output["NextKeyMarker"] = encode_name(listing.last, encode);
    if (!listing.last_within.empty()) {
      output["NextVersionIdMarker"] = listing.rows.back().version.version;
    }
  }
  const Json owner = owner_json(bucket.account);
  for (const ListedVersion& row : listing.rows) {
    output[row.version.delete_marker ? "DeleteMarkers" : "Versions"].push_back(
        item_of(row, owner, encode));
  }
  for (const std::string& prefix : listing.common_prefixes) {
    output["CommonPrefixes"].push_back({{"Prefix", encode_name(prefix, encode)}});
  }
  return output;
}

}  // namespace

void register_version_list_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "ListObjectVersions", [&state](Call& call) { return list(state, call); });
}

}  // namespace slipway::objects
