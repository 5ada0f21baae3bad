#include "gitlab/diffs.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "forge/git.h"
#include "forge/types.h"

namespace slipway::gitlab {
namespace {

constexpr std::size_t kMostFiles = 1000;
constexpr std::size_t kMostPatch = 4u << 20;
constexpr const char* kEmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

// The patches of the files in their order, without their "diff --git" heads.
std::vector<std::string> hunks_of(std::string_view patch) {
  std::vector<std::string> all;
  std::size_t at = patch.starts_with("diff --git ") ? 0 : patch.find("\ndiff --git ");
  while (at != std::string_view::npos && at < patch.size()) {
    const std::size_t start = patch[at] == '\n' ? at + 1 : at;
    const std::size_t next = patch.find("\ndiff --git ", start);
    const std::string_view one =
        patch.substr(start, next == std::string_view::npos ? next : next + 1 - start);
    const std::size_t hunk = one.find("\n@@ ");
    const std::size_t binary = one.find("\nBinary files ");
    const std::size_t from = std::min(hunk, binary);
    all.emplace_back(from == std::string_view::npos ? "" : one.substr(from + 1));
    at = next;
  }
  return all;
}

}  // namespace

Json parse_diffs(std::string_view raw, std::string_view patch) {
  const auto parts = base::split(raw, '\0');
  const auto hunks = hunks_of(patch);
  Json all = Json::array();
  // ":100644 100755 <id> <id> M" NUL path, of a rename two paths.
  for (std::size_t i = 0; i < parts.size() && all.size() < kMostFiles; ++i) {
    if (!parts[i].starts_with(':')) continue;
    const auto fields = base::split(std::string_view(parts[i]).substr(1), ' ');
    if (fields.size() < 5 || i + 1 >= parts.size()) break;
    const char action = fields[4].empty() ? 'M' : fields[4].front();
    const std::string old_path = parts[++i];
    const bool renamed = action == 'R' || action == 'C';
    const std::string new_path = renamed && i + 1 < parts.size() ? parts[++i] : old_path;
    const std::size_t index = all.size();
    all.push_back({{"old_path", old_path},
                   {"new_path", new_path},
                   {"a_mode", fields[0]},
                   {"b_mode", fields[1]},
                   {"new_file", action == 'A'},
                   {"renamed_file", action == 'R'},
                   {"deleted_file", action == 'D'},
                   {"generated_file", nullptr},
                   {"too_large", index >= hunks.size()},
                   {"collapsed", false},
                   {"diff", index < hunks.size() ? hunks[index] : ""}});
  }
  return all;
}

Json diffs_between(const forge::Repository& repository, const std::string& from,
                   const std::string& to) {
  const std::string start = from == forge::kNoCommit ? kEmptyTree : from;
  const std::vector<std::string> both{"--no-color", "--no-ext-diff", "-M", start, to, "--"};
  std::vector<std::string> raw{"diff", "--raw", "-z", "--abbrev=40"};
  raw.insert(raw.end(), both.begin(), both.end());
  std::vector<std::string> patch{"diff", "--patch"};
  patch.insert(patch.end(), both.begin(), both.end());
  const std::string names = forge::git_output(repository.directory(), {.arguments = raw});
  std::string text;
  try {
    text =
        forge::git_output(repository.directory(), {.arguments = patch, .output_limit = kMostPatch});
  } catch (const Error& error) {
    if (error.status() != 413) throw;
  }
  return parse_diffs(names, text);
}

std::vector<forge::Commit> commits_between(const forge::Repository& repository,
                                           const std::string& from, const std::string& to,
                                           int limit) {
  const std::string ids = forge::git_output(
      repository.directory(),
      {.arguments = {"rev-list", "--max-count=" + std::to_string(limit), to, "^" + from, "--"}});
  std::vector<forge::Commit> all;
  for (const std::string& id : base::split(base::trim(ids), '\n')) {
    if (id.empty()) continue;
    if (auto commit = repository.commit(id)) all.push_back(std::move(*commit));
  }
  std::reverse(all.begin(), all.end());
  return all;
}

}  // namespace slipway::gitlab
