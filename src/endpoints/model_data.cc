#include "endpoints/model_data.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::endpoints {
namespace {

using base::FileDescriptor;

[[noreturn]] void refuse(const std::string& why) {
  throw Error("ValidationException", "The model data cannot be unpacked: " + why);
}

// The parts of a member's name below the archive's root; ".." is refused.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  for (std::string& part : base::split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") refuse("a member's name leaves the archive: " + name);
    parts.push_back(std::move(part));
  }
  return parts;
}

class Unpacker {
 public:
  Unpacker(archive* source, FileDescriptor root, const ModelDataLimits& limits)
      : source_(source), root_(std::move(root)), limits_(limits) {}

  void run() {
    archive_entry* entry = nullptr;
    for (;;) {
      const int result = archive_read_next_header(source_, &entry);
      if (result == ARCHIVE_EOF) return;
      if (result < ARCHIVE_WARN) refuse(error_text());
      if (++files_ > limits_.files) refuse("it holds too many files");
      take(entry);
    }
  }

 private:
  std::string error_text() const {
    const char* text = archive_error_string(source_);
    return text ? text : "it is damaged";
  }

  void take(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    if (!name) refuse("a member has no name");
    std::vector<std::string> parts = parts_of(name);
    if (parts.empty()) return;  // the root itself
    if (const char* target = archive_entry_hardlink(entry)) return link(parts, target);
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR:
        open_directory(parts);
        return;
      case AE_IFREG:
        return write_file(parts, archive_entry_perm(entry));
      case AE_IFLNK:
        return make_symlink(parts, archive_entry_symlink(entry));
      default:
        return;
    }
  }

  // The directory of these parts, made where it is not there.
  FileDescriptor open_directory(const std::vector<std::string>& parts) {
    FileDescriptor at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
    for (const std::string& part : parts) {
      const bool made = ::mkdirat(at.get(), part.c_str(), 0755) == 0;
      if (!made && errno != EEXIST) fail(part);
      FileDescriptor next(
          ::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) fail(part);
      if (made) ::fchmod(next.get(), 0755);  // whatever the umask
      at = std::move(next);
    }
    return at;
  }

  FileDescriptor open_parent(std::vector<std::string> parts) {
    parts.pop_back();
    return open_directory(parts);
  }

  [[noreturn]] void fail(const std::string& name) {
    refuse("\"" + name + "\": " + std::string(::strerror(errno)));
  }

  void write_file(const std::vector<std::string>& parts, mode_t mode) {
    const FileDescriptor parent = open_parent(parts);
    const char* name = parts.back().c_str();
    ::unlinkat(parent.get(), name, 0);  // a later member of the same name wins
    const FileDescriptor file(::openat(parent.get(), name,
                                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                       (mode & 0111) != 0 ? 0755 : 0644));
    if (!file) fail(parts.back());
    // The container's user is not this process's: readable by all, whatever the umask.
    ::fchmod(file.get(), (mode & 0111) != 0 ? 0755 : 0644);
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    for (;;) {
      const int result = archive_read_data_block(source_, &block, &size, &offset);
      if (result == ARCHIVE_EOF) return;
      if (result < ARCHIVE_WARN) refuse(error_text());
      bytes_ += size;
      if (bytes_ > limits_.bytes) refuse("it is too large");
      write_block(file, static_cast<const char*>(block), size, offset, parts.back());
    }
  }

  void write_block(const FileDescriptor& file, const char* block, std::size_t size,
                   la_int64_t offset, const std::string& name) {
    while (size > 0) {
      const ssize_t written = ::pwrite(file.get(), block, size, offset);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(name);
      block += written;
      offset += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  void make_symlink(const std::vector<std::string>& parts, const char* target) {
    if (!target) refuse("a link has no target");
    const FileDescriptor parent = open_parent(parts);
    ::unlinkat(parent.get(), parts.back().c_str(), 0);
    // It is followed inside the container only.
    if (::symlinkat(target, parent.get(), parts.back().c_str()) != 0) fail(parts.back());
  }

  void link(const std::vector<std::string>& parts, const std::string& target) {
    const std::vector<std::string> from = parts_of(target);
    if (from.empty()) refuse("a link has no target");
    const FileDescriptor source = open_parent(from);
    const FileDescriptor parent = open_parent(parts);
    ::unlinkat(parent.get(), parts.back().c_str(), 0);
    if (::linkat(source.get(), from.back().c_str(), parent.get(), parts.back().c_str(), 0) != 0) {
      fail(parts.back());
    }
  }

  archive* const source_;
  const FileDescriptor root_;
  const ModelDataLimits limits_;
  std::uint64_t bytes_ = 0;
  std::uint64_t files_ = 0;
};

}  // namespace

void unpack_model_data(const std::filesystem::path& path, const std::filesystem::path& directory,
                       const ModelDataLimits& limits) {
  if (::mkdir(directory.c_str(), 0755) != 0) base::throw_errno("cannot make " + directory.string());
  ::chmod(directory.c_str(), 0755);
  FileDescriptor root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) base::throw_errno("cannot open " + directory.string());
  const FileDescriptor sync(::fcntl(root.get(), F_DUPFD_CLOEXEC, 0));

  const std::unique_ptr<archive, int (*)(archive*)> source(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(source.get());
  archive_read_support_filter_gzip(source.get());
  constexpr std::size_t kBlock = 1u << 20;
  if (archive_read_open_filename(source.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    const char* text = archive_error_string(source.get());
    refuse(text ? text : "it cannot be read");
  }
  Unpacker(source.get(), std::move(root), limits).run();
  if (::syncfs(sync.get()) != 0) base::throw_errno("cannot sync " + directory.string());
}

}  // namespace slipway::endpoints
