#pragma once

// A git repository on this machine, read through git's own commands.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace slipway::ship {

struct Commit {
  std::string id;  // 40 hexadecimal digits
  std::string subject;
  long long time = 0;  // of the commit, epoch seconds
};

class Repository {
 public:
  // The repository that holds `directory`; the model is in that directory of it. Throws Error
  // with the next step where there is no repository, no commit, or no git.
  static Repository open(const std::filesystem::path& directory);

  const Commit& head() const { return head_; }
  // True where files of the model differ from HEAD: they would not be shipped.
  bool has_uncommitted_changes() const;
  // Whole messages of the commits after `base` (all where nothing, or where it is not an ancestor)
  // that touch the model's directory, newest first, at most 1,000.
  std::vector<std::string> messages_since(const std::optional<std::string>& base) const;
  // Writes the model's files at HEAD into `target`, a new directory.
  void export_to(const std::filesystem::path& target) const;

 private:
  std::filesystem::path root_;
  std::string prefix_;  // of the model inside root_, "" or "models/tumour/"
  Commit head_;
};

}  // namespace slipway::ship
