#pragma once

// One project's git repository, read by git's own commands.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace slipway::forge {

struct Signature {
  std::string name;
  std::string email;
  base::Millis at = 0;
};

struct Commit {
  std::string id;  // 40 hexadecimal digits
  std::vector<std::string> parents;
  Signature author;
  Signature committer;
  std::string message;
  std::string title() const { return message.substr(0, message.find('\n')); }
};

struct Ref {
  std::string name;     // "refs/heads/main"
  std::string commit;   // of an annotated tag: the commit that it names
  std::string message;  // of an annotated tag
  std::string object;   // what the ref holds: the commit, or the annotated tag itself
};

struct TreeEntry {
  std::string id;
  std::string mode;  // "100644", "040000", "120000"
  std::string type;  // "blob" or "tree"
  std::string path;
};

enum class FileAction { kCreate, kUpdate, kDelete, kMove, kChmod };
struct FileChange {
  FileAction action = FileAction::kCreate;
  std::string path;
  std::string previous_path;  // of a move
  std::string content;
  bool executable = false;
};
struct CommitRequest {
  std::string branch;
  std::string start;  // branch or commit to begin a new branch at; empty: the branch itself
  std::string message;
  std::optional<Signature> author;  // the user where not given
  std::vector<FileChange> changes;
  std::string expected;  // the branch must be at this commit; empty: wherever
};

// A value. Reads see what is there at the time of the call. Thread-safe. A name that does not
// exist is nothing; a git command that fails otherwise throws Error.
class Repository {
 public:
  explicit Repository(std::filesystem::path directory) : directory_(std::move(directory)) {}
  const std::filesystem::path& directory() const { return directory_; }

  // A branch, tag, full ref or (short) commit id; the commit's id.
  std::optional<std::string> resolve(const std::string& name) const;
  std::optional<Commit> commit(const std::string& id) const;
  // Newest first, of `path` only where given.
  std::vector<Commit> history(const std::string& from, const std::string& path, int skip,
                              int limit) const;
  std::vector<Ref> refs(const std::string& prefix) const;  // "refs/heads/"
  // A file's contents at a commit. Throws Error{413} beyond `limit` bytes.
  std::optional<std::string> read(const std::string& commit, const std::string& path,
                                  std::uint64_t limit = 16u << 20) const;
  std::vector<TreeEntry> tree(const std::string& commit, const std::string& path,
                              bool recursive) const;
  // Paths of all files at a commit, for `exists` and wildcards.
  std::vector<std::string> paths(const std::string& commit) const;
  // Paths that differ between two commits.
  std::vector<std::string> changed_paths(const std::string& from, const std::string& to) const;
  std::optional<std::string> merge_base(const std::string& one, const std::string& other) const;

  // Keeps a commit alive and fetchable: refs/pipelines/<id>.
  void keep(const std::string& ref, const std::string& commit) const;
  void drop(const std::string& ref) const;
  // Writes an archive of a commit: "tar", "tar.gz" or "zip".
  void archive(const std::string& commit, const std::string& format, const std::string& prefix,
               const std::filesystem::path& to) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace slipway::forge
