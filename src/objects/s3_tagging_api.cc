#include "base/error.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;
using TagMap = std::map<std::string, std::string>;

TagMap tags_of(const Call& call) {
  TagMap tags;
  const Json& tagging = base::object_or_empty(call.input, "Tagging");
  for (const Json& tag : base::array_or_empty(tagging, "TagSet")) {
    if (!tags.emplace(base::text_or(tag, "Key"), base::text_or(tag, "Value")).second) {
      throw Error("InvalidTag", "Cannot provide multiple Tags with the same key", 400,
                  {{"TagKey", base::text_or(tag, "Key")}});
    }
  }
  check_tags(tags, 10);
  return tags;
}

Reply replace_tags(Objects::State& state, Call& call, const TagMap& tags) {
  return state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    Version version =
        require_version(transaction, bucket.name, key_of(call), call.text("VersionId"));
    version.tags = tags;
    update_document(transaction, version);
    Reply reply;
    add_version_member(reply.output, bucket, version);
    return reply;
  });
}

Reply get(Objects::State& state, Call& call) {
  return state.database.read([&](store::Reader& reader) {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    Version version = require_version(reader, bucket.name, key_of(call), call.text("VersionId"));
    Reply reply(Json{{"TagSet", Json::array()}});
    for (const auto& [key, value] : version.tags) {
      reply.output["TagSet"].push_back({{"Key", key}, {"Value", value}});
    }
    add_version_member(reply.output, bucket, version);
    return reply;
  });
}

Reply remove(Objects::State& state, Call& call) {
  Reply reply = replace_tags(state, call, {});
  reply.status = 204;
  return reply;
}

}  // namespace

void register_tagging_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "PutObjectTagging",
         [&state](Call& call) { return replace_tags(state, call, tags_of(call)); });
  api.on("s3", "GetObjectTagging", [&state](Call& call) { return get(state, call); });
  api.on("s3", "DeleteObjectTagging", [&state](Call& call) { return remove(state, call); });
}

}  // namespace slipway::objects
