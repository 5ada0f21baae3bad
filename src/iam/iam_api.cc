#include "base/error.h"
#include "base/strings.h"
#include "iam/iam.h"

namespace slipway::iam {
namespace {

constexpr int kDefaultAssumeSeconds = 3600;
constexpr int kDefaultTokenSeconds = 43'200;
constexpr int kDefaultPage = 100;

Json credentials_of(const Iam::Session& session) {
  return {{"AccessKeyId", session.key.id},
          {"SecretAccessKey", session.key.secret},
          {"SessionToken", session.token},
          {"Expiration", base::epoch_seconds(session.expires)}};
}

wire::Reply get_caller_identity(wire::Call& call) {
  return Json{
      {"UserId", call.caller.user_id}, {"Account", call.caller.account}, {"Arn", call.caller.arn}};
}

wire::Reply assume_role(Iam& iam, wire::Call& call) {
  const auto seconds = base::integer_or(call.input, "DurationSeconds", kDefaultAssumeSeconds);
  const Iam::Session session = iam.assume_role(call.text("RoleArn"), call.text("RoleSessionName"),
                                               static_cast<int>(seconds));
  return Json{{"Credentials", credentials_of(session)},
              {"AssumedRoleUser", {{"Arn", session.arn}, {"AssumedRoleId", session.user_id}}}};
}

wire::Reply get_session_token(Iam& iam, wire::Call& call) {
  // A session could otherwise prolong itself for ever.
  if (call.caller.access_key.starts_with("ASIA"))
    throw Error("AccessDenied", "Cannot call GetSessionToken with session credentials", 403);
  const auto seconds = base::integer_or(call.input, "DurationSeconds", kDefaultTokenSeconds);
  return Json{
      {"Credentials", credentials_of(iam.session_token(call.caller, static_cast<int>(seconds)))}};
}

wire::Reply get_access_key_info(Iam& iam, wire::Call& call) {
  const auto key = iam.share(call.text("AccessKeyId"));
  if (!key)
    throw Error("ValidationError", "The access key " + call.text("AccessKeyId") + " is unknown");
  return Json{{"Account", key->caller.account}};
}

// The user that a call without UserName means.
std::string user_of(const wire::Call& call) {
  if (call.has("UserName")) return call.text("UserName");
  const std::string& arn = call.caller.arn;
  return arn.ends_with(":root") ? std::string(kRootUser) : arn.substr(arn.rfind('/') + 1);
}

wire::Reply create_access_key(Iam& iam, wire::Call& call) {
  const std::string user = user_of(call);
  const AccessKey key = iam.create_access_key(user);
  Json answer = {{"UserName", user},
                 {"AccessKeyId", key.id},
                 {"Status", "Active"},
                 {"SecretAccessKey", key.secret}};
  for (const KeyRecord& record : iam.key_records())
    if (record.id == key.id) answer["CreateDate"] = base::epoch_seconds(record.created);
  return Json{{"AccessKey", std::move(answer)}};
}

wire::Reply list_access_keys(Iam& iam, wire::Call& call) {
  const std::string user = user_of(call);
  Json keys = Json::array();
  for (const KeyRecord& record : iam.key_records())
    if (record.user == user)
      keys.push_back({{"UserName", user},
                      {"AccessKeyId", record.id},
                      {"Status", "Active"},
                      {"CreateDate", base::epoch_seconds(record.created)}});
  return Json{{"AccessKeyMetadata", std::move(keys)}, {"IsTruncated", false}};
}

wire::Reply delete_access_key(Iam& iam, wire::Call& call) {
  const std::string id = call.text("AccessKeyId");
  if (call.has("UserName"))
    for (const KeyRecord& record : iam.key_records())
      if (record.id == id && record.user != call.text("UserName"))
        throw Error("NoSuchEntity", "The Access Key with id " + id + " cannot be found.", 404);
  iam.delete_access_key(id);
  return {};
}

Json describe(const Role& role) {
  return {{"Path", role.path},
          {"RoleName", role.name},
          {"RoleId", role.id},
          {"Arn", role.arn},
          {"CreateDate", base::epoch_seconds(role.created)},
          // IAM gives documents percent-encoded, and clients decode them.
          {"AssumeRolePolicyDocument", base::percent_encode(role.trust)},
          {"Description", role.description},
          {"MaxSessionDuration", role.longest_session}};
}

wire::Reply create_role(Iam& iam, wire::Call& call) {
  Role role;
  role.name = call.text("RoleName");
  role.path = call.has("Path") ? call.text("Path") : "/";
  role.trust = call.text("AssumeRolePolicyDocument");
  role.description = call.text("Description");
  role.longest_session =
      static_cast<int>(base::integer_or(call.input, "MaxSessionDuration", role.longest_session));
  if (!base::try_parse_json(role.trust))
    throw Error("MalformedPolicyDocument", "This policy contains invalid Json");
  return Json{{"Role", describe(iam.create_role(std::move(role)))}};
}

wire::Reply list_roles(Iam& iam, wire::Call& call) {
  const auto limit = static_cast<int>(base::integer_or(call.input, "MaxItems", kDefaultPage));
  const std::string prefix = call.has("PathPrefix") ? call.text("PathPrefix") : "/";
  auto roles = iam.roles(prefix, call.text("Marker"), limit + 1);
  const bool more = roles.size() > static_cast<std::size_t>(limit);
  if (more) roles.resize(static_cast<std::size_t>(limit));
  Json answer = {{"Roles", Json::array()}, {"IsTruncated", more}};
  for (const Role& role : roles) answer["Roles"].push_back(describe(role));
  if (more) answer["Marker"] = roles.back().name;
  return answer;
}

// Roles carry no policies here; who reads a role reads also that.
wire::Operation empty_list(Iam& iam, std::string member) {
  return [&iam, member = std::move(member)](wire::Call& call) -> wire::Reply {
    iam.get_role(call.text("RoleName"));
    return Json{{member, Json::array()}, {"IsTruncated", false}};
  };
}

}  // namespace

void register_iam_api(wire::Api& api, Iam& iam) {
  using wire::Call;
  using wire::Reply;
  api.on("sts", "GetCallerIdentity", get_caller_identity);
  api.on("sts", "AssumeRole", [&iam](Call& call) { return assume_role(iam, call); });
  api.on("sts", "GetSessionToken", [&iam](Call& call) { return get_session_token(iam, call); });
  api.on("sts", "GetAccessKeyInfo", [&iam](Call& call) { return get_access_key_info(iam, call); });
  api.on("iam", "CreateAccessKey", [&iam](Call& call) { return create_access_key(iam, call); });
  api.on("iam", "ListAccessKeys", [&iam](Call& call) { return list_access_keys(iam, call); });
  api.on("iam", "DeleteAccessKey", [&iam](Call& call) { return delete_access_key(iam, call); });
  api.on("iam", "CreateRole", [&iam](Call& call) { return create_role(iam, call); });
  api.on("iam", "GetRole", [&iam](Call& call) -> Reply {
    return Json{{"Role", describe(iam.get_role(call.text("RoleName")))}};
  });
  api.on("iam", "DeleteRole", [&iam](Call& call) -> Reply {
    iam.delete_role(call.text("RoleName"));
    return {};
  });
  api.on("iam", "ListRoles", [&iam](Call& call) { return list_roles(iam, call); });
  api.on("iam", "ListRolePolicies", empty_list(iam, "PolicyNames"));
  api.on("iam", "ListAttachedRolePolicies", empty_list(iam, "AttachedPolicies"));
  api.on("iam", "ListInstanceProfilesForRole", empty_list(iam, "InstanceProfiles"));
}

}  // namespace slipway::iam
