#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"
#include "objects/s3_api.h"
#include "objects/s3_copy.h"
#include "objects/uploads.h"

// Uploads in parts up to their completion: CreateMultipartUpload, UploadPart, UploadPartCopy,
// AbortMultipartUpload, ListParts, ListMultipartUploads.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

// The open upload that the request names. Throws NoSuchUpload.
Upload require_upload(store::Reader& reader, const Call& call) {
  auto upload = find_upload(reader, call.text("UploadId"));
  if (!upload || upload->bucket != bucket_of(call) || upload->key != call.text("Key") ||
      !upload->result.is_null()) {
    throw no_such_upload(call.text("UploadId"));
  }
  return *upload;
}

Reply create(Objects::State& state, Call& call) {
  Upload upload;
  upload.bucket = bucket_of(call);
  upload.key = key_of(call);
  static_cast<Properties&>(upload) = properties_of(call);
  upload.checksum_algorithm = base::upper(call.text("ChecksumAlgorithm"));
  if (!upload.checksum_algorithm.empty() && !checksum_algorithm(upload.checksum_algorithm)) {
    throw invalid_request(
        "Checksum algorithm provided is unsupported. Please try again with any "
        "of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  }
  upload.checksum_type =
      decide_checksum_type(upload.checksum_algorithm, base::upper(call.text("ChecksumType")));
  upload.initiated = state.clock.now();
  // Begins with the time, so that the uploads of a key list in the order of their start.
  const std::string time = std::to_string(upload.initiated);
  upload.id =
      std::string(16 - std::min<std::size_t>(16, time.size()), '0') + time + base::random_hex(32);
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), upload.bucket);
    if (grants_to_others(call)) {
      check_acl_allowed(transaction, bucket.name);
      throw not_implemented("An access control list of a single object");
    }
    insert_upload(transaction, upload);
  });
  Json output = {{"Bucket", upload.bucket}, {"Key", upload.key}, {"UploadId", upload.id}};
  if (!upload.checksum_algorithm.empty()) {
    output["ChecksumAlgorithm"] = upload.checksum_algorithm;
    output["ChecksumType"] = upload.checksum_type;
  }
  for (const char* member : {"ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"}) {
    if (upload.headers.contains(member)) output[member] = upload.headers[member];
  }
  return output;
}

int part_number_of(const Call& call) {
  std::int64_t number = base::integer_or(call.input, "PartNumber", 0);
  if (number < 1 || number > kMostParts) {
    throw invalid_argument("Part number must be an integer between 1 and 10000, inclusive",
                           "partNumber", std::to_string(number));
  }
  return static_cast<int>(number);
}

Upload check_upload(Objects::State& state, const Call& call) {
  return state.database.read([&](store::Reader& reader) {
    require_bucket(reader, access_of(call), bucket_of(call));
    return require_upload(reader, call);
  });
}

// The algorithm of the upload, where the part did not bring its value.
std::vector<std::string> missing_algorithms(const Upload& upload,
                                            const std::map<std::string, std::string>& sent) {
  if (upload.checksum_algorithm.empty() || sent.contains(upload.checksum_algorithm)) return {};
  return {upload.checksum_algorithm};
}

Part store_part(Objects::State& state, const Call& call, Draft draft,
                const std::map<std::string, std::string>& sent) {
  Part part;
  part.number = part_number_of(call);
  part.content = draft.content();
  part.etag = draft.etag();
  part.checksums = sent;
  part.checksums.insert(draft.checksums().begin(), draft.checksums().end());
  auto dropped = state.database.write([&](store::Transaction& transaction) {
    Upload upload = require_upload(transaction, call);
    part.modified = state.clock.now();
    if (part.content.place == Place::kRow) {
      insert_row_content(transaction, part.content.id, draft.bytes());
    }
    return put_part(transaction, upload.id, part);
  });
  draft.keep();
  state.contents.remove(dropped);
  return part;
}

Reply upload_part(Objects::State& state, Call& call) {
  part_number_of(call);
  Upload upload = check_upload(state, call);
  auto sent = checksums_of_headers(call.checksums);
  if (!upload.checksum_algorithm.empty() && !sent.empty() &&
      !sent.contains(upload.checksum_algorithm)) {
    throw invalid_request("Checksum Type mismatch occurred, expected checksum Type: " +
                          base::lower(upload.checksum_algorithm) +
                          ", actual checksum Type: " + base::lower(sent.begin()->first));
  }
  Draft draft = state.contents.write(call.payload, missing_algorithms(upload, sent));
  Part part = store_part(state, call, std::move(draft), sent);
  Json output = {{"ETag", part.etag}};
  add_checksum_members(output, part.checksums);
  return output;
}

Reply upload_part_copy(Objects::State& state, Call& call) {
  part_number_of(call);
  Upload upload = check_upload(state, call);
  OpenedObject source = open_copy_source(state, call);
  const std::uint64_t size = source.version.content.size;
  Range range{0, size};
  if (call.has("CopySourceRange")) range = decide_copy_range(call.text("CopySourceRange"), size);
  Draft draft =
      state.contents.copy(source.bytes, range.offset, range.length, missing_algorithms(upload, {}));
  Part part = store_part(state, call, std::move(draft), {});
  Json result = {{"ETag", part.etag}, {"LastModified", base::epoch_seconds(part.modified)}};
  add_checksum_members(result, part.checksums);
  Json output = {{"CopyPartResult", std::move(result)}};
  if (source.bucket.versioning != Versioning::kOff) {
    output["CopySourceVersionId"] = source.version.version;
  }
  return output;
}

Reply abort(Objects::State& state, Call& call) {
  auto dropped = state.database.write([&](store::Transaction& transaction) {
    require_bucket(transaction, access_of(call), bucket_of(call));
    Upload upload = require_upload(transaction, call);
    return remove_upload(transaction, upload.id);
  });
  state.contents.remove(dropped);
  Reply reply;
  reply.status = 204;
  return reply;
}

Reply list_parts(Objects::State& state, Call& call) {
  const int limit = limit_of(call, "MaxParts");
  const auto after = static_cast<int>(base::integer_or(call.input, "PartNumberMarker", 0));
  Bucket bucket;
  Upload upload;
  auto parts = state.database.read([&](store::Reader& reader) {
    bucket = require_bucket(reader, access_of(call), bucket_of(call));
    upload = require_upload(reader, call);
    return parts_of(reader, upload.id, after, limit + 1);
  });
  const bool truncated = static_cast<int>(parts.size()) > limit;
  if (truncated) parts.resize(static_cast<std::size_t>(limit));
  Json output = {{"Bucket", bucket.name},
                 {"Key", upload.key},
                 {"UploadId", upload.id},
                 {"PartNumberMarker", after},
                 {"NextPartNumberMarker", parts.empty() ? after : parts.back().number},
                 {"MaxParts", limit},
                 {"IsTruncated", truncated},
                 {"Initiator", owner_json(bucket.account)},
                 {"Owner", owner_json(bucket.account)},
                 {"StorageClass", upload.storage_class}};
  if (!upload.checksum_algorithm.empty()) {
    output["ChecksumAlgorithm"] = upload.checksum_algorithm;
    output["ChecksumType"] = upload.checksum_type;
  }
  for (const Part& part : parts) {
    Json item = {{"PartNumber", part.number},
                 {"LastModified", base::epoch_seconds(part.modified)},
                 {"ETag", part.etag},
                 {"Size", part.content.size}};
    add_checksum_members(item, part.checksums);
    output["Parts"].push_back(std::move(item));
  }
  return output;
}

Json upload_json(const Upload& upload, const Json& owner, bool encode) {
  Json item = {{"UploadId", upload.id},
               {"Key", encode_name(upload.key, encode)},
               {"Initiated", base::epoch_seconds(upload.initiated)},
               {"StorageClass", upload.storage_class},
               {"Owner", owner},
               {"Initiator", owner}};
  if (!upload.checksum_algorithm.empty()) {
    item["ChecksumAlgorithm"] = upload.checksum_algorithm;
    item["ChecksumType"] = upload.checksum_type;
  }
  return item;
}

Reply list_open(Objects::State& state, Call& call) {
  const bool encode = wants_encoding(call);
  const std::string marker = call.text("KeyMarker");
  const std::string id_marker = marker.empty() ? "" : call.text("UploadIdMarker");
  ListQuery query;
  query.prefix = call.text("Prefix");
  query.delimiter = call.text("Delimiter");
  query.start = position_after(marker, id_marker, query.prefix, query.delimiter);
  query.limit = limit_of(call, "MaxUploads");
  Bucket bucket;
  auto listing = state.database.read([&](store::Reader& reader) {
    bucket = require_bucket(reader, access_of(call), bucket_of(call));
    return list_uploads(reader, bucket.name, query);
  });
  Json output = {{"Bucket", bucket.name},
                 {"KeyMarker", encode_name(marker, encode)},
                 {"UploadIdMarker", id_marker},
                 {"MaxUploads", query.limit},
                 {"IsTruncated", listing.truncated}};
  if (encode) output["EncodingType"] = "url";
  if (!query.prefix.empty()) output["Prefix"] = encode_name(query.prefix, encode);
  if (!query.delimiter.empty()) output["Delimiter"] = encode_name(query.delimiter, encode);
  if (listing.truncated) {
    output["NextKeyMarker"] = encode_name(listing.last, encode);
    output["NextUploadIdMarker"] = listing.last_within;
  }
  const Json owner = owner_json(bucket.account);
  for (const Upload& upload : listing.rows) {
    output["Uploads"].push_back(upload_json(upload, owner, encode));
  }
  for (const std::string& prefix : listing.common_prefixes) {
    output["CommonPrefixes"].push_back({{"Prefix", encode_name(prefix, encode)}});
  }
  return output;
}

}  // namespace

void register_multipart_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "CreateMultipartUpload", [&state](Call& call) { return create(state, call); });
  api.on("s3", "UploadPart", [&state](Call& call) { return upload_part(state, call); });
  api.on("s3", "UploadPartCopy", [&state](Call& call) { return upload_part_copy(state, call); });
  api.on("s3", "AbortMultipartUpload", [&state](Call& call) { return abort(state, call); });
  api.on("s3", "ListParts", [&state](Call& call) { return list_parts(state, call); });
  api.on("s3", "ListMultipartUploads", [&state](Call& call) { return list_open(state, call); });
}

}  // namespace slipway::objects
