#pragma once

// Buckets and objects: S3, and the calls by which other rooms read and write data.
//
// An object's bytes are one file under <data>/objects, named by the object's own id and
// never changed: an overwrite writes a new file, then one transaction moves the key
// to it, then the old file goes. See docs/formats/objects.md.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/database.h"
#include "store/files.h"
#include "wire/api.h"

namespace slipway::objects {

struct ObjectInfo {
  std::string bucket;
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // with its quotes
  base::Millis modified = 0;
  std::string content_type;
  std::map<std::string, std::string> metadata;   // x-amz-meta-*
  std::map<std::string, std::string> checksums;  // "CRC32" -> base64
};

// s3://bucket/key; the key may be empty. Nothing where the text is not of the form.
struct Location {
  std::string bucket;
  std::string key;
};
std::optional<Location> parse_s3_uri(const std::string& uri);

struct ObjectsOptions {
  std::filesystem::path directory;  // <data>/objects
  std::string region = "us-east-1";
};

// Thread-safe. Throws Error with S3's codes: NoSuchBucket, NoSuchKey (404), …
class Objects {
 public:
  Objects(store::Database& database, const base::Clock& clock, store::Disk& disk,
          store::Spool& spool, ObjectsOptions options);
  ~Objects();

  bool has_bucket(const std::string& account, const std::string& bucket) const;
  // No error where it exists and is the account's own.
  void ensure_bucket(const std::string& account, const std::string& bucket);

  std::optional<ObjectInfo> find(const std::string& account, const std::string& bucket,
                                 const std::string& key) const;
  // Every object whose key starts with `prefix`, by key, page by page in `visit`; without
  // content type, metadata and checksums.
  void for_each(const std::string& account, const std::string& bucket, const std::string& prefix,
                const std::function<void(const ObjectInfo&)>& visit) const;
  // Writes a copy of the bytes to `path`, which the caller may share and change. Where the file
  // system can, the copy shares blocks.
  ObjectInfo download(const std::string& account, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path) const;
  std::string read(const std::string& account, const std::string& bucket, const std::string& key,
                   std::uint64_t limit = 16u << 20) const;
  ObjectInfo put(const std::string& account, const std::string& bucket, const std::string& key,
                 std::string_view bytes, const std::string& content_type = "");
  // Takes the file over where it lies in the spool's file system, copies it otherwise.
  ObjectInfo put_file(const std::string& account, const std::string& bucket, const std::string& key,
                      const std::filesystem::path& path, const std::string& content_type = "");

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

void register_s3_api(wire::Api& api, Objects& objects);

}  // namespace slipway::objects
