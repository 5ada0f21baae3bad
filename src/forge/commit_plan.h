#pragma once

// What a commit through the API does to the files of a tree. Pure: the changed paths with the
// contents that they get.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "forge/repository.h"

namespace slipway::forge {

struct TreeFile {
  std::string mode;  // "100644", "100755", "120000", "160000"
  std::string id;    // of the blob; empty where `content` has it
  std::optional<std::string> content;
};
using TreeFiles = std::map<std::string, TreeFile>;  // by path

// One path that changes; no file: it goes.
struct PlannedChange {
  std::string path;
  std::optional<TreeFile> file;
};
// Applies the changes in their order. Throws Error{Invalid} with GitLab's message where one does
// not fit: a file to create that is there, one to change that is not, a path that is none.
std::vector<PlannedChange> plan_changes(const TreeFiles& before,
                                        const std::vector<FileChange>& changes);

}  // namespace slipway::forge
