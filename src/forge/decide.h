#pragma once

// What the forge decides, apart from doing it: names, roles, protected refs, and what git's HTTP
// requests are allowed. Pure.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forge/types.h"

namespace slipway::forge {

// --- Names

// Why a group's, project's or user's path cannot be, in GitLab's words; nothing where it can.
std::optional<std::string> path_problem(std::string_view path);
// A first segment that this server needs for itself ("api", "v2", …).
bool is_reserved(std::string_view path);
// A full ref name by git's rules ("refs/heads/main").
bool is_ref_name(std::string_view ref);
// A branch, tag, full ref or commit id that is safe to hand to git: no revision syntax.
bool is_plain_name(std::string_view name);
bool is_commit_id(std::string_view text);  // 40 hexadecimal digits
bool is_no_commit(std::string_view id);    // zeros, or empty
// The path of a file within a repository, by git's rules.
bool is_file_path(std::string_view path);
// "main" of "refs/heads/main"; nothing for other refs.
std::optional<std::string> branch_of(std::string_view ref);
std::optional<std::string> tag_of(std::string_view ref);

// --- Roles

// The highest role that a user has in a project: as a member of it or of a group above it (by the
// namespace's id), as owner of the namespace, or as an administrator.
struct Standing {
  bool admin = false;
  bool owns_namespace = false;
  std::vector<Access> memberships;
};
Access role_of(const Standing& standing);
// A job token outside of its own project reads only, and only where the project's settings allow
// it: "ci_inbound_job_token_scope_enabled" false, or its project in "ci_job_token_allowlist".
bool lets_job_in(const Project& project, Id job_project);

// --- Protected branches and tags

struct RefRules {
  bool is_protected = false;
  Access push = Access::kDeveloper;   // kNone: nobody
  Access merge = Access::kDeveloper;  // kNone: nobody
  bool force_push = true;
};
// Of all rules that match, the most permissive counts.
RefRules rules_for(const std::vector<ProtectedRef>& rules, std::string_view ref);
bool may_push(const RefRules& rules, Access access);
// Whoever may push a branch may merge into it as well.
bool may_merge(const RefRules& rules, Access access);

struct RefUpdate {
  std::string ref;
  std::string before;
  std::string after;
  bool forced = false;  // leaves commits behind
};
enum class Way { kGit, kApi };
// Why the update is refused, in GitLab's words; nothing where it may be done.
std::optional<std::string> refusal(const RefUpdate& update, const Project& project,
                                   const RefRules& rules, Access access, Way way);

// --- Git over HTTP

enum class GitService { kUpload, kReceive };  // the server uploads: clone, fetch; receives: push
struct GitPath {
  std::string project;                // full path, decoded, without ".git"
  std::optional<GitService> service;  // none: something that this server does not do
  bool advertisement = false;         // info/refs
};
// Nothing where the path is not git's.
std::optional<GitPath> parse_git_path(std::string_view path, std::string_view query);

enum class GitVerdict {
  kAllow,
  kCreate,     // allowed once the project has been made
  kAsk,        // 401: credentials, please
  kHidden,     // 404
  kForbidden,  // 403, with reason
};
struct GitAsk {
  GitService service = GitService::kUpload;
  bool credentials = false;  // some were sent
  const Identity* identity = nullptr;
  const Project* project = nullptr;
  Access access = Access::kNone;
  bool reads_code = false;
  bool may_create = false;  // the user may make the project that is missing
};
struct GitAnswer {
  GitVerdict verdict = GitVerdict::kAsk;
  std::string reason;
};
GitAnswer answer_to(const GitAsk& ask);

}  // namespace slipway::forge
