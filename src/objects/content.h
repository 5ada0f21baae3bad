#pragma once

// Bytes: how they become durable before a row names them, and how they are read.
//
// A Draft is bytes under a fresh id that no row names yet. The caller names it in one
// transaction and then calls keep(); a Draft that is not kept removes its file. Where the
// process dies in between, the file is an orphan, which the scrub of the next start removes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "net/http.h"
#include "objects/digests.h"
#include "objects/types.h"
#include "store/files.h"

namespace slipway::objects {

// Bytes up to this many lie in the database's own table: one sync instead of three.
inline constexpr std::uint64_t kInlineLimit = 4096;

// A content opened for reading; readable for as long as it is held, also after its
// file has been removed.
struct Opened {
  Content content;
  std::string bytes;                           // Place::kRow
  std::shared_ptr<base::FileDescriptor> file;  // Place::kFile

  void for_each_piece(std::uint64_t offset, std::uint64_t length,
                      const std::function<void(std::string_view)>& piece) const;
  // Bytes offset … offset + length, as a response's body.
  net::ResponseBody slice(std::uint64_t offset, std::uint64_t length) const;
};

class Contents;

class Draft {
 public:
  ~Draft();
  Draft(Draft&& other) noexcept;
  Draft& operator=(Draft&&) = delete;

  const Content& content() const { return content_; }
  const std::string& bytes() const { return bytes_; }  // Place::kRow
  std::string etag() const;                            // of its MD5; Requires: it was computed
  const std::map<std::string, std::string>& checksums() const { return digests_.checksums; }
  // A row names it now.
  void keep() { contents_ = nullptr; }

 private:
  friend class Contents;
  explicit Draft(Contents& contents) : contents_(&contents) {}

  Contents* contents_;  // null once kept
  Content content_;
  std::string bytes_;
  Digests digests_;
  std::filesystem::path origin_;  // where a taken file came from
};

// Thread-safe.
class Contents {
 public:
  // `run` numbers the start of the server.
  Contents(store::Disk& disk, store::Spool& spool, std::filesystem::path directory,
           std::int64_t run);

  // With the MD5 and the checksums named in `algorithms`. Throws Error{…, 507} where the
  // disk is full.
  Draft write(const net::Body& body, const std::vector<std::string>& algorithms);
  Draft write(std::string_view bytes, const std::vector<std::string>& algorithms);
  // Takes the file where it is on the same file system and nothing else links to it;
  // copies it otherwise. The taken file goes back to `path` if the Draft is not kept.
  Draft write_file(const std::filesystem::path& path);
  // The same bytes under a new id, without reading them: a link to the file. No MD5.
  Draft duplicate(const Opened& source);
  // Part of a content, with MD5 and checksums.
  Draft copy(const Opened& source, std::uint64_t offset, std::uint64_t length,
             const std::vector<std::string>& algorithms);
  // One after another, without their bytes passing through this process where the file
  // system can do that. No MD5. `open` opens one of them, when its turn has come: there may
  // be more than a process may hold open.
  Draft concatenate(const std::vector<Content>& sources,
                    const std::function<Opened(const Content&)>& open);

  // Null where the file is gone.
  std::shared_ptr<base::FileDescriptor> open(const std::string& id) const;
  // Absent is fine. A failure is logged: the scrub of the next start tries again.
  void remove(const std::vector<Content>& dropped) noexcept;
  std::filesystem::path path_of(const std::string& id) const;

  // Removes every file of an earlier run for which `is_named` says no. Stops early where
  // `stopping` says so. Returns how many it removed.
  std::size_t scrub(const std::function<bool(const std::string&)>& is_named,
                    const std::function<bool()>& stopping);

 private:
  std::string next_id() const;
  Draft draft(Place place, std::uint64_t size);
  Draft draft_of_bytes(std::string bytes);
  void make_directory(const Draft& draft);

  store::Disk& disk_;
  store::Spool& spool_;
  const std::filesystem::path directory_;
  const std::string run_;  // eight hexadecimal digits; ids of this run begin with it
};

// Appends `length` bytes at `to`'s position: by sharing blocks where the file system can, in
// the kernel otherwise.
void copy_bytes(int from, std::uint64_t offset, std::uint64_t length, int to);

}  // namespace slipway::objects
