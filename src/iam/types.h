#pragma once

// What this room keeps: keys, roles, policies; and the rules for their names and ARNs.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace slipway::iam {

constexpr std::string_view kRootUser = "root";
// Always there, so that a request that needs a role's ARN can be made at once.
constexpr std::string_view kExecutionRole = "slipway-execution";

constexpr int kMostKeysOfUser = 10;
constexpr int kMostSessions = 10'000;
constexpr int kShortestSession = 900;    // seconds
constexpr int kLongestSession = 43'200;  // seconds

struct KeyRecord {
  std::string id;
  std::string user;  // empty for a role's session
  std::string secret;
  std::string session_token;
  std::string arn;
  std::string user_id;
  base::Millis created = 0;
  base::Millis expires = 0;  // 0: never
};

struct Role {
  std::string name;
  std::string id;  // "AROA…"
  std::string path = "/";
  std::string arn;
  std::string trust;  // the policy document that says who may assume it
  std::string description;
  int longest_session = 3600;  // seconds
  base::Millis created = 0;
};

// The built-in role; the same at every start.
Role execution_role(std::string_view account);

// A new key with random id and secret.
KeyRecord new_key(std::string_view prefix, base::Millis now);
// An id like "AROA…" or "AIDA…".
std::string new_id(std::string_view prefix);
// The same for the same user for ever, as users have no record of their own.
std::string user_id_of(std::string_view user);

std::string user_arn(std::string_view account, std::string_view user);
std::string role_arn(std::string_view account, std::string_view path, std::string_view name);
std::string assumed_role_arn(std::string_view account, std::string_view role,
                             std::string_view session);

// Throw Error{ValidationError} where the text is not of the form.
void check_user_name(std::string_view user);
void check_session(std::string_view session, int duration_seconds);

}  // namespace slipway::iam
