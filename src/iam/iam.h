#pragma once

// Accounts, access keys and roles: who may call.
//
// The first start makes a root access key and writes it to <data>/credentials (0600) in
// the format of an AWS shared credentials file. Keys are held in memory for the request
// path and in the database for good; every change is durable before it counts.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "iam/types.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::iam {

struct IamOptions {
  std::string account = "123456789012";
  std::string region = "us-east-1";
  std::filesystem::path credentials_file;  // <data>/credentials
};

struct AccessKey {
  std::string id;      // "AKIA" and 16 characters
  std::string secret;  // 40 characters
};

// Thread-safe.
class Iam final : public wire::Credentials {
 public:
  // Creates the tables, and the root key where there is none.
  Iam(store::Database& database, const base::Clock& clock, IamOptions options);
  ~Iam() override;

  std::optional<Key> find(std::string_view access_key) const override;
  std::shared_ptr<const Key> share(std::string_view access_key) const override;

  const std::string& account() const;
  const std::string& region() const;

  AccessKey create_access_key(const std::string& user);  // "root" for the account itself
  void delete_access_key(const std::string& id);
  std::vector<std::pair<std::string, std::string>> access_keys() const;  // id, user
  std::vector<KeyRecord> key_records() const;                            // those without expiry

  // Fills in id, ARN and time. Throws Error{EntityAlreadyExists, 409}.
  Role create_role(Role role);
  // By name; throws Error{NoSuchEntity, 404}. The built-in role is found as well.
  Role get_role(const std::string& name) const;
  void delete_role(const std::string& name);
  // At most `limit` by name, after the name `after`.
  std::vector<Role> roles(const std::string& path_prefix, const std::string& after,
                          int limit) const;

  // Temporary keys for a role session, "ASIA…". 900 s to 12 h.
  struct Session {
    AccessKey key;
    std::string token;
    base::Millis expires;
    std::string arn;      // arn:aws:sts::<account>:assumed-role/<role>/<session>
    std::string user_id;  // <role id>:<session>
  };
  Session assume_role(const std::string& role_arn, const std::string& session_name,
                      int duration_seconds);
  // Temporary keys for the caller itself.
  Session session_token(const wire::Caller& caller, int duration_seconds);

  // A password for the registry, as ECR's GetAuthorizationToken gives it, for 12 hours: an opaque
  // text that names the caller and is signed with a secret of this server.
  std::string registry_password(const wire::Caller& caller, base::Millis expires) const;
  // User "AWS" with such a password, or an access key id with its secret; nothing where neither
  // fits.
  std::optional<wire::Caller> check_registry_login(std::string_view user,
                                                   std::string_view password) const;

 private:
  Session open_session(KeyRecord record, int duration_seconds);
  void write_credentials() const;

  struct State;
  std::unique_ptr<State> state_;
};

// Registers STS GetCallerIdentity, AssumeRole, GetSessionToken and IAM CreateAccessKey,
// ListAccessKeys, DeleteAccessKey, CreateRole, GetRole, DeleteRole, ListRoles.
void register_iam_api(wire::Api& api, Iam& iam);

}  // namespace slipway::iam
