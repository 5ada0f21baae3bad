#pragma once

// The rules of S3 that need neither database nor files.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "objects/types.h"

namespace slipway::objects {

// Throws InvalidBucketName. Rules: "Bucket naming rules" of the S3 user guide.
void check_bucket_name(const std::string& name);
// Any UTF-8 text of 1 to 1,024 bytes. Throws KeyTooLongError, InvalidURI.
void check_key(const std::string& key);
// Throws InvalidStorageClass.
void check_storage_class(const std::string& name);
// At most `limit` tags, 128 and 256 characters. Throws InvalidTag.
void check_tags(const std::map<std::string, std::string>& tags, std::size_t limit);
// "a=1&b=2" of the header x-amz-tagging. Throws InvalidArgument, InvalidTag.
std::map<std::string, std::string> parse_tagging(const std::string& header);

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
// Which bytes a Range header asks of an object of `size` bytes. Nothing where it asks for
// all: absent, of another unit, malformed, or several ranges (which S3 does not serve).
// Throws InvalidRange (416) where no byte of it exists.
std::optional<Range> decide_range(std::string_view header, std::uint64_t size);
// x-amz-copy-source-range: "bytes=first-last", both present and within the source.
// Throws InvalidArgument.
Range decide_copy_range(const std::string& header, std::uint64_t size);

// Whether a list of entity tags ("*", or quoted or bare ones) names `etag`.
bool etag_matches(std::string_view list, std::string_view etag);

// What a read may depend on. RFC 9110, section 13.2.2.
struct ReadConditions {
  std::string if_match;
  std::string if_none_match;
  std::optional<base::Millis> if_modified_since;
  std::optional<base::Millis> if_unmodified_since;
};
enum class ReadOutcome { kProceed, kNotModified, kPreconditionFailed };
ReadOutcome decide_read(const ReadConditions& conditions, const Version& version);

// What a write may depend on.
struct WriteConditions {
  std::string if_match;
  std::string if_none_match;  // "*" is the only value that S3 knows
};
// Throws NotImplemented (501), PreconditionFailed (412), NoSuchKey (404, If-Match without an
// object).
void check_write(const WriteConditions& conditions, const std::string& key,
                 const std::optional<Version>& current);

// x-amz-copy-source: "/bucket/key?versionId=…", percent-encoded. Throws InvalidArgument.
struct CopySource {
  std::string bucket;
  std::string key;
  std::string version;  // empty: the current one
};
CopySource parse_copy_source(const std::string& header);

// A part as the client lists it when it completes an upload.
struct ClaimedPart {
  int number = 0;
  std::string etag;
  std::map<std::string, std::string> checksums;
};
inline constexpr std::uint64_t kSmallestPart = 5u << 20;  // bytes; the last part may be smaller
inline constexpr int kMostParts = 10'000;
// The stored parts that make up the object, in order. Throws MalformedXML, InvalidPartOrder,
// InvalidPart, EntityTooSmall.
std::vector<Part> decide_parts(const std::vector<ClaimedPart>& claimed,
                               const std::map<int, Part>& stored);
// hex(MD5 of the parts' MD5s)-N, quoted.
std::string composite_etag(const std::vector<Part>& parts);

}  // namespace slipway::objects
