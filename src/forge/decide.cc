#include "forge/decide.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/strings.h"

namespace slipway::forge {
namespace {

constexpr std::size_t kLongestName = 255;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool has_forbidden_byte(std::string_view ref) {
  return std::any_of(ref.begin(), ref.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string::npos;
  });
}

// "*" stands for any text, "/" too.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::optional<std::size_t> star;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star) {
      p = *star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_kept_for_server(std::string_view ref) {
  constexpr std::array<std::string_view, 6> kPrefixes = {
      "refs/pipelines/",    "refs/merge-requests/", "refs/keep-around/",
      "refs/environments/", "refs/deployments/",    "refs/tmp/"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return ref.starts_with(prefix); });
}

// The more permissive of two; kNone is "nobody", the least permissive of all.
Access wider(Access one, Access other) {
  if (one == Access::kNone || other == Access::kNone) return std::max(one, other);
  return std::min(one, other);
}

std::optional<std::string> branch_refusal(const std::string& branch, const RefUpdate& update,
                                          const Project& project, const RefRules& rules,
                                          Access access, Way way) {
  if (is_no_commit(update.after)) {
    if (branch == project.default_branch) {
      return "The default branch of a project cannot be deleted.";
    }
    if (!rules.is_protected) return std::nullopt;
    if (access < Access::kMaintainer) {
      return "You are not allowed to delete protected branches from this project. Only a project "
             "maintainer or owner can delete a protected branch.";
    }
    if (way == Way::kGit) return "You can only delete protected branches using the web interface.";
    return std::nullopt;
  }
  if (is_no_commit(update.before) && is_commit_id(branch)) {
    return "You cannot create a branch with a 40-character hexadecimal branch name.";
  }
  if (!rules.is_protected) return std::nullopt;
  if (update.forced && !rules.force_push) {
    return "You are not allowed to force push code to a protected branch on this project.";
  }
  if (!may_push(rules, access)) {
    return "You are not allowed to push code to protected branches on this project.";
  }
  return std::nullopt;
}

std::optional<std::string> tag_refusal(const RefUpdate& update, const RefRules& rules,
                                       Access access, Way way) {
  if (!rules.is_protected) return std::nullopt;
  if (is_no_commit(update.after)) {
    if (access < Access::kMaintainer) {
      return "You are not allowed to delete protected tags from this project. Only a project "
             "maintainer or owner can delete a protected tag.";
    }
    if (way == Way::kGit) return "You can only delete protected tags using the web interface.";
    return std::nullopt;
  }
  if (!is_no_commit(update.before)) return "Protected tags cannot be updated.";
  if (!may_push(rules, access)) {
    return "You are not allowed to create this tag as it is protected.";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> path_problem(std::string_view path) {
  if (path.empty()) return "can't be blank";
  if (path.size() > kLongestName) return "is too long (maximum is 255 characters)";
  const bool fits = std::all_of(path.begin(), path.end(), [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
  });
  if (!fits || path.front() == '-' || path.front() == '.' || path.back() == '.' ||
      path.ends_with(".git") || path.ends_with(".atom") || path.find("..") != std::string::npos) {
    return "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-' or '.', end "
           "in '.', '.git' or '.atom', or contain '..'";
  }
  return std::nullopt;
}

bool is_reserved(std::string_view path) {
  constexpr std::array<std::string_view, 30> kReserved = {
      "-",         "_",       "admin", "api",     "assets",   "aws_mwaa",  "console", "dashboard",
      "endpoints", "explore", "files", "groups",  "healthz",  "help",      "import",  "jwt",
      "login",     "metrics", "oauth", "profile", "projects", "public",    "search",  "snippets",
      "static",    "uploads", "users", "v1",      "v2",       "2015-03-31"};
  const std::string lower = base::lower(path);
  return std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end();
}

bool is_ref_name(std::string_view ref) {
  if (!ref.starts_with("refs/") || ref.size() > 1024 || ref.ends_with("/") || ref.ends_with(".") ||
      ref.find("..") != std::string::npos || ref.find("@{") != std::string::npos ||
      has_forbidden_byte(ref)) {
    return false;
  }
  const std::vector<std::string> parts = base::split(ref, '/');
  if (parts.size() < 3) return false;
  const bool sound = std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part.front() == '.' || part.ends_with(".lock");
  });
  // git refuses a branch of this name, as a command would take it for an option.
  return sound && !ref.starts_with("refs/heads/-") && ref != "refs/heads/HEAD";
}

bool is_plain_name(std::string_view name) {
  return name == "HEAD" || is_ref_name(name) || is_ref_name("refs/heads/" + std::string(name));
}

bool is_commit_id(std::string_view text) { return text.size() == 40 && is_hex(text); }

bool is_no_commit(std::string_view id) { return id.empty() || id == kNoCommit; }

bool is_file_path(std::string_view path) {
  if (path.empty() || path.size() > 4096) return false;
  if (path.find('\0') != std::string::npos || path.find('\n') != std::string::npos) return false;
  const std::vector<std::string> parts = base::split(path, '/');
  return std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part == "." || part == ".." || base::equals_ignoring_case(part, ".git");
  });
}

std::optional<std::string> branch_of(std::string_view ref) {
  constexpr std::string_view kPrefix = "refs/heads/";
  if (!ref.starts_with(kPrefix)) return std::nullopt;
  return std::string(ref.substr(kPrefix.size()));
}

std::optional<std::string> tag_of(std::string_view ref) {
  constexpr std::string_view kPrefix = "refs/tags/";
  if (!ref.starts_with(kPrefix)) return std::nullopt;
  return std::string(ref.substr(kPrefix.size()));
}

Access role_of(const Standing& standing) {
  if (standing.admin || standing.owns_namespace) return Access::kOwner;
  Access highest = Access::kNone;
  for (const Access access : standing.memberships) highest = std::max(highest, access);
  return highest;
}

bool lets_job_in(const Project& project, Id job_project) {
  if (!base::boolean_or(project.settings, "ci_inbound_job_token_scope_enabled", true)) return true;
  const Json& allowed = base::array_or_empty(project.settings, "ci_job_token_allowlist");
  return std::any_of(allowed.begin(), allowed.end(), [&](const Json& id) {
    return id.is_number_integer() && id.get<Id>() == job_project;
  });
}

RefRules rules_for(const std::vector<ProtectedRef>& rules, std::string_view ref) {
  RefRules result;
  const auto branch = branch_of(ref);
  const auto tag = tag_of(ref);
  for (const ProtectedRef& rule : rules) {
    const auto& name = rule.tag ? tag : branch;
    if (!name || !matches(rule.name, *name)) continue;
    if (!result.is_protected) {
      result = {true, rule.push, rule.merge, rule.force_push};
      continue;
    }
    result.push = wider(result.push, rule.push);
    result.merge = wider(result.merge, rule.merge);
    result.force_push = result.force_push || rule.force_push;
  }
  return result;
}

bool may_push(const RefRules& rules, Access access) {
  return rules.push != Access::kNone && access >= rules.push;
}

bool may_merge(const RefRules& rules, Access access) {
  return may_push(rules, access) || (rules.merge != Access::kNone && access >= rules.merge);
}

std::optional<std::string> refusal(const RefUpdate& update, const Project& project,
                                   const RefRules& rules, Access access, Way way) {
  if (project.archived) return "You can't push code to an archived project.";
  if (access < Access::kDeveloper) return "You are not allowed to push code to this project.";
  if (!is_ref_name(update.ref)) return "\"" + update.ref + "\" is not a name for a branch or tag.";
  if (is_kept_for_server(update.ref)) return "\"" + update.ref + "\" belongs to the server.";
  if (const auto branch = branch_of(update.ref)) {
    return branch_refusal(*branch, update, project, rules, access, way);
  }
  if (tag_of(update.ref)) return tag_refusal(update, rules, access, way);
  return std::nullopt;
}

std::optional<GitPath> parse_git_path(std::string_view path, std::string_view query) {
  constexpr std::string_view kRefs = "/info/refs";
  constexpr std::string_view kUpload = "/git-upload-pack";
  constexpr std::string_view kReceive = "/git-receive-pack";
  constexpr std::string_view kLargeFiles = ".git/info/lfs/";
  GitPath result;
  std::string_view project = path;
  if (path.ends_with(kRefs)) {
    result.advertisement = true;
    for (const auto& [name, value] : base::parse_query(query)) {
      if (name != "service") continue;
      if (value == "git-upload-pack") result.service = GitService::kUpload;
      if (value == "git-receive-pack") result.service = GitService::kReceive;
    }
    project.remove_suffix(kRefs.size());
  } else if (path.ends_with(kUpload)) {
    result.service = GitService::kUpload;
    project.remove_suffix(kUpload.size());
  } else if (path.ends_with(kReceive)) {
    result.service = GitService::kReceive;
    project.remove_suffix(kReceive.size());
  } else if (const auto at = path.find(kLargeFiles); at != std::string_view::npos) {
    project = path.substr(0, at + 4);
  } else {
    return std::nullopt;
  }
  result.project = base::percent_decode(project);
  while (result.project.starts_with("/")) result.project.erase(0, 1);
  if (result.project.ends_with(".git")) result.project.resize(result.project.size() - 4);
  const std::size_t slash = result.project.find('/');
  if (slash == std::string::npos || is_reserved(result.project.substr(0, slash))) {
    return std::nullopt;
  }
  return result;
}

GitAnswer answer_to(const GitAsk& ask) {
  constexpr const char* kNotFound =
      "The project you were looking for could not be found or you don't have permission to view "
      "it.";
  const bool writes = ask.service == GitService::kReceive;
  if (ask.identity == nullptr) {
    const bool open = !ask.credentials && !writes && ask.project != nullptr && ask.reads_code;
    return {open ? GitVerdict::kAllow : GitVerdict::kAsk, ""};
  }
  const Identity& identity = *ask.identity;
  const bool scope = writes ? identity.may("write_repository")
                            : identity.may("read_repository") || identity.may("write_repository");
  if (!scope && identity.kind != TokenKind::kJob) {
    return {GitVerdict::kForbidden, writes ? "You are not allowed to push code with this token: it "
                                             "lacks the scope write_repository."
                                           : "You are not allowed to download code with this "
                                             "token: it lacks the scope read_repository."};
  }
  if (ask.project == nullptr) {
    if (writes && ask.may_create) return {GitVerdict::kCreate, ""};
    return {GitVerdict::kHidden, kNotFound};
  }
  if (!ask.reads_code) {
    if (ask.access == Access::kNone) return {GitVerdict::kHidden, kNotFound};
    return {GitVerdict::kForbidden, "You are not allowed to download code from this project."};
  }
  if (!writes) return {GitVerdict::kAllow, ""};
  if (identity.kind == TokenKind::kJob || ask.access < Access::kDeveloper) {
    return {GitVerdict::kForbidden, "You are not allowed to push code to this project."};
  }
  if (ask.project->archived) {
    return {GitVerdict::kForbidden, "You can't push code to an archived project."};
  }
  return {GitVerdict::kAllow, ""};
}

}  // namespace slipway::forge
