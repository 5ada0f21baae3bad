#include <utility>

#include "base/error.h"
#include "objects/checksums.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

// PutObject, DeleteObject, DeleteObjects.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

constexpr std::uint64_t kLargestPut = std::uint64_t{5} << 30;  // S3's own limit
constexpr std::size_t kMostDeletes = 1000;

// What can be refused before the bytes are written.
void check_put(Objects::State& state, const Call& call, const std::string& key) {
  state.database.read([&](store::Reader& reader) {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    if (grants_to_others(call)) {
      check_acl_allowed(reader, bucket.name);
      throw not_implemented("An access control list of a single object");
    }
    WriteConditions conditions = write_conditions_of(call);
    if (conditions.if_match.empty() && conditions.if_none_match.empty()) return;
    check_write(conditions, key, find_current(reader, bucket.name, key));
  });
}

Reply put(Objects::State& state, Call& call) {
  Version next;
  next.bucket = bucket_of(call);
  next.key = key_of(call);
  static_cast<Properties&>(next) = properties_of(call);
  check_put(state, call, next.key);
  if (call.payload.size() > kLargestPut) {
    throw Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400,
                {{"ProposedSize", std::to_string(call.payload.size())},
                 {"MaxSizeAllowed", std::to_string(kLargestPut)}});
  }
  auto sent = checksums_of_headers(call.checksums);
  Draft draft = state.contents.write(call.payload, algorithms_to_compute(call, sent));
  set_checksums(next, sent, draft);
  Stored stored = put_object(state, access_of(call), std::move(next), std::move(draft),
                             write_conditions_of(call));
  Reply reply;
  add_write_members(reply.output, stored);
  return reply;
}

struct Deletion {
  std::string key;
  std::string version;  // empty: the current one
  std::string if_match;
};

// Runs in a transaction; what it throws is about this one key. The answer's members are
// those of DeletedObject, without the key.
Json delete_one(store::Transaction& transaction, const Bucket& bucket, const Deletion& deletion,
                base::Millis now, std::vector<Content>& dropped) {
  check_key(deletion.key);
  Json answer = Json::object();
  if (!deletion.if_match.empty()) {
    check_write({deletion.if_match, ""}, deletion.key,
                find_current(transaction, bucket.name, deletion.key));
  }
  std::vector<Content> gone;
  if (!deletion.version.empty()) {
    Removed removed = remove_version(transaction, bucket.name, deletion.key, deletion.version);
    answer["VersionId"] = deletion.version;
    if (removed.version && removed.version->delete_marker) {
      answer["DeleteMarker"] = true;
      answer["DeleteMarkerVersionId"] = deletion.version;
    }
    gone = std::move(removed.dropped);
  } else {
    Version marker;
    marker.bucket = bucket.name;
    marker.key = deletion.key;
    marker.delete_marker = true;
    marker.modified = now;
    gone = put_version(transaction, bucket, marker);
    if (bucket.versioning != Versioning::kOff) {
      answer["DeleteMarker"] = true;
      answer["DeleteMarkerVersionId"] = marker.version;
    }
  }
  dropped.insert(dropped.end(), gone.begin(), gone.end());
  return answer;
}

Reply delete_object(Objects::State& state, Call& call) {
  const Deletion deletion{key_of(call), call.text("VersionId"), call.text("IfMatch")};
  std::vector<Content> dropped;
  Json answer = state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    return delete_one(transaction, bucket, deletion, state.clock.now(), dropped);
  });
  state.contents.remove(dropped);
  Reply reply;
  reply.status = 204;
  if (answer.contains("DeleteMarker")) {
    reply.output["DeleteMarker"] = true;
    reply.output["VersionId"] = answer["DeleteMarkerVersionId"];
  } else if (answer.contains("VersionId")) {
    reply.output["VersionId"] = answer["VersionId"];
  }
  return reply;
}

std::vector<Deletion> deletions_of(const Json& list) {
  const Json& objects = base::array_or_empty(list, "Objects");
  if (objects.empty() || objects.size() > kMostDeletes) throw malformed_xml();
  std::vector<Deletion> deletions;
  for (const Json& object : objects) {
    deletions.push_back({base::text_or(object, "Key"), base::text_or(object, "VersionId"),
                         base::text_or(object, "ETag")});
  }
  return deletions;
}

Reply delete_objects(Objects::State& state, Call& call) {
  const Json& list = base::object_or_empty(call.input, "Delete");
  const std::vector<Deletion> deletions = deletions_of(list);
  const bool quiet = base::boolean_or(list, "Quiet", false);
  Json deleted = Json::array();
  Json errors = Json::array();
  std::vector<Content> dropped;
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    for (const Deletion& deletion : deletions) {
      try {
        // Checks come before changes, so a refused key leaves nothing half done.
        Json answer = delete_one(transaction, bucket, deletion, state.clock.now(), dropped);
        answer["Key"] = deletion.key;
        deleted.push_back(std::move(answer));
      } catch (const Error& error) {
        if (error.status() >= 500) throw;
        Json item = {{"Key", deletion.key}, {"Code", error.code()}, {"Message", error.message()}};
        if (!deletion.version.empty()) item["VersionId"] = deletion.version;
        errors.push_back(std::move(item));
      }
    }
  });
  state.contents.remove(dropped);
  Reply reply;
  if (!quiet && !deleted.empty()) reply.output["Deleted"] = std::move(deleted);
  if (!errors.empty()) reply.output["Errors"] = std::move(errors);
  return reply;
}

}  // namespace

void register_write_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "PutObject", [&state](Call& call) { return put(state, call); });
  api.on("s3", "DeleteObject", [&state](Call& call) { return delete_object(state, call); });
  api.on("s3", "DeleteObjects", [&state](Call& call) { return delete_objects(state, call); });
}

}  // namespace slipway::objects
