#pragma once

// Questions about a repository's branches.

#include <optional>
#include <string>

#include "forge/decide.h"
#include "forge/repository.h"

namespace slipway::gitlab {

inline constexpr int kMostOpenOfBranch = 1000;  // merge requests

inline std::optional<std::string> head_of(const forge::Repository& repository,
                                          const std::string& branch) {
  return repository.resolve("refs/heads/" + branch);
}

// Whether `part` is `whole` or one of its ancestors.
inline bool contains(const forge::Repository& repository, const std::string& whole,
                     const std::string& part) {
  if (forge::is_no_commit(whole) || forge::is_no_commit(part)) return false;
  return whole == part || repository.merge_base(whole, part) == part;
}

}  // namespace slipway::gitlab
