#pragma once

// Values of the forge: who is who, and which project is where. Names, numbers and meanings are
// GitLab's (docs.gitlab.com/ee/api).

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::forge {

using Id = std::int64_t;

enum class Access : int {
  kNone = 0,
  kGuest = 10,
  kReporter = 20,
  kDeveloper = 30,
  kMaintainer = 40,
  kOwner = 50,
};
enum class Visibility { kPrivate, kInternal, kPublic };
std::string_view text(Visibility visibility);
std::optional<Visibility> visibility_of(std::string_view text);

struct User {
  Id id = 0;
  std::string username;
  std::string name;
  std::string email;
  bool admin = false;
  base::Millis created = 0;
};

// A group or a user's own namespace.
struct Namespace {
  Id id = 0;
  std::string name;
  std::string path;
  std::string full_path;  // "health/oncology"
  std::string kind;       // "group" or "user"
  std::optional<Id> parent;
  std::string description;
  Visibility visibility = Visibility::kPrivate;
  base::Millis created = 0;
};

struct Project {
  Id id = 0;
  std::string name;
  std::string path;
  std::string full_path;  // "health/tumour"
  Id space = 0;           // its namespace
  std::string description;
  Visibility visibility = Visibility::kPrivate;
  std::string default_branch = "main";
  std::string ci_config_path;  // empty: ".gitlab-ci.yml"
  std::chrono::seconds build_timeout{3600};
  bool archived = false;
  Id creator = 0;
  base::Millis created = 0;
  base::Millis last_activity = 0;
  // Settings that the forge only keeps: an object, e.g. {"ci_default_git_depth": 20}.
  Json settings = Json::object();

  std::string namespace_path() const { return full_path.substr(0, full_path.rfind('/')); }
};

// A kind of token by its prefix: glpat- personal or project access token, glcbt- CI job.
enum class TokenKind { kAccess, kJob, kPassword };

// Who sent a request, and with what.
struct Identity {
  User user;
  TokenKind kind = TokenKind::kAccess;
  std::set<std::string> scopes;    // "api", "read_api", "read_repository", "write_repository"
  std::optional<Id> only_project;  // of a project access token
  std::optional<Id> job;           // of a job token; job_project is its project
  std::optional<Id> job_project;
  std::optional<Id> token;  // of an access token
  bool may(const std::string& scope) const {
    return scopes.contains("api") || scopes.contains(scope);
  }
};

struct AccessToken {
  Id id = 0;
  std::string name;
  Id user = 0;
  std::optional<Id> project;
  std::set<std::string> scopes;
  base::Millis created = 0;
  std::optional<base::Millis> expires;
  std::optional<base::Millis> last_used;
  bool revoked = false;
};

struct Member {
  User user;
  Access access = Access::kNone;
};

struct ProtectedRef {
  std::string name;  // may hold "*"
  bool tag = false;
  Access push = Access::kMaintainer;  // kNone: nobody; of a tag: who may create it
  Access merge = Access::kMaintainer;
  bool force_push = false;
};

// What a push did to one ref.
struct Push {
  std::string id;  // unique, the same when it is told again after a crash
  Id project = 0;
  Id user = 0;
  std::string ref;                   // "refs/heads/main", "refs/tags/v1"
  std::string before;                // 40 zeros: the ref is new
  std::string after;                 // 40 zeros: the ref is gone
  std::vector<std::string> options;  // "ci.skip", "ci.variable=KEY=value"
  int refs_in_push = 1;              // branches and tags that the same push moved
  base::Millis at = 0;
};

inline constexpr const char* kNoCommit = "0000000000000000000000000000000000000000";

}  // namespace slipway::forge
