#pragma once

// What jobs leave behind, as files: <directory>/artifacts/<job / 1000>/<job>/<type>. Thread-safe.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ci/types.h"

namespace slipway::ci {

// The rules of reports:dotenv: KEY=value lines, at most 5 KiB and 20 variables. Throws
// Error{Invalid} with GitLab's words.
Json parse_dotenv(std::string_view text);

// Throws Error{Invalid} where a path or a link of the zip leaves the project.
void check_archive(const std::filesystem::path& file);

// One file of an archive; nothing where it is not there. Throws Error beyond `limit` bytes.
std::optional<std::string> read_from_archive(const std::filesystem::path& archive,
                                             const std::string& path, std::uint64_t limit);

// The contents of a gzip file, also of several that follow one another. Throws Error{Invalid}.
std::string read_gzip(const std::filesystem::path& file, std::uint64_t limit);

class Artifacts {
 public:
  explicit Artifacts(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Moves the file to its place, durably, instead of one that is there; fills in size and digest.
  Artifact adopt(Id job, Artifact artifact, const std::filesystem::path& file) const;
  // Where the job's file of the type is; nothing where it has none, or it is expired.
  std::optional<std::filesystem::path> path(const Job& job, const std::string& type) const;
  void remove(Id job) const;

 private:
  std::filesystem::path folder(Id job) const;

  const std::filesystem::path directory_;
};

}  // namespace slipway::ci
