#include "forge/commit_plan.h"

#include <set>

#include "base/error.h"
#include "forge/decide.h"

namespace slipway::forge {
namespace {

constexpr const char* kPlain = "100644";
constexpr const char* kExecutable = "100755";

[[noreturn]] void refuse(const std::string& message) { throw Error("Invalid", message, 400); }

void check_path(const std::string& path) {
  if (path.empty()) refuse("You must provide a file path");
  if (!is_file_path(path)) refuse("Path cannot include directory traversal: " + path);
}

class Plan {
 public:
  explicit Plan(const TreeFiles& before) : files_(before) {}

  void apply(const FileChange& change) {
    check_path(change.path);
    switch (change.action) {
      case FileAction::kCreate:
        return create(change.path, {change.executable ? kExecutable : kPlain, "", change.content});
      case FileAction::kUpdate:
        return put(change.path, {existing(change.path).mode, "", change.content});
      case FileAction::kDelete:
        existing(change.path);
        return take(change.path);
      case FileAction::kMove:
        return move(change);
      case FileAction::kChmod: {
        TreeFile file = existing(change.path);
        file.mode = change.executable ? kExecutable : kPlain;
        return put(change.path, std::move(file));
      }
    }
  }

  std::vector<PlannedChange> changes() const {
    std::vector<PlannedChange> result;
    for (const std::string& path : touched_) {
      const auto found = files_.find(path);
      result.push_back(
          {path, found == files_.end() ? std::nullopt : std::optional<TreeFile>(found->second)});
    }
    return result;
  }

 private:
  const TreeFile& existing(const std::string& path) const {
    const auto found = files_.find(path);
    if (found == files_.end()) refuse("A file with this name doesn't exist");
    return found->second;
  }

  void create(const std::string& path, TreeFile file) {
    if (files_.contains(path)) refuse("A file with this name already exists");
    const auto below = files_.lower_bound(path + "/");
    if (below != files_.end() && below->first.starts_with(path + "/")) {
      refuse("A directory with this name already exists");
    }
    for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
      if (files_.contains(path.substr(0, at))) {
        refuse("A file with the name of a directory of this path already exists");
      }
    }
    put(path, std::move(file));
  }

  void move(const FileChange& change) {
    if (change.previous_path.empty()) refuse("You must provide a previous path");
    check_path(change.previous_path);
    TreeFile file = existing(change.previous_path);
    // Without content the file moves as it is.
    if (!change.content.empty()) {
      file.id.clear();
      file.content = change.content;
    }
    take(change.previous_path);
    create(change.path, std::move(file));
  }

  void put(const std::string& path, TreeFile file) {
    files_[path] = std::move(file);
    touched_.insert(path);
  }
  void take(const std::string& path) {
    files_.erase(path);
    touched_.insert(path);
  }

  TreeFiles files_;
  std::set<std::string> touched_;
};

}  // namespace

std::vector<PlannedChange> plan_changes(const TreeFiles& before,
                                        const std::vector<FileChange>& changes) {
  Plan plan(before);
  for (const FileChange& change : changes) plan.apply(change);
  return plan.changes();
}

}  // namespace slipway::forge
