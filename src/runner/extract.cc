// Unpacking what another job packed: nothing is written outside of the project's directory,
// whatever the archive says and whatever links the project has.

#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"
#include "runner/archive.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, FreeReader>;

[[noreturn]] void unsafe(const std::string& path) {
  throw Error("Unsafe", "the archive's entry \"" + path + "\" leaves the project's directory");
}

class Extraction {
 public:
  Extraction(const fs::path& root, std::uint64_t limit, Links links)
      : root_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
        left_(limit),
        limit_(limit),
        links_(links) {
    if (!root_) base::throw_errno("opening " + root.string());
  }

  void add(archive* reader, archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    std::string path = name ? name : "";
    while (path.ends_with('/')) path.pop_back();
    if (path.starts_with("./")) path.erase(0, 2);
    if (path.empty() || path == ".") return;
    if (!is_safe_path(path)) unsafe(path);
    const auto type = archive_entry_filetype(entry);
    const auto mode = static_cast<mode_t>(archive_entry_perm(entry) & 0777);
    if (type == AE_IFDIR) {
      make_directories(path);
      return;
    }
    const std::size_t slash = path.rfind('/');
    const std::string name_only = slash == std::string::npos ? path : path.substr(slash + 1);
    const base::FileDescriptor directory =
        make_directories(slash == std::string::npos ? "" : path.substr(0, slash));
    ::unlinkat(directory.get(), name_only.c_str(), 0);
    if (type == AE_IFLNK) {
      const char* target = archive_entry_symlink(entry);
      if (!target || (links_ == Links::kInside && !link_stays_inside(path, target))) unsafe(path);
      if (::symlinkat(target, directory.get(), name_only.c_str()) != 0) {
        base::throw_errno("linking " + path);
      }
    } else if (type == AE_IFREG) {
      write_file(reader, directory.get(), name_only, path, mode == 0 ? 0644 : mode);
      const timespec at{archive_entry_mtime(entry), 0};
      const timespec times[2]{at, at};
      ::utimensat(directory.get(), name_only.c_str(), times, AT_SYMLINK_NOFOLLOW);
    } else {
      return;
    }
    ++files_;
  }

  std::size_t files() const { return files_; }

 private:
  // Links on the way are followed by the kernel, and only inside of the project.
  base::FileDescriptor open_beneath(const std::string& path) const {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return base::FileDescriptor(
        static_cast<int>(::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof(how))));
  }

  base::FileDescriptor make_directories(const std::string& path) const {
    base::FileDescriptor directory = open_beneath(".");
    if (path.empty()) return directory;
    std::string so_far;
    for (const std::string& part : base::split(path, '/')) {
      if (part.empty() || part == ".") continue;
      so_far += so_far.empty() ? part : "/" + part;
      base::FileDescriptor next = open_beneath(so_far);
      if (!next && errno == ENOENT) {
        if (::mkdirat(directory.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
          base::throw_errno("making " + so_far);
        }
        next = open_beneath(so_far);
      }
      if (!next) {
        if (errno == EXDEV || errno == ENOENT || errno == ELOOP) unsafe(path);
        base::throw_errno("opening " + so_far);
      }
      directory = std::move(next);
    }
    return directory;
  }

  void write_file(archive* reader, int directory, const std::string& name, const std::string& path,
                  mode_t mode) {
    const base::FileDescriptor file(::openat(
        directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file) base::throw_errno("creating " + path);
    const void* bytes = nullptr;
    std::size_t length = 0;
    la_int64_t offset = 0;
    for (int result;
         (result = archive_read_data_block(reader, &bytes, &length, &offset)) != ARCHIVE_EOF;) {
      if (result < ARCHIVE_WARN) {
        throw Error("Broken", "the archive is broken at \"" + path + "\"");
      }
      if (length > left_) {
        throw Error("TooLarge",
                    "the archive unpacks to more than " + std::to_string(limit_) + " bytes");
      }
      left_ -= length;
      for (std::size_t done = 0; done < length;) {
        const ssize_t count =
            ::pwrite(file.get(), static_cast<const char*>(bytes) + done, length - done,
                     static_cast<off_t>(offset) + static_cast<off_t>(done));
        if (count < 0) base::throw_errno("writing " + path);
        done += static_cast<std::size_t>(count);
      }
    }
    ::fchmod(file.get(), mode);
  }

  const base::FileDescriptor root_;
  std::uint64_t left_;
  const std::uint64_t limit_;
  const Links links_;
  std::size_t files_ = 0;
};

}  // namespace

std::size_t extract_zip(const fs::path& archive_path, const fs::path& root, std::uint64_t limit,
                        Links links) {
  const Reader reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  if (archive_read_open_filename(reader.get(), archive_path.c_str(), 1u << 16) != ARCHIVE_OK) {
    throw Error("Broken", "the file is no zip archive");
  }
  Extraction extraction(root, limit, links);
  archive_entry* entry = nullptr;
  for (int result; (result = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
    if (result < ARCHIVE_WARN) throw Error("Broken", "the zip archive is broken");
    extraction.add(reader.get(), entry);
  }
  return extraction.files();
}

}  // namespace slipway::runner
