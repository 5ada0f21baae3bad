#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"
#include "objects/s3_api.h"
#include "objects/s3_copy.h"

// CopyObject, and the opening of copy sources for UploadPartCopy.

namespace slipway::objects {

using wire::Call;
using wire::Reply;

OpenedObject open_copy_source(Objects::State& state, const Call& call) {
  CopySource source = parse_copy_source(call.text("CopySource"));
  check_key(source.key);
  OpenedObject object =
      open_object(state, {call.caller.account, call.text("ExpectedSourceBucketOwner")},
                  source.bucket, source.key, source.version);
  ReadConditions conditions{call.text("CopySourceIfMatch"), call.text("CopySourceIfNoneMatch"),
                            time_of(call, "CopySourceIfModifiedSince"),
                            time_of(call, "CopySourceIfUnmodifiedSince")};
  if (decide_read(conditions, object.version) != ReadOutcome::kProceed) {
    throw precondition_failed("x-amz-copy-source-If-Match");
  }
  return object;
}

namespace {

enum class Directive { kCopy, kReplace };

Directive directive_of(const Call& call, const char* member, const char* header) {
  std::string text = call.text(member);
  if (text.empty() || text == "COPY") return Directive::kCopy;
  if (text == "REPLACE") return Directive::kReplace;
  throw invalid_argument("Unknown directive.", header, text);
}

// A copy onto itself must change something; copying an older version restores it.
void check_self_copy(const Call& call, const Version& source, const std::string& bucket,
                     const std::string& key, Directive metadata) {
  const bool same = source.bucket == bucket && source.key == key &&
                    parse_copy_source(call.text("CopySource")).version.empty();
  const bool changes = metadata == Directive::kReplace || call.has("StorageClass") ||
                       call.has("WebsiteRedirectLocation") || call.has("ServerSideEncryption");
  if (same && !changes) {
    throw invalid_request(
        "This copy request is illegal because it is trying to copy an object to itself without "
        "changing the object's metadata, storage class, website redirect location or encryption "
        "attributes.");
  }
}

Version copied_version(const Call& call, const Version& source) {
  const Directive metadata = directive_of(call, "MetadataDirective", "x-amz-metadata-directive");
  const Directive tagging = directive_of(call, "TaggingDirective", "x-amz-tagging-directive");
  Version next;
  next.bucket = bucket_of(call);
  next.key = key_of(call);
  Properties asked = properties_of(call);
  check_self_copy(call, source, next.bucket, next.key, metadata);
  if (metadata == Directive::kReplace) {
    static_cast<Properties&>(next) = asked;
  } else {
    next.headers = source.headers;
    next.metadata = source.metadata;
    next.storage_class = asked.storage_class;  // never the source's: as in S3
    for (const char* member :
         {"WebsiteRedirectLocation", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"}) {
      next.headers.erase(member);
      if (asked.headers.contains(member)) next.headers[member] = asked.headers[member];
    }
  }
  next.tags = tagging == Directive::kReplace ? asked.tags : source.tags;
  return next;
}

Reply copy(Objects::State& state, Call& call) {
  OpenedObject source = open_copy_source(state, call);
  Version next = copied_version(call, source.version);
  if (grants_to_others(call)) {
    state.database.read([&](store::Reader& reader) { check_acl_allowed(reader, next.bucket); });
    throw not_implemented("An access control list of a single object");
  }
  const auto algorithms = algorithms_to_compute(call, source.version.checksums);
  // The bytes are the same, so what is known of them stays true: ETag, parts, checksums.
  next.etag = source.version.etag;
  next.parts = source.version.parts;
  next.checksums = source.version.checksums;
  next.checksum_algorithm = source.version.checksum_algorithm;
  next.checksum_type = source.version.checksum_type;
  const std::uint64_t size = source.version.content.size;
  Draft draft = algorithms.empty() ? state.contents.duplicate(source.bytes)
                                   : state.contents.copy(source.bytes, 0, size, algorithms);
  if (!algorithms.empty()) {
    next.parts.clear();
    next.etag.clear();
    set_checksums(next, {}, draft);
  }
  Stored stored = put_object(state, access_of(call), std::move(next), std::move(draft),
                             write_conditions_of(call));
  Json result = {{"ETag", stored.version.etag},
                 {"LastModified", base::epoch_seconds(stored.version.modified)}};
  add_checksum_members(result, stored.version.checksums);
  if (!stored.version.checksum_type.empty()) result["ChecksumType"] = stored.version.checksum_type;
  Reply reply;
  add_write_members(reply.output, stored);
  for (const char* member : {"ETag", "ChecksumType"}) reply.output.erase(member);
  for (const auto& [name, value] : stored.version.checksums) reply.output.erase("Checksum" + name);
  reply.output["CopyObjectResult"] = std::move(result);
  if (source.bucket.versioning != Versioning::kOff) {
    reply.output["CopySourceVersionId"] = source.version.version;
  }
  return reply;
}

}  // namespace

void register_copy_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "CopyObject", [&state](Call& call) { return copy(state, call); });
}

}  // namespace slipway::objects
