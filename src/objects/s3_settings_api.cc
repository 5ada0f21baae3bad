#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

// How an answer is made of the stored document.
enum class Answer { kMembers, kWrapped };

// A setting that is stored as it came and given back; one row a sub-resource.
struct Setting {
  const char* name;    // in s3_settings
  const char* member;  // of the Put's input
  const char* put;     // operations; null where there is none
  const char* get;
  const char* remove;
  Answer answer;             // the document's members, or the document as `member`
  const char* missing_code;  // null: answered with nothing instead of an error
  const char* missing_text;
};

constexpr Setting kSettings[] = {
    {"policy", "Policy", "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy",
     Answer::kWrapped, "NoSuchBucketPolicy", "The bucket policy does not exist"},
    {"cors", "CORSConfiguration", "PutBucketCors", "GetBucketCors", "DeleteBucketCors",
     Answer::kMembers, "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
    {"website", "WebsiteConfiguration", nullptr, "GetBucketWebsite", nullptr, Answer::kMembers,
     "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
    {"accelerate", "AccelerateConfiguration", nullptr, "GetBucketAccelerateConfiguration", nullptr,
     Answer::kMembers, nullptr, nullptr},
    {"logging", "BucketLoggingStatus", "PutBucketLogging", "GetBucketLogging", nullptr,
     Answer::kMembers, nullptr, nullptr},
    {"lifecycle", "LifecycleConfiguration", "PutBucketLifecycleConfiguration",
     "GetBucketLifecycleConfiguration", "DeleteBucketLifecycle", Answer::kMembers,
     "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
    {"replication", "ReplicationConfiguration", nullptr, "GetBucketReplication", nullptr,
     Answer::kWrapped, "ReplicationConfigurationNotFoundError",
     "The replication configuration was not found"},
    {"encryption", "ServerSideEncryptionConfiguration", "PutBucketEncryption",
     "GetBucketEncryption", "DeleteBucketEncryption", Answer::kWrapped,
     "ServerSideEncryptionConfigurationNotFoundError",
     "The server side encryption configuration was not found"},
    {"object-lock", "ObjectLockConfiguration", nullptr, "GetObjectLockConfiguration", nullptr,
     Answer::kWrapped, "ObjectLockConfigurationNotFoundError",
     "Object Lock configuration does not exist for this bucket"},
    {"tagging", "Tagging", "PutBucketTagging", "GetBucketTagging", "DeleteBucketTagging",
     Answer::kMembers, "NoSuchTagSet", "The TagSet does not exist"},
    {"public-access-block", "PublicAccessBlockConfiguration", "PutPublicAccessBlock",
     "GetPublicAccessBlock", "DeletePublicAccessBlock", Answer::kWrapped,
     "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
    {"notification", "NotificationConfiguration", "PutBucketNotificationConfiguration",
     "GetBucketNotificationConfiguration", nullptr, Answer::kMembers, nullptr, nullptr},
    {"ownership", "OwnershipControls", "PutBucketOwnershipControls", "GetBucketOwnershipControls",
     "DeleteBucketOwnershipControls", Answer::kWrapped, "OwnershipControlsNotFoundError",
     "The bucket ownership controls were not found"},
};

Reply no_content() {
  Reply reply;
  reply.status = 204;
  return reply;
}

void check_policy(const Json& document) {
  auto policy =
      document.is_string() ? base::try_parse_json(document.get<std::string>()) : std::nullopt;
  if (policy && policy->is_object()) return;
  throw Error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'", 400);
}

void check_bucket_tags(const Json& document) {
  std::map<std::string, std::string> tags;
  for (const Json& tag : base::array_or_empty(document, "TagSet")) {
    if (!tags.emplace(base::text_or(tag, "Key"), base::text_or(tag, "Value")).second) {
      throw Error("InvalidTag", "Cannot provide multiple Tags with the same key", 400,
                  {{"TagKey", base::text_or(tag, "Key")}});
    }
  }
  check_tags(tags, 50);
}

// Rules without an id get one, as in S3, so that what is read back is stable.
void name_lifecycle_rules(Json& document) {
  Json rules = base::array_or_empty(document, "Rules");
  std::set<std::string> ids;
  int number = 0;
  for (Json& rule : rules) {
    ++number;
    if (!rule.contains("ID")) rule["ID"] = "rule-" + std::to_string(number);
    if (!ids.insert(base::text_or(rule, "ID")).second) {
      throw invalid_argument("Rule ID must be unique. Found same ID for one or more rules", "ID",
                             base::text_or(rule, "ID"));
    }
  }
  if (rules.empty()) throw malformed_xml();
  document["Rules"] = std::move(rules);
}

Json checked_document(const Setting& setting, const Call& call) {
  if (!call.has(setting.member)) throw malformed_xml();
  Json document = call.input[setting.member];
  const std::string_view name = setting.name;
  if (name == "policy") check_policy(document);
  if (name == "tagging") check_bucket_tags(document);
  if (name == "lifecycle") {
    name_lifecycle_rules(document);
    document["TransitionDefaultMinimumObjectSize"] =
        base::text_or(call.input, "TransitionDefaultMinimumObjectSize", "all_storage_classes_128K");
  }
  return document;
}

Reply put_setting(Objects::State& state, const Setting& setting, Call& call) {
  Json document = checked_document(setting, call);
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    set_setting(transaction, bucket.name, setting.name, document);
  });
  const std::string_view name = setting.name;
  if (name == "policy" || name == "tagging") return no_content();
  return {};
}

Reply get_setting(Objects::State& state, const Setting& setting, Call& call) {
  auto document = state.database.read([&](store::Reader& reader) {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    return find_setting(reader, bucket.name, setting.name);
  });
  if (!document) {
    if (!setting.missing_code) return {};
    throw Error(setting.missing_code, setting.missing_text, 404, {{"BucketName", bucket_of(call)}});
  }
  if (setting.answer == Answer::kMembers) return *document;
  return Json{{setting.member, *document}};
}

Reply delete_setting(Objects::State& state, const Setting& setting, Call& call) {
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    remove_setting(transaction, bucket.name, setting.name);
  });
  return no_content();
}

Reply put_versioning(Objects::State& state, Call& call) {
  const Json& configuration = base::object_or_empty(call.input, "VersioningConfiguration");
  std::string status = base::text_or(configuration, "Status");
  if (base::text_or(configuration, "MFADelete") == "Enabled") throw not_implemented("MFA delete");
  if (status != "Enabled" && status != "Suspended") {
    throw Error("IllegalVersioningConfigurationException",
                "The Versioning element must be specified", 400);
  }
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    set_versioning(transaction, bucket.name,
                   status == "Enabled" ? Versioning::kEnabled : Versioning::kSuspended);
  });
  return {};
}

Reply get_versioning(Objects::State& state, Call& call) {
  Bucket bucket = state.database.read([&](store::Reader& reader) {
    return require_bucket(reader, access_of(call), bucket_of(call));
  });
  if (bucket.versioning == Versioning::kOff) return {};
  return Json{{"Status", bucket.versioning == Versioning::kEnabled ? "Enabled" : "Suspended"}};
}

Reply get_request_payment(Objects::State& state, Call& call) {
  state.database.read(
      [&](store::Reader& reader) { require_bucket(reader, access_of(call), bucket_of(call)); });
  return Json{{"Payer", "BucketOwner"}};
}

// No bucket is ever public here: every request is signed by its account.
Reply get_policy_status(Objects::State& state, const Setting& policy, Call& call) {
  get_setting(state, policy, call);
  return Json{{"PolicyStatus", {{"IsPublic", false}}}};
}

}  // namespace

void register_setting_operations(wire::Api& api, Objects::State& state) {
  for (const Setting& setting : kSettings) {
    if (setting.put) {
      api.on("s3", setting.put,
             [&state, &setting](Call& call) { return put_setting(state, setting, call); });
    }
    api.on("s3", setting.get,
           [&state, &setting](Call& call) { return get_setting(state, setting, call); });
    if (setting.remove) {
      api.on("s3", setting.remove,
             [&state, &setting](Call& call) { return delete_setting(state, setting, call); });
    }
  }
  api.on("s3", "GetBucketPolicyStatus",
         [&state](Call& call) { return get_policy_status(state, kSettings[0], call); });
  api.on("s3", "PutBucketVersioning", [&state](Call& call) { return put_versioning(state, call); });
  api.on("s3", "GetBucketVersioning", [&state](Call& call) { return get_versioning(state, call); });
  api.on("s3", "GetBucketRequestPayment",
         [&state](Call& call) { return get_request_payment(state, call); });
}

}  // namespace slipway::objects
