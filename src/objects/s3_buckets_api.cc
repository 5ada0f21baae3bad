#include "base/error.h"
#include "base/strings.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

Json tag_set(const Json& tags) { return {{"TagSet", tags}}; }

Reply create(Objects::State& state, Call& call) {
  const Json& configuration = base::object_or_empty(call.input, "CreateBucketConfiguration");
  if (base::boolean_or(call.input, "ObjectLockEnabledForBucket", false)) {
    throw not_implemented("Object Lock");
  }
  Bucket bucket;
  bucket.name = bucket_of(call);
  bucket.account = call.caller.account;
  bucket.created = state.clock.now();
  bucket.location = base::text_or(configuration, "LocationConstraint", state.options.region);
  if (bucket.location == "EU") bucket.location = "eu-west-1";  // as S3 reads the old name
  std::map<std::string, Json> settings;
  std::string ownership = call.text("ObjectOwnership");
  if (!ownership.empty()) {
    settings["ownership"] = {{"Rules", Json::array({{{"ObjectOwnership", ownership}}})}};
  }
  if (grants_to_others(call) && (ownership.empty() || ownership == "BucketOwnerEnforced")) {
    throw Error("InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
                400);
  }
  const Json& tags = base::array_or_empty(configuration, "Tags");
  if (!tags.empty()) settings["tagging"] = tag_set(tags);
  create_bucket(state, bucket, settings);
  return Json{{"Location", "/" + bucket.name}, {"BucketArn", "arn:aws:s3:::" + bucket.name}};
}

Reply head(Objects::State& state, Call& call) {
  Bucket bucket = state.database.read([&](store::Reader& reader) {
    return require_bucket(reader, access_of(call), bucket_of(call));
  });
  return Json{{"BucketRegion", bucket.location}, {"BucketArn", "arn:aws:s3:::" + bucket.name}};
}

Reply remove(Objects::State& state, Call& call) {
  auto dropped = state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    if (!is_empty(transaction, bucket.name)) {
      const bool versions = bucket.versioning != Versioning::kOff;
      throw Error("BucketNotEmpty",
                  std::string("The bucket you tried to delete is not empty") +
                      (versions ? ". You must delete all versions in the bucket." : ""),
                  409, {{"BucketName", bucket.name}});
    }
    return remove_bucket(transaction, bucket.name);
  });
  state.contents.remove(dropped);
  Reply reply;
  reply.status = 204;
  return reply;
}

Reply list(Objects::State& state, Call& call) {
  std::string prefix = call.text("Prefix");
  std::string region = call.text("BucketRegion");
  std::int64_t limit = base::integer_or(call.input, "MaxBuckets", 10'000);
  if (limit < 1 || limit > 10'000) {
    throw invalid_argument("Argument max-buckets must be an integer between 1 and 10000",
                           "max-buckets", std::to_string(limit));
  }
  auto after = base::from_base64(call.text("ContinuationToken"));
  if (!after) {
    throw invalid_argument("The continuation token provided is incorrect", "continuation-token",
                           call.text("ContinuationToken"));
  }
  auto buckets = state.database.read([&](store::Reader& reader) {
    return buckets_of(reader, call.caller.account, prefix, *after, static_cast<int>(limit) + 1);
  });
  Json output = {{"Owner", owner_json(call.caller.account)}, {"Buckets", Json::array()}};
  if (!prefix.empty()) output["Prefix"] = prefix;
  if (static_cast<std::int64_t>(buckets.size()) > limit) {
    buckets.pop_back();
    output["ContinuationToken"] = base::base64(buckets.back().name);
  }
  const bool paged = call.has("MaxBuckets") || !prefix.empty() || !region.empty();
  for (const Bucket& bucket : buckets) {
    if (!region.empty() && bucket.location != region) continue;
    Json item = {{"Name", bucket.name}, {"CreationDate", base::epoch_seconds(bucket.created)}};
    if (paged) item["BucketRegion"] = bucket.location;
    output["Buckets"].push_back(std::move(item));
  }
  return output;
}

Reply location(Objects::State& state, Call& call) {
  Bucket bucket = state.database.read([&](store::Reader& reader) {
    return require_bucket(reader, access_of(call), bucket_of(call));
  });
  // S3 names every region here but its first.
  if (bucket.location == "us-east-1") return Json::object();
  return Json{{"LocationConstraint", bucket.location}};
}

}  // namespace

void register_bucket_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "CreateBucket", [&state](Call& call) { return create(state, call); });
  api.on("s3", "HeadBucket", [&state](Call& call) { return head(state, call); });
  api.on("s3", "DeleteBucket", [&state](Call& call) { return remove(state, call); });
  api.on("s3", "ListBuckets", [&state](Call& call) { return list(state, call); });
  api.on("s3", "GetBucketLocation", [&state](Call& call) { return location(state, call); });
}

}  // namespace slipway::objects
