#pragma once

// Functions' code: zip archives by digest, and what is in them.
//
// <directory>/<sha256>.zip is durable before a function names it. <directory>/<sha256>/ is the
// same, unpacked: it can be made again, so it is neither synced nor trusted across a restart of
// the machine (<directory>/boot names the one that it is of).

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "store/files.h"

namespace slipway::functions {

struct Archive {
  std::string sha256;  // hexadecimal
  std::uint64_t size = 0;
};

// Unpacks a zip archive into the empty `directory`: regular files and directories, nothing that
// would lie outside of it, no links. Throws Error{InvalidParameterValueException}.
void unpack_zip(const std::filesystem::path& zip, const std::filesystem::path& directory);

// Thread-safe.
class CodeStore {
 public:
  CodeStore(store::Disk& disk, std::filesystem::path directory);

  // Takes `zip`, which must lie in the same file system, over by rename, and unpacks it.
  // Throws Error{InvalidParameterValueException} for what is no archive or too large.
  Archive add(const std::filesystem::path& zip);
  std::filesystem::path archive(const std::string& sha256) const;
  // Read-only for who gets it. Throws Error where the archive is gone.
  std::filesystem::path unpacked(const std::string& sha256);
  // Removes every other archive. Nobody may be adding one.
  void keep_only(const std::set<std::string>& digests);

 private:
  store::Disk& disk_;
  const std::filesystem::path directory_;
  std::mutex mutex_;  // held while unpacking
};

}  // namespace slipway::functions
