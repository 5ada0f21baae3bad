#pragma once

// Blobs: content-addressed files that repositories link to.
//
// A blob counts from the moment its row is committed; its file is durable before that.
// Collecting takes the other order: the row goes first, then the file, so that a crash leaves
// at most a file without a row, which the next collection removes.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <shared_mutex>
#include <string>

#include "base/clock.h"
#include "images/store.h"
#include "images/types.h"
#include "net/http.h"
#include "store/database.h"
#include "store/files.h"

namespace slipway::images {

struct Garbage {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;
};

// Thread-safe.
class BlobStore {
 public:
  // Files lie under <directory>/sha256/<hex>.
  BlobStore(store::Database& database, const base::Clock& clock, store::Disk& disk,
            store::Spool& spool, std::filesystem::path directory);

  std::filesystem::path path_of(const std::string& digest) const;

  // The blob, where the repository has it. Remembers that somebody asked, so that a push that
  // leaves out what is here does not lose it to a collection before its manifest comes.
  std::optional<Blob> find(const RepositoryKey& key, const std::string& digest);

  // Takes the finished file by rename, and links it. Requires that `digest` is the file's and
  // both lie on one file system.
  void adopt_file(const RepositoryKey& key, const std::string& digest, std::uint64_t size,
                  const std::filesystem::path& file);
  // Stores a request's payload. Throws Error{DIGEST_INVALID} where it has another digest.
  void store_body(const RepositoryKey& key, const std::string& digest, const net::Body& body);
  // Links a blob that another repository of the account has; `from` may be empty for any.
  // False where there is none.
  bool mount(const RepositoryKey& key, const std::string& from, const std::string& digest);

  // Removes what no manifest refers to and nobody touched for `grace`.
  Garbage collect(base::Millis grace);

 private:
  void sweep_files_without_row(base::Millis grace, Garbage& garbage);

  store::Database& database_;
  const base::Clock& clock_;
  store::Disk& disk_;
  store::Spool& spool_;
  const std::filesystem::path directory_;
  // Shared: a push between the look at a blob's file and the commit of its row.
  // Exclusive: a collection between the removal of rows and that of their files.
  std::shared_mutex collecting_;
};

}  // namespace slipway::images
