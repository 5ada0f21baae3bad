#include "objects/s3_api.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"

namespace slipway::objects {
namespace {

constexpr std::size_t kMetadataLimit = 2048;  // bytes of names and values together

// aws-chunked is how a body travelled, not what it is.
std::string stored_encoding(const std::string& header) {
  std::vector<std::string> kept;
  for (const std::string& item : base::split(header, ',')) {
    std::string_view coding = base::trim(item);
    if (!coding.empty() && !base::equals_ignoring_case(coding, "aws-chunked")) {
      kept.emplace_back(coding);
    }
  }
  return base::join(kept, ",");
}

void refuse_unsupported(const wire::Call& call) {
  for (const char* member :
       {"SSECustomerAlgorithm", "SSECustomerKey", "CopySourceSSECustomerAlgorithm"}) {
    if (call.has(member)) throw not_implemented("Encryption with a key of the customer");
  }
  for (const char* member :
       {"ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"}) {
    if (call.has(member)) throw invalid_request("Bucket is missing Object Lock Configuration");
  }
  if (call.has("WriteOffsetBytes")) throw not_implemented("Appending to an object");
}

std::map<std::string, std::string> metadata_of(const wire::Call& call) {
  std::map<std::string, std::string> metadata;
  std::size_t size = 0;
  for (const auto& [name, value] : base::object_or_empty(call.input, "Metadata").items()) {
    std::string text = value.get<std::string>();
    size += name.size() + text.size();
    metadata[base::lower(name)] = std::move(text);
  }
  if (size > kMetadataLimit) {
    throw Error(
        "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400,
        {{"Size", std::to_string(size)}, {"MaxSizeAllowed", std::to_string(kMetadataLimit)}});
  }
  return metadata;
}

}  // namespace

void register_s3_api(wire::Api& api, Objects& objects) {
  Objects::State& state = objects.state();
  register_bucket_operations(api, state);
  register_setting_operations(api, state);
  register_acl_operations(api, state);
  register_read_operations(api, state);
  register_write_operations(api, state);
  register_copy_operations(api, state);
  register_tagging_operations(api, state);
  register_list_operations(api, state);
  register_version_list_operations(api, state);
  register_multipart_operations(api, state);
  register_completion_operations(api, state);
}

Access access_of(const wire::Call& call) {
  return {call.caller.account, call.text("ExpectedBucketOwner")};
}

std::string bucket_of(const wire::Call& call) { return call.text("Bucket"); }

std::string key_of(const wire::Call& call) {
  std::string key = call.text("Key");
  check_key(key);
  return key;
}

std::optional<base::Millis> time_of(const wire::Call& call, std::string_view member) {
  if (!call.has(member)) return std::nullopt;
  return base::from_epoch_seconds(base::number_or(call.input, member, 0));
}

Json owner_json(const std::string& account) {
  return {{"ID", owner_id(account)}, {"DisplayName", account}};
}

Properties properties_of(const wire::Call& call) {
  refuse_unsupported(call);
  Properties properties;
  for (const char* member :
       {"CacheControl", "ContentDisposition", "ContentLanguage", "WebsiteRedirectLocation",
        "Expires", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"}) {
    if (call.has(member)) properties.headers[member] = call.input[member];
  }
  std::string type = call.text("ContentType");
  properties.headers["ContentType"] = type.empty() ? "binary/octet-stream" : type;
  std::string encoding = stored_encoding(call.text("ContentEncoding"));
  if (!encoding.empty()) properties.headers["ContentEncoding"] = encoding;
  properties.metadata = metadata_of(call);
  if (call.has("Tagging")) properties.tags = parse_tagging(call.text("Tagging"));
  if (call.has("StorageClass")) {
    properties.storage_class = call.text("StorageClass");
    check_storage_class(properties.storage_class);
  }
  return properties;
}

WriteConditions write_conditions_of(const wire::Call& call) {
  return {call.text("IfMatch"), call.text("IfNoneMatch")};
}

bool grants_to_others(const wire::Call& call) {
  for (const char* member :
       {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"}) {
    if (call.has(member)) return true;
  }
  static constexpr std::array<std::string_view, 4> kOwn = {
      "", "private", "bucket-owner-full-control", "bucket-owner-read"};
  return std::find(kOwn.begin(), kOwn.end(), call.text("ACL")) == kOwn.end();
}

void check_acl_allowed(store::Reader& reader, const std::string& bucket) {
  auto setting = find_setting(reader, bucket, "ownership");
  if (setting) {
    for (const Json& rule : base::array_or_empty(*setting, "Rules")) {
      if (base::text_or(rule, "ObjectOwnership") != "BucketOwnerEnforced") return;
    }
  }
  throw Error("AccessControlListNotSupported", "The bucket does not allow ACLs", 400);
}

std::vector<std::string> algorithms_to_compute(const wire::Call& call,
                                               const std::map<std::string, std::string>& sent) {
  std::string named = base::upper(call.text("ChecksumAlgorithm"));
  if (named.empty() || sent.contains(named)) return {};
  return {named};
}

void set_checksums(Version& version, const std::map<std::string, std::string>& sent,
                   const Draft& draft) {
  version.checksums = sent;
  version.checksums.insert(draft.checksums().begin(), draft.checksums().end());
  if (version.checksums.empty()) return;
  version.checksum_algorithm = version.checksums.begin()->first;
  version.checksum_type = "FULL_OBJECT";
}

void add_version_member(Json& output, const Bucket& bucket, const Version& version) {
  if (bucket.versioning != Versioning::kOff) output["VersionId"] = version.version;
}

void add_write_members(Json& output, const Stored& stored) {
  const Version& version = stored.version;
  output["ETag"] = version.etag;
  add_checksum_members(output, version.checksums);
  if (!version.checksum_type.empty()) output["ChecksumType"] = version.checksum_type;
  add_version_member(output, stored.bucket, version);
  for (const char* member : {"ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"}) {
    if (version.headers.contains(member)) output[member] = version.headers[member];
  }
}

std::string encode_name(const std::string& name, bool encode) {
  return encode ? base::percent_encode(name, base::Slash::kKeep) : name;
}

bool wants_encoding(const wire::Call& call) {
  std::string encoding = call.text("EncodingType");
  if (encoding.empty() || encoding == "url") return !encoding.empty();
  throw invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", encoding);
}

int limit_of(const wire::Call& call, std::string_view member) {
  std::int64_t asked = base::integer_or(call.input, member, 1000);
  if (asked < 0) {
    throw invalid_argument(
        "Argument " + std::string(member) + " must be an integer between 0 and 2147483647",
        std::string(member), std::to_string(asked));
  }
  return static_cast<int>(std::min<std::int64_t>(asked, 1000));
}

}  // namespace slipway::objects
