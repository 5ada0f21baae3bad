#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

// ListObjects and ListObjectsV2.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

enum class Owners { kLeaveOut, kNamed };

Json item_of(const Version& version, bool encode) {
  Json item = {{"Key", encode_name(version.key, encode)},
               {"LastModified", base::epoch_seconds(version.modified)},
               {"ETag", version.etag},
               {"Size", version.content.size},
               {"StorageClass", version.storage_class}};
  if (!version.checksum_algorithm.empty()) {
    item["ChecksumAlgorithm"] = Json::array({version.checksum_algorithm});
    item["ChecksumType"] = version.checksum_type;
  }
  return item;
}

struct Found {
  Bucket bucket;
  Listing<Version> listing;
};

Found find(Objects::State& state, const Call& call, const std::string& marker) {
  ListQuery query;
  query.prefix = call.text("Prefix");
  query.delimiter = call.text("Delimiter");
  query.start = position_after(marker, "", query.prefix, query.delimiter);
  query.limit = limit_of(call, "MaxKeys");
  return state.database.read([&](store::Reader& reader) {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    Listing<Version> listing = list_objects(reader, bucket.name, query);
    return Found{std::move(bucket), std::move(listing)};
  });
}

// What both versions of the operation answer.
Json common_members(const Call& call, const Found& found, Owners owners) {
  const bool encode = wants_encoding(call);
  Json output = {{"Name", found.bucket.name},
                 {"Prefix", encode_name(call.text("Prefix"), encode)},
                 {"MaxKeys", limit_of(call, "MaxKeys")},
                 {"IsTruncated", found.listing.truncated}};
  if (encode) output["EncodingType"] = "url";
  if (call.has("Delimiter")) output["Delimiter"] = encode_name(call.text("Delimiter"), encode);
  const Json owner = owner_json(found.bucket.account);
  Json contents = Json::array();
  for (const Version& version : found.listing.rows) {
    Json item = item_of(version, encode);
    if (owners == Owners::kNamed) item["Owner"] = owner;
    contents.push_back(std::move(item));
  }
  if (!contents.empty()) output["Contents"] = std::move(contents);
  Json prefixes = Json::array();
  for (const std::string& prefix : found.listing.common_prefixes) {
    prefixes.push_back({{"Prefix", encode_name(prefix, encode)}});
  }
  if (!prefixes.empty()) output["CommonPrefixes"] = std::move(prefixes);
  return output;
}

Reply list_v1(Objects::State& state, Call& call) {
  const bool encode = wants_encoding(call);
  const std::string marker = call.text("Marker");
  Found found = find(state, call, marker);
  Json output = common_members(call, found, Owners::kNamed);
  output["Marker"] = encode_name(marker, encode);
  // S3 gives it only with a delimiter; without, clients continue at the last key.
  if (found.listing.truncated && call.has("Delimiter")) {
    output["NextMarker"] = encode_name(found.listing.last, encode);
  }
  return output;
}

// The token is the last entry: opaque to clients, so its form may change.
std::string token_of(const std::string& last) { return base::base64("1" + last); }

std::string marker_of_token(const std::string& token) {
  auto text = base::from_base64(token);
  if (text && text->starts_with("1") && text->size() > 1) return text->substr(1);
  throw invalid_argument("The continuation token provided is incorrect", "continuation-token",
                         token);
}

Reply list_v2(Objects::State& state, Call& call) {
  const bool encode = wants_encoding(call);
  const std::string start_after = call.text("StartAfter");
  const std::string token = call.text("ContinuationToken");
  const bool continues = call.has("ContinuationToken");
  Found found = find(state, call, continues ? marker_of_token(token) : start_after);
  const bool owners = base::boolean_or(call.input, "FetchOwner", false);
  Json output = common_members(call, found, owners ? Owners::kNamed : Owners::kLeaveOut);
  output["KeyCount"] = found.listing.rows.size() + found.listing.common_prefixes.size();
  if (continues) output["ContinuationToken"] = token;
  if (!start_after.empty()) output["StartAfter"] = encode_name(start_after, encode);
  if (found.listing.truncated) output["NextContinuationToken"] = token_of(found.listing.last);
  return output;
}

}  // namespace

void register_list_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "ListObjects", [&state](Call& call) { return list_v1(state, call); });
  api.on("s3", "ListObjectsV2", [&state](Call& call) { return list_v2(state, call); });
}

}  // namespace slipway::objects
