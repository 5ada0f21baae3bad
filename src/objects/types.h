#pragma once

// The values of the room: buckets, versions of objects, uploads and their parts.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::objects {

// The version id of what was written while the bucket kept no versions.
inline constexpr char kNullVersion[] = "null";

enum class Versioning { kOff, kEnabled, kSuspended };

struct Bucket {
  std::string name;
  std::string account;
  base::Millis created = 0;
  std::string location;  // a region
  Versioning versioning = Versioning::kOff;
};

// Where bytes lie. Numbers are stored.
enum class Place : std::int64_t {
  kNowhere = 0,  // nothing to keep: an empty object, a delete marker
  kRow = 1,      // in the table s3_bytes
  kFile = 2      // a file of its own
};

// Bytes by their id. They never change under an id.
struct Content {
  Place place = Place::kNowhere;
  std::string id;
  std::uint64_t size = 0;
};

// One part of an object that came in parts, as the object remembers it.
struct PartInfo {
  int number = 0;
  std::uint64_t size = 0;
  std::string checksum;  // base64; empty where none is known
};

// What a client says of an object beside its bytes.
struct Properties {
  std::string storage_class = "STANDARD";
  // The S3 members of the same names (ContentType, …), as they are answered.
  Json headers = Json::object();
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> tags;
};

// One version of an object, or a delete marker. Lists fill in neither the documents
// (headers, metadata, tags) nor the checksums and parts.
struct Version : Properties {
  std::string bucket;
  std::string key;
  std::string version = kNullVersion;
  std::int64_t sequence = 0;  // grows with each version of the key; 0 in a bucket without versions
  bool delete_marker = false;
  Content content;
  std::string etag;  // with its quotes
  base::Millis modified = 0;
  std::string checksum_algorithm;                // "CRC32"; empty where there is none
  std::string checksum_type;                     // FULL_OBJECT or COMPOSITE
  std::map<std::string, std::string> checksums;  // "CRC32" -> base64, composite ones with "-N"
  std::vector<PartInfo> parts;                   // empty unless the object came in parts
};

struct Upload : Properties {
  std::string id;
  std::string bucket;
  std::string key;
  base::Millis initiated = 0;
  std::string checksum_algorithm;
  std::string checksum_type;
  // The answer that completing it gave; null while it is open.
  Json result;
};

struct Part {
  int number = 0;
  Content content;
  std::string etag;  // with its quotes
  base::Millis modified = 0;
  std::map<std::string, std::string> checksums;
};

// The S3 owner id of an account: 64 hexadecimal digits.
std::string owner_id(const std::string& account);

}  // namespace slipway::objects
