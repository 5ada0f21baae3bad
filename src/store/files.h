#pragma once

// Files that survive a power cut: written to a temporary name, synced, renamed,
// directory synced. File access goes through Disk, so that tests can stop it at any
// step and drop what was not synced.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"

namespace slipway::store {

// The steps of a durable write. Thread-safe.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual base::FileDescriptor create(const std::filesystem::path& path) = 0;  // exclusive, 0600
  virtual void write(int descriptor, std::string_view bytes) = 0;
  virtual void sync(int descriptor) = 0;
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual void sync_directory(const std::filesystem::path& directory) = 0;
  virtual void remove(const std::filesystem::path& path) = 0;  // absent is fine
};
Disk& system_disk();

// Replaces `path` by `contents`, durably; on an error the old contents stand.
void write_atomically(Disk& disk, const std::filesystem::path& path, std::string_view contents);
// Makes a finished temporary file durable under its final name. Creates the parent directories.
// Both must be on one file system.
void adopt(Disk& disk, const std::filesystem::path& temporary, const std::filesystem::path& path);
// Creates `directory` and its parents, and makes the entries durable.
void create_directories_durably(Disk& disk, const std::filesystem::path& directory);

// The whole of a file. Throws Error where it cannot be read or is longer than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 64u << 20);

// A place for temporary files under the data directory, emptied at start. Thread-safe.
class Spool {
 public:
  explicit Spool(std::filesystem::path directory);

  // A file that is removed with the object unless keep() was called or it was renamed away.
  class File {
   public:
    explicit File(std::filesystem::path path);
    ~File();
    File(File&&) noexcept;
    File& operator=(File&&) noexcept;
    const std::filesystem::path& path() const { return path_; }
    int descriptor() const { return descriptor_.get(); }
    void append(std::string_view bytes);  // throws Error{…, 507} where the disk is full
    std::uint64_t size() const { return size_; }

   private:
    std::filesystem::path path_;
    base::FileDescriptor descriptor_;
    std::uint64_t size_ = 0;
  };
  File create();
  // A new empty directory in the spool; the caller removes it.
  std::filesystem::path create_directory();
  const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

}  // namespace slipway::store
