#include "runner/archive.h"

#include <algorithm>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 18;

struct FreeArchive {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Writer = std::unique_ptr<archive, FreeArchive>;
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

// Where an archive goes, with its bound.
struct Output {
  base::FileDescriptor file;
  std::uint64_t written = 0;
  std::uint64_t limit = 0;
  bool too_large = false;
};

la_ssize_t write_output(archive* writer, void* data, const void* bytes, std::size_t length) {
  Output& output = *static_cast<Output*>(data);
  if (output.written + length > output.limit) {
    output.too_large = true;
    archive_set_error(writer, EFBIG, "the archive is too large");
    return -1;
  }
  const ssize_t count = ::write(output.file.get(), bytes, length);
  if (count < 0) {
    archive_set_error(writer, errno, "writing the archive");
    return -1;
  }
  output.written += static_cast<std::uint64_t>(count);
  return count;
}

[[noreturn]] void fail(archive* writer, const Output& output) {
  if (output.too_large) {
    throw Error("TooLarge", "the archive is larger than " + std::to_string(output.limit) + " bytes",
                413);
  }
  const char* why = archive_error_string(writer);
  base::throw_internal(std::string("archiving: ") + (why ? why : "unknown error"));
}

Output create(const fs::path& path, std::uint64_t limit) {
  Output output;
  output.limit = limit;
  output.file = base::FileDescriptor(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!output.file) base::throw_errno("creating " + path.string());
  return output;
}

// Opens a file of the project. A directory on the way that is a link was not walked into.
base::FileDescriptor open_file(const fs::path& root, const std::string& path) {
  base::FileDescriptor file(
      ::open((root / path).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file) base::throw_errno("opening " + path);
  return file;
}

void copy_contents(archive* writer, const Output& output, int file, std::uint64_t size,
                   const std::string& name) {
  std::vector<char> piece(kPiece);
  for (std::uint64_t left = size; left > 0;) {
    const ssize_t count = ::read(file, piece.data(), std::min<std::uint64_t>(kPiece, left));
    if (count < 0) base::throw_errno("reading " + name);
    if (count == 0) base::throw_internal(name + " became shorter while it was archived");
    if (archive_write_data(writer, piece.data(), static_cast<std::size_t>(count)) < 0) {
      fail(writer, output);
    }
    left -= static_cast<std::uint64_t>(count);
  }
}

void add_to_zip(archive* writer, const Output& output, const fs::path& root,
                const std::string& name) {
  struct stat status {};
  if (::lstat((root / name).c_str(), &status) != 0) base::throw_errno("reading " + name);
  const bool regular = S_ISREG(status.st_mode);
  if (!regular && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) return;
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), (S_ISDIR(status.st_mode) ? name + "/" : name).c_str());
  archive_entry_set_filetype(entry.get(), status.st_mode & S_IFMT);
  archive_entry_set_perm(entry.get(), status.st_mode & 0777);
  archive_entry_set_mtime(entry.get(), status.st_mtime, 0);
  archive_entry_set_size(entry.get(), regular ? status.st_size : 0);
  if (S_ISLNK(status.st_mode)) {
    archive_entry_set_symlink(entry.get(), fs::read_symlink(root / name).c_str());
  }
  // A warning says that a name is not in the locale's character set; it is stored all the same.
  if (archive_write_header(writer, entry.get()) < ARCHIVE_WARN) fail(writer, output);
  if (!regular) return;
  const base::FileDescriptor file = open_file(root, name);
  copy_contents(writer, output, file.get(), static_cast<std::uint64_t>(status.st_size), name);
}

// Removes what was begun where it does not become whole.
template <class Work>
void whole_or_nothing(const fs::path& path, const Work& work) {
  try {
    work();
  } catch (...) {
    std::error_code ignored;
    fs::remove(path, ignored);
    throw;
  }
}

void gzip_one(const fs::path& root, const std::string& name, Output& output) {
  const base::FileDescriptor file = open_file(root, name);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) base::throw_errno("reading " + name);
  if (!S_ISREG(status.st_mode)) return;
  const Writer writer(archive_write_new());
  archive_write_set_format_raw(writer.get());
  archive_write_add_filter_gzip(writer.get());
  archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr);
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  if (archive_write_open(writer.get(), &output, nullptr, write_output, nullptr) != ARCHIVE_OK) {
    fail(writer.get(), output);
  }
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), "file");
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  if (archive_write_header(writer.get(), entry.get()) < ARCHIVE_WARN) fail(writer.get(), output);
  copy_contents(writer.get(), output, file.get(), static_cast<std::uint64_t>(status.st_size), name);
  if (archive_write_close(writer.get()) != ARCHIVE_OK) fail(writer.get(), output);
}

}  // namespace

void write_zip(const fs::path& root, const std::set<std::string>& paths, const fs::path& archive,
               std::uint64_t limit) {
  whole_or_nothing(archive, [&] {
    Output output = create(archive, limit);
    const Writer writer(archive_write_new());
    archive_write_set_format_zip(writer.get());
    archive_write_zip_set_compression_deflate(writer.get());
    archive_write_set_options(writer.get(), "zip:hdrcharset=UTF-8");
    archive_write_set_bytes_in_last_block(writer.get(), 1);
    if (archive_write_open(writer.get(), &output, nullptr, write_output, nullptr) != ARCHIVE_OK) {
      fail(writer.get(), output);
    }
    for (const std::string& path : paths) add_to_zip(writer.get(), output, root, path);
    if (archive_write_close(writer.get()) != ARCHIVE_OK) fail(writer.get(), output);
  });
}

void write_gzip(const fs::path& root, const std::set<std::string>& paths, const fs::path& archive,
                std::uint64_t limit) {
  whole_or_nothing(archive, [&] {
    Output output = create(archive, limit);
    for (const std::string& path : paths) {
      if (fs::is_regular_file(fs::symlink_status(root / path))) gzip_one(root, path, output);
    }
  });
}

bool is_safe_path(const std::string& path) {
  if (path.empty() || path[0] == '/' || path.find('\0') != std::string::npos) return false;
  for (const std::string& part : base::split(path, '/')) {
    if (part == "..") return false;
  }
  return true;
}

bool link_stays_inside(const std::string& path, const std::string& target) {
  if (target.empty() || target[0] == '/') return false;
  // The depth of the directory that holds the link; the walk may never go above the project.
  int depth = -1;
  for (const std::string& part : base::split(path, '/'))
    depth += part.empty() || part == "." ? 0 : 1;
  for (const std::string& part : base::split(target, '/')) {
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
  }
  return true;
}

}  // namespace slipway::runner
