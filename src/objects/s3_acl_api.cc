#include "base/error.h"
#include "objects/errors.h"
#include "objects/s3_api.h"

// Access control lists. A bucket is reachable by its own account alone, whatever its list
// says; lists are kept for the tools that write and compare them.

namespace slipway::objects {
namespace {

using wire::Call;
using wire::Reply;

Json grant(const Json& grantee, const char* permission) {
  return {{"Grantee", grantee}, {"Permission", permission}};
}

Json group(const char* name) {
  return {{"Type", "Group"}, {"URI", std::string("http://acs.amazonaws.com/groups/") + name}};
}

Json owner_grant(const std::string& account) {
  Json grantee = owner_json(account);
  grantee["Type"] = "CanonicalUser";
  return grant(grantee, "FULL_CONTROL");
}

// The grants that a canned ACL stands for. Throws InvalidArgument.
Json grants_of_canned(const std::string& acl, const std::string& account) {
  Json grants = Json::array({owner_grant(account)});
  if (acl.empty() || acl == "private" || acl == "bucket-owner-full-control") return grants;
  if (acl == "public-read" || acl == "public-read-write") {
    grants.push_back(grant(group("global/AllUsers"), "READ"));
    if (acl == "public-read-write") grants.push_back(grant(group("global/AllUsers"), "WRITE"));
    return grants;
  }
  if (acl == "authenticated-read") {
    grants.push_back(grant(group("global/AuthenticatedUsers"), "READ"));
    return grants;
  }
  if (acl == "log-delivery-write") {
    grants.push_back(grant(group("s3/LogDelivery"), "WRITE"));
    grants.push_back(grant(group("s3/LogDelivery"), "READ_ACP"));
    return grants;
  }
  throw invalid_argument("The canned ACL is not known", "x-amz-acl", acl);
}

Json default_acl(const std::string& account) {
  return {{"Owner", owner_json(account)}, {"Grants", Json::array({owner_grant(account)})}};
}

Json acl_of_request(const Call& call, const std::string& account) {
  Json acl = {{"Owner", owner_json(account)}};
  if (call.has("AccessControlPolicy")) {
    const Json& policy = base::object_or_empty(call.input, "AccessControlPolicy");
    acl["Grants"] = base::array_or_empty(policy, "Grants");
    return acl;
  }
  for (const char* member :
       {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"}) {
    if (call.has(member)) throw not_implemented("A grant by header");
  }
  acl["Grants"] = grants_of_canned(call.text("ACL"), account);
  return acl;
}

Reply get_bucket_acl(Objects::State& state, Call& call) {
  return state.database.read([&](store::Reader& reader) -> Reply {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    return find_setting(reader, bucket.name, "acl").value_or(default_acl(bucket.account));
  });
}

Reply put_bucket_acl(Objects::State& state, Call& call) {
  Json acl = acl_of_request(call, call.caller.account);
  state.database.write([&](store::Transaction& transaction) {
    Bucket bucket = require_bucket(transaction, access_of(call), bucket_of(call));
    if (acl["Grants"] == default_acl(bucket.account)["Grants"]) {
      remove_setting(transaction, bucket.name, "acl");
      return;
    }
    check_acl_allowed(transaction, bucket.name);
    set_setting(transaction, bucket.name, "acl", acl);
  });
  return {};
}

Reply get_object_acl(Objects::State& state, Call& call) {
  return state.database.read([&](store::Reader& reader) -> Reply {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    require_version(reader, bucket.name, key_of(call), call.text("VersionId"));
    return default_acl(bucket.account);
  });
}

Reply put_object_acl(Objects::State& state, Call& call) {
  Json acl = acl_of_request(call, call.caller.account);
  return state.database.read([&](store::Reader& reader) -> Reply {
    Bucket bucket = require_bucket(reader, access_of(call), bucket_of(call));
    require_version(reader, bucket.name, key_of(call), call.text("VersionId"));
    if (acl["Grants"] != default_acl(bucket.account)["Grants"]) {
      check_acl_allowed(reader, bucket.name);
      throw not_implemented("An access control list of a single object");
    }
    return {};
  });
}

}  // namespace

void register_acl_operations(wire::Api& api, Objects::State& state) {
  api.on("s3", "GetBucketAcl", [&state](Call& call) { return get_bucket_acl(state, call); });
  api.on("s3", "PutBucketAcl", [&state](Call& call) { return put_bucket_acl(state, call); });
  api.on("s3", "GetObjectAcl", [&state](Call& call) { return get_object_acl(state, call); });
  api.on("s3", "PutObjectAcl", [&state](Call& call) { return put_object_acl(state, call); });
}

}  // namespace slipway::objects
