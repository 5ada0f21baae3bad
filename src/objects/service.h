#pragma once

// What the S3 operations and the calls of other rooms have in common. Only this room
// includes it.

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "objects/content.h"
#include "objects/decide.h"
#include "objects/objects.h"
#include "objects/store.h"

namespace slipway::objects {

// Thread-safe: everything is constant after construction or synchronises itself.
struct Objects::State {
  State(store::Database& database_in, const base::Clock& clock_in, store::Disk& disk,
        store::Spool& spool, ObjectsOptions options_in);
  ~State();  // stops the scrub

  store::Database& database;
  const base::Clock& clock;
  const ObjectsOptions options;
  Contents contents;

  // Waits until the files that an earlier process left behind are removed.
  void finish_scrub_for_test();

 private:
  void scrub();

  std::atomic<bool> stopping_{false};
  std::thread scrubber_;
};

// Who asks: the account, and whom the client expects to own the bucket ("": anybody).
struct Access {
  std::string account;
  std::string expected_owner;
};

// The bucket. Throws NoSuchBucket; AccessDenied where it is another account's, or not
// that of the expected owner.
Bucket require_bucket(store::Reader& reader, const Access& access, const std::string& name);
// The version by its id, or the current one where it is empty. Throws NoSuchKey,
// NoSuchVersion, MethodNotAllowed (a delete marker).
Version require_version(store::Reader& reader, const std::string& bucket, const std::string& key,
                        const std::string& version);

// A version with its bytes, which stay readable whatever happens to the key.
struct OpenedObject {
  Bucket bucket;
  Version version;
  Opened bytes;
};
OpenedObject open_object(Objects::State& state, const Access& access, const std::string& bucket,
                         const std::string& key, const std::string& version = "");

// Opens stored bytes; nothing where they are gone.
std::optional<Opened> open_content(Objects::State& state, store::Reader& reader,
                                   const Content& content);

// Names the draft: `next` (bucket, key, properties, checksums) becomes its key's current version,
// durably. Its etag is the draft's unless it is set. Gives what was stored, and the bucket.
struct Stored {
  Bucket bucket;
  Version version;
};
Stored put_object(Objects::State& state, const Access& access, Version next, Draft draft,
                  const WriteConditions& conditions);

// Creates a bucket with settings. Throws BucketAlreadyOwnedByYou, BucketAlreadyExists.
void create_bucket(Objects::State& state, const Bucket& bucket,
                   const std::map<std::string, Json>& settings);

}  // namespace slipway::objects
