#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"
#include "objects/s3_api.h"
#include "objects/uploads.h"

// CompleteMultipartUpload.
//
// The parts are joined into a new file first, without a lock. Then one transaction checks
// that they are still the upload's parts, names the file and ends the upload with its answer.
// Where the process dies before it, the upload is as it was and the file is an orphan.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

std::vector<ClaimedPart> claimed_parts(const Call& call) {
  const Json& upload = base::object_or_empty(call.input, "MultipartUpload");
  std::vector<ClaimedPart> parts;
  for (const Json& part : base::array_or_empty(upload, "Parts")) {
    parts.push_back({static_cast<int>(base::integer_or(part, "PartNumber", 0)),
                     base::text_or(part, "ETag"), checksums_of_members(part)});
  }
  return parts;
}

struct Material {
  Upload upload;
  std::vector<Part> parts;
};

// Throws NoSuchUpload and the errors of decide_parts. An upload that is already completed
// comes without parts.
Material gather(Objects::State& state, const Call& call) {
  const std::string id = call.text("UploadId");
  return state.database.read([&](store::Reader& reader) {
    require_bucket(reader, access_of(call), bucket_of(call));
    auto upload = find_upload(reader, id);
    if (!upload || upload->bucket != bucket_of(call) || upload->key != call.text("Key")) {
      throw no_such_upload(id);
    }
    Material material{*upload, {}};
    if (!upload->result.is_null()) return material;
    std::map<int, Part> stored;
    for (Part& part : parts_of(reader, id, 0, kMostParts)) stored[part.number] = std::move(part);
    material.parts = decide_parts(claimed_parts(call), stored);
    return material;
  });
}

void check_size(const Call& call, const std::vector<Part>& parts) {
  if (!call.has("MpuObjectSize")) return;
  std::uint64_t size = 0;
  for (const Part& part : parts) size += part.content.size;
  const std::int64_t asked = base::integer_or(call.input, "MpuObjectSize", 0);
  if (asked != static_cast<std::int64_t>(size)) {
    throw invalid_request("The provided 'x-amz-mp-object-size' header value " +
                          std::to_string(asked) +
                          " does not match what was computed: " + std::to_string(size));
  }
}

Version version_of(const Call& call, const Material& material) {
  const Upload& upload = material.upload;
  Version next;
  next.bucket = upload.bucket;
  next.key = upload.key;
  static_cast<Properties&>(next) = upload;
  next.etag = composite_etag(material.parts);
  auto checksum =
      checksum_of_parts(upload.checksum_algorithm, upload.checksum_type, material.parts);
  if (checksum) {
    next.checksum_algorithm = upload.checksum_algorithm;
    next.checksum_type = upload.checksum_type;
    next.checksums[upload.checksum_algorithm] = *checksum;
    auto claimed = checksums_of_members(call.input);
    auto asked = claimed.find(upload.checksum_algorithm);
    // Clients may leave the number of parts off a composite one.
    if (asked != claimed.end() && asked->second != *checksum &&
        !checksum->starts_with(asked->second + "-")) {
      throw bad_digest(upload.checksum_algorithm);
    }
  }
  for (const Part& part : material.parts) {
    auto found = part.checksums.find(upload.checksum_algorithm);
    next.parts.push_back(
        {part.number, part.content.size, found == part.checksums.end() ? "" : found->second});
  }
  return next;
}

// The contents must be those that were joined: a part may have been sent again meanwhile.
void check_unchanged(store::Reader& reader, const Material& material) {
  auto upload = find_upload(reader, material.upload.id);
  if (!upload) throw no_such_upload(material.upload.id);
  std::map<int, std::string> now;
  for (const Part& part : parts_of(reader, upload->id, 0, kMostParts)) {
    now[part.number] = part.content.id;
  }
  const bool same = upload->result.is_null() &&
                    std::all_of(material.parts.begin(), material.parts.end(), [&](const Part& p) {
                      auto found = now.find(p.number);
                      return found != now.end() && found->second == p.content.id;
                    });
  if (same) return;
  throw Error("OperationAborted",
              "A conflicting conditional operation is currently in progress against this "
              "resource. Please try again.",
              409);
}

Draft join(Objects::State& state, const Material& material) {
  std::vector<Content> contents;
  for (const Part& part : material.parts) contents.push_back(part.content);
  return state.contents.concatenate(contents, [&](const Content& content) {
    auto opened = state.database.read(
        [&](store::Reader& reader) { return open_content(state, reader, content); });
    if (!opened) throw no_such_upload(material.upload.id);  // aborted in this moment
    return std::move(*opened);
  });
}

Json result_of(const Stored& stored) {
  Json result = {{"Bucket", stored.version.bucket},
                 {"Key", stored.version.key},
                 {"Location", "/" + stored.version.bucket + "/" +
                                  base::percent_encode(stored.version.key, base::Slash::kKeep)}};
  add_write_members(result, stored);
  return result;
}

Reply complete(Objects::State& state, Call& call) {
  Material material = gather(state, call);
  // A client that lost the answer asks again, and gets the same.
  if (!material.upload.result.is_null()) return material.upload.result;
  check_size(call, material.parts);
  Version next = version_of(call, material);
  Draft draft = join(state, material);
  next.content = draft.content();
  std::vector<Content> dropped;
  Json result;
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), next.bucket);
    check_unchanged(transaction, material);
    check_write(write_conditions_of(call), next.key,
                find_current(transaction, next.bucket, next.key));
    next.modified = state.clock.now();
    if (next.content.place == Place::kRow) {
      insert_row_content(transaction, next.content.id, draft.bytes());
    }
    dropped = put_version(transaction, bucket, next);
    result = result_of({bucket, next});
    auto parts = complete_upload(transaction, material.upload.id, next.modified, result);
    dropped.insert(dropped.end(), parts.begin(), parts.end());
  });
  draft.keep();
  state.contents.remove(dropped);
  return result;
}

}  // namespace

void register_completion_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "CompleteMultipartUpload", [&state](Call& call) { return complete(state, call); });
}

}  // namespace slipway::objects
