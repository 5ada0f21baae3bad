#pragma once

// What differs between two commits, as GitLab's compare and diff endpoints tell it.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "forge/repository.h"

namespace slipway::gitlab {

// The diffs of `git diff --raw -z` and of its patch, put together: [{"old_path", "new_path",
// "a_mode", "b_mode", "diff", "new_file", "renamed_file", "deleted_file"}]. Pure.
Json parse_diffs(std::string_view raw, std::string_view patch);

// Of two commit ids; kNoCommit as `from`: everything is new. At most 1000 files and 4 MiB; beyond
// that a file's diff is empty and "too_large" true.
Json diffs_between(const forge::Repository& repository, const std::string& from,
                   const std::string& to);

// What `to` has and `from` has not, the oldest first, at most the `limit` newest.
std::vector<forge::Commit> commits_between(const forge::Repository& repository,
                                           const std::string& from, const std::string& to,
                                           int limit);

}  // namespace slipway::gitlab
