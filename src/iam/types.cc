#include "iam/types.h"

#include <algorithm>
#include <cctype>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::iam {
namespace {

// Ids of AWS are base 32 without what looks alike.
constexpr std::string_view kIdAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view kSecretAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("+=,.@_-").find(c) != std::string_view::npos;
  });
}

}  // namespace

Role execution_role(std::string_view account) {
  Role role;
  role.name = kExecutionRole;
  role.id = "AROASLIPWAYEXECUTION";
  role.arn = role_arn(account, role.path, role.name);
  role.trust = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)"
               R"({"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]})";
  role.description = "Built in: the role that jobs, models and pipelines run as";
  role.longest_session = kLongestSession;
  return role;
}

KeyRecord new_key(std::string_view prefix, base::Millis now) {
  KeyRecord record;
  record.id = new_id(prefix);
  record.secret = base::random_text(40, kSecretAlphabet);
  record.created = now;
  return record;
}

std::string new_id(std::string_view prefix) {
  return std::string(prefix) + base::random_text(16, kIdAlphabet);
}

std::string user_id_of(std::string_view user) {
  const std::string digest = base::digest(base::Algorithm::kSha256, user);
  std::string id = "AIDA";
  for (std::size_t i = 0; i < 16; ++i)
    id += kIdAlphabet[static_cast<unsigned char>(digest[i]) % kIdAlphabet.size()];
  return id;
}

std::string user_arn(std::string_view account, std::string_view user) {
  const std::string prefix = "arn:aws:iam::" + std::string(account) + ":";
  return user == kRootUser ? prefix + "root" : prefix + "user/" + std::string(user);
}

std::string role_arn(std::string_view account, std::string_view path, std::string_view name) {
  return "arn:aws:iam::" + std::string(account) + ":role" + std::string(path) + std::string(name);
}

std::string assumed_role_arn(std::string_view account, std::string_view role,
                             std::string_view session) {
  return "arn:aws:sts::" + std::string(account) + ":assumed-role/" + std::string(role) + "/" +
         std::string(session);
}

void check_user_name(std::string_view user) {
  if (!is_name(user))
    throw Error("ValidationError",
                "The specified value for userName is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-");
}

void check_session(std::string_view session, int duration_seconds) {
  if (session.size() < 2 || !is_name(session))
    throw Error("ValidationError",
                "1 validation error detected: Value '" + std::string(session) +
                    "' at 'roleSessionName' failed to satisfy constraint: Member must satisfy "
                    "regular expression pattern: [\\w+=,.@-]*");
  if (duration_seconds < kShortestSession || duration_seconds > kLongestSession)
    throw Error("ValidationError",
                "1 validation error detected: Value '" + std::to_string(duration_seconds) +
                    "' at 'durationSeconds' failed to satisfy constraint: Member must have value "
                    "between " +
                    std::to_string(kShortestSession) + " and " + std::to_string(kLongestSession));
}

}  // namespace slipway::iam
