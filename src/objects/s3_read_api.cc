#include "base/error.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

// GetObject, HeadObject, GetObjectAttributes.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

// The bytes that an answer carries.
struct Window {
  Range range;
  bool partial = false;
};

Window part_window(const Version& version, std::int64_t number) {
  const auto parts = static_cast<std::int64_t>(version.parts.size());
  if (number < 1 || number > std::max<std::int64_t>(parts, 1)) {
    throw Error("InvalidPartNumber", "The requested partnumber is not satisfiable", 416,
                {{"PartNumberRequested", std::to_string(number)},
                 {"ActualPartCount", std::to_string(std::max<std::int64_t>(parts, 1))}});
  }
  const std::uint64_t size = version.content.size;
  if (parts == 0) return {{0, size}, size > 0};
  std::uint64_t offset = 0;
  for (std::int64_t i = 0; i + 1 < number; ++i) offset += version.parts[i].size;
  return {{offset, version.parts[number - 1].size}, true};
}

Window window_of(const Call& call, const Version& version) {
  const std::string range = call.text("Range");
  if (call.has("PartNumber")) {
    if (!range.empty()) {
      throw invalid_request("Cannot specify both Range header and partNumber query parameter");
    }
    return part_window(version, base::integer_or(call.input, "PartNumber", 0));
  }
  if (auto asked = decide_range(range, version.content.size)) return {*asked, true};
  return {{0, version.content.size}, false};
}

void add_override(Json& output, const Call& call, const char* parameter, const char* member) {
  if (call.has(parameter)) output[member] = call.input[parameter];
}

Json describe(const Call& call, const Bucket& bucket, const Version& version,
              const Window& window) {
  Json output = version.headers;
  output["ETag"] = version.etag;
  output["LastModified"] = base::epoch_seconds(version.modified);
  output["AcceptRanges"] = "bytes";
  if (!version.metadata.empty()) output["Metadata"] = version.metadata;
  if (!version.tags.empty()) output["TagCount"] = version.tags.size();
  if (version.storage_class != "STANDARD") output["StorageClass"] = version.storage_class;
  if (call.has("PartNumber") && !version.parts.empty()) {
    output["PartsCount"] = version.parts.size();
  }
  add_version_member(output, bucket, version);
  // A checksum is of the whole, so a part of the bytes goes without.
  if (!window.partial && call.text("ChecksumMode") == "ENABLED") {
    add_checksum_members(output, version.checksums);
    if (!version.checksum_type.empty()) output["ChecksumType"] = version.checksum_type;
  }
  if (window.partial) {
    const Range& range = window.range;
    output["ContentRange"] = "bytes " + std::to_string(range.offset) + "-" +
                             std::to_string(range.offset + range.length - 1) + "/" +
                             std::to_string(version.content.size);
  }
  add_override(output, call, "ResponseCacheControl", "CacheControl");
  add_override(output, call, "ResponseContentDisposition", "ContentDisposition");
  add_override(output, call, "ResponseContentEncoding", "ContentEncoding");
  add_override(output, call, "ResponseContentLanguage", "ContentLanguage");
  add_override(output, call, "ResponseContentType", "ContentType");
  if (auto expires = time_of(call, "ResponseExpires")) {
    output["Expires"] = base::http_date(*expires);
  }
  return output;
}

// The answer where the client's copy is still good. Throws PreconditionFailed.
std::optional<Reply> answer_by_condition(const Call& call, const Bucket& bucket,
                                         const Version& version) {
  ReadConditions conditions{call.text("IfMatch"), call.text("IfNoneMatch"),
                            time_of(call, "IfModifiedSince"), time_of(call, "IfUnmodifiedSince")};
  switch (decide_read(conditions, version)) {
    case ReadOutcome::kProceed:
      return std::nullopt;
    case ReadOutcome::kPreconditionFailed:
      throw precondition_failed(conditions.if_match.empty() ? "If-Unmodified-Since" : "If-Match");
    case ReadOutcome::kNotModified:
      break;
  }
  Reply reply(
      Json{{"ETag", version.etag}, {"LastModified", base::epoch_seconds(version.modified)}});
  add_version_member(reply.output, bucket, version);
  reply.status = 304;
  reply.payload = std::string();
  return reply;
}

void refuse_customer_key(const Call& call) {
  if (call.has("SSECustomerAlgorithm")) {
    throw invalid_request("The encryption parameters are not applicable to this object.");
  }
}

Reply get(Objects::State& state, Call& call) {
  refuse_customer_key(call);
  OpenedObject object =
      open_object(state, access_of(call), bucket_of(call), key_of(call), call.text("VersionId"));
  if (auto reply = answer_by_condition(call, object.bucket, object.version)) return *reply;
  Window window = window_of(call, object.version);
  Reply reply(describe(call, object.bucket, object.version, window));
  reply.payload = object.bytes.slice(window.range.offset, window.range.length);
  if (window.partial) reply.status = 206;
  return reply;
}

Reply head(Objects::State& state, Call& call) {
  refuse_customer_key(call);
  Bucket bucket;
  Version version = state.database.read([&](store::Reader& reader) {
    bucket = require_bucket(reader, access_of(call), bucket_of(call));
    return require_version(reader, bucket.name, key_of(call), call.text("VersionId"));
  });
  if (auto reply = answer_by_condition(call, bucket, version)) return *reply;
  Window window = window_of(call, version);
  Reply reply(describe(call, bucket, version, window));
  reply.content_length = window.range.length;
  if (window.partial) reply.status = 206;
  return reply;
}

Json parts_json(const Call& call, const Version& version) {
  const std::int64_t after = base::integer_or(call.input, "PartNumberMarker", 0);
  const int limit = limit_of(call, "MaxParts");
  Json parts = Json::array();
  bool truncated = false;
  std::int64_t last = after;
  for (const PartInfo& part : version.parts) {
    if (part.number <= after) continue;
    if (static_cast<int>(parts.size()) == limit) {
      truncated = true;
      break;
    }
    Json item = {{"PartNumber", part.number}, {"Size", part.size}};
    if (!part.checksum.empty()) item["Checksum" + version.checksum_algorithm] = part.checksum;
    parts.push_back(std::move(item));
    last = part.number;
  }
  Json output = {{"TotalPartsCount", version.parts.size()},
                 {"PartNumberMarker", after},
                 {"MaxParts", limit},
                 {"IsTruncated", truncated},
                 {"NextPartNumberMarker", last}};
  // S3 lists the parts only of objects with a checksum.
  if (!version.checksum_algorithm.empty()) output["Parts"] = std::move(parts);
  return output;
}

Reply attributes(Objects::State& state, Call& call) {
  refuse_customer_key(call);
  Bucket bucket;
  Version version = state.database.read([&](store::Reader& reader) {
    bucket = require_bucket(reader, access_of(call), bucket_of(call));
    return require_version(reader, bucket.name, key_of(call), call.text("VersionId"));
  });
  Json output = {{"LastModified", base::epoch_seconds(version.modified)}};
  add_version_member(output, bucket, version);
  for (const Json& attribute : base::array_or_empty(call.input, "ObjectAttributes")) {
    if (attribute == "ETag") {
      output["ETag"] = base::replace_all(version.etag, "\"", "");
    } else if (attribute == "Checksum" && !version.checksums.empty()) {
      Json checksum = {{"ChecksumType", version.checksum_type}};
      add_checksum_members(checksum, version.checksums);
      output["Checksum"] = std::move(checksum);
    } else if (attribute == "ObjectParts" && !version.parts.empty()) {
      output["ObjectParts"] = parts_json(call, version);
    } else if (attribute == "StorageClass") {
      output["StorageClass"] = version.storage_class;
    } else if (attribute == "ObjectSize") {
      output["ObjectSize"] = version.content.size;
    }
  }
  return output;
}

}  // namespace

void register_read_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "GetObject", [&state](Call& call) { return get(state, call); });
  api.on("s3", "HeadObject", [&state](Call& call) { return head(state, call); });
  api.on("s3", "GetObjectAttributes", [&state](Call& call) { return attributes(state, call); });
}

}  // namespace slipway::objects
