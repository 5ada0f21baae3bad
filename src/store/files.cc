#include "store/files.h"

#include <cerrno>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"

namespace slipway::store {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_file_error(const std::string& doing, const fs::path& path) {
  const int number = errno;
  const std::string message =
      "Cannot " + doing + " " + path.string() + ": " + std::generic_category().message(number);
  if (number == ENOSPC || number == EDQUOT) throw Error("InsufficientStorage", message, 507);
  base::throw_internal(message);
}

// For the message alone.
fs::path path_of(int descriptor) {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor), ignored);
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("write to", path_of(descriptor));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

class SystemDisk final : public Disk {
 public:
  base::FileDescriptor create(const fs::path& path) override {
    base::FileDescriptor file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file) throw_file_error("create", path);
    return file;
  }
  void write(int descriptor, std::string_view bytes) override { write_all(descriptor, bytes); }
  void sync(int descriptor) override {
    if (::fsync(descriptor) != 0) throw_file_error("sync", path_of(descriptor));
  }
  void rename(const fs::path& from, const fs::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      throw_file_error("rename " + from.string() + " to", to);
    }
  }
  void sync_directory(const fs::path& directory) override {
    const base::FileDescriptor opened(
        ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || ::fsync(opened.get()) != 0) throw_file_error("sync the directory", directory);
  }
  void remove(const fs::path& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_file_error("remove", path);
  }
};

fs::path parent_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// A temporary name that is gone again unless the rename was reached.
class Temporary {
 public:
  Temporary(Disk& disk, const fs::path& final_path)
      : disk_(disk),
        path_(parent_of(final_path) /
              ("." + final_path.filename().string() + "." + base::random_hex(16) + ".tmp")) {}
  ~Temporary() {
    if (renamed_) return;
    try {
      disk_.remove(path_);
    } catch (const Error&) {
      // The error that brought us here is the one to report; the file is only a leftover.
    }
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }
  void renamed() { renamed_ = true; }

 private:
  Disk& disk_;
  const fs::path path_;
  bool renamed_ = false;
};

}  // namespace

Disk& system_disk() {
  static SystemDisk disk;
  return disk;
}

void write_atomically(Disk& disk, const fs::path& path, std::string_view contents) {
  Temporary temporary(disk, path);
  {
    const base::FileDescriptor file = disk.create(temporary.path());
    disk.write(file.get(), contents);
    disk.sync(file.get());
  }
  disk.rename(temporary.path(), path);
  temporary.renamed();
  disk.sync_directory(parent_of(path));
}

void adopt(Disk& disk, const fs::path& temporary, const fs::path& path) {
  create_directories_durably(disk, parent_of(path));
  {
    const base::FileDescriptor file(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw_file_error("open", temporary);
    disk.sync(file.get());
  }
  disk.rename(temporary, path);
  disk.sync_directory(parent_of(path));
}

void create_directories_durably(Disk& disk, const fs::path& directory) {
  std::vector<fs::path> missing;
  fs::path current = directory;
  std::error_code unreadable;  // then mkdir says what is wrong
  while (!current.empty() && !fs::is_directory(current, unreadable)) {
    missing.push_back(current);
    if (current == current.parent_path()) break;
    current = current.parent_path();
  }
  for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
    if (::mkdir(next->c_str(), 0755) != 0 && errno != EEXIST) {
      throw_file_error("create the directory", *next);
    }
    disk.sync_directory(parent_of(*next));
  }
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw_file_error("read", path);
  std::string contents;
  std::vector<char> buffer(1u << 16);
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_file_error("read", path);
    if (count == 0) return contents;
    contents.append(buffer.data(), static_cast<std::size_t>(count));
    if (contents.size() > limit) {
      base::throw_internal("Cannot read " + path.string() + ": it is longer than " +
                           std::to_string(limit) + " bytes");
    }
  }
}

Spool::Spool(fs::path directory) : directory_(std::move(directory)) {
  create_directories_durably(system_disk(), directory_);
  // What lies here belonged to requests of a process that has ended.
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_)) {
    fs::remove_all(entry.path());
  }
}

Spool::File Spool::create() { return File(directory_ / base::random_hex(32)); }

fs::path Spool::create_directory() {
  const fs::path path = directory_ / base::random_hex(32);
  if (::mkdir(path.c_str(), 0700) != 0) throw_file_error("create the directory", path);
  return path;
}

Spool::File::File(fs::path path)
    : path_(std::move(path)), descriptor_(system_disk().create(path_)) {}

Spool::File::~File() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Spool::File::File(File&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::move(other.descriptor_)),
      size_(std::exchange(other.size_, 0)) {}

Spool::File& Spool::File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

void Spool::File::append(std::string_view bytes) {
  write_all(descriptor_.get(), bytes);
  size_ += bytes.size();
}

}  // namespace slipway::store
