#pragma once

// A tar file in the ustar format of POSIX.1-1988; a pax header (POSIX.1-2001) precedes the
// entries whose name, link or size does not fit, and only those.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace slipway::images {

enum class TarType : char { kFile = '0', kSymbolicLink = '2', kDirectory = '5' };

struct TarEntry {
  TarType type = TarType::kFile;
  std::string path;  // relative; a directory's ends in "/"
  std::string link;  // target of a symbolic link
  unsigned mode = 0644;
  std::uint64_t size = 0;
  std::int64_t time = 0;  // epoch seconds
};

// Owner and group are 0 without names. Not thread-safe.
class TarWriter {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit TarWriter(Sink sink) : sink_(std::move(sink)) {}

  // Begins an entry; exactly `size` bytes of data follow for a file.
  void begin(const TarEntry& entry);
  void data(std::string_view bytes);
  // Writes the end of the archive.
  void finish();

 private:
  void header(const TarEntry& entry, char type, std::string_view name, std::string_view prefix);

  Sink sink_;
  std::uint64_t size_ = 0;     // of the current entry
  std::uint64_t written_ = 0;  // of it
};

}  // namespace slipway::images
