#include "jobs/archive.h"

#include <algorithm>
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

namespace slipway::jobs {
namespace {

// 1980-01-01, the earliest time that every unpacker takes without a warning.
constexpr std::time_t kFixedTime = 315532800;
constexpr std::size_t kPiece = 1u << 18;

struct FreeArchive {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Writer = std::unique_ptr<archive, FreeArchive>;

[[noreturn]] void fail(archive* writer, const std::string& doing) {
  const char* why = archive_error_string(writer);
  base::throw_internal(doing + ": " + (why ? why : "unknown error"));
}

// Relative paths, sorted; directories before what is in them.
std::vector<std::string> members_of(const std::filesystem::path& directory) {
  std::vector<std::string> members;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    members.push_back(entry.path().lexically_relative(directory).string());
  }
  std::sort(members.begin(), members.end());
  return members;
}

void copy_contents(archive* writer, int descriptor, std::uint64_t size, const std::string& name) {
  std::vector<char> piece(kPiece);
  std::uint64_t left = size;
  while (left > 0) {
    const ssize_t count =
        ::read(descriptor, piece.data(), std::min<std::uint64_t>(piece.size(), left));
    if (count < 0) base::throw_errno("reading " + name);
    if (count == 0) base::throw_internal(name + " became shorter while it was archived");
    if (archive_write_data(writer, piece.data(), static_cast<std::size_t>(count)) < 0) {
      fail(writer, "archiving " + name);
    }
    left -= static_cast<std::uint64_t>(count);
  }
}

void add_member(archive* writer, const std::filesystem::path& directory, const std::string& name) {
  const std::filesystem::path path = directory / name;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) base::throw_errno("reading " + name);
  const bool regular = S_ISREG(status.st_mode);
  if (!regular && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) return;

  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), status.st_mode & S_IFMT);
  archive_entry_set_perm(entry.get(), status.st_mode & 0777);
  archive_entry_set_mtime(entry.get(), kFixedTime, 0);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_size(entry.get(), regular ? status.st_size : 0);
  if (S_ISLNK(status.st_mode)) {
    const std::string target = std::filesystem::read_symlink(path).string();
    archive_entry_set_symlink(entry.get(), target.c_str());
  }
  // A warning says that a name is not in the locale's character set; it is stored all the same.
  if (archive_write_header(writer, entry.get()) < ARCHIVE_WARN) fail(writer, "archiving " + name);
  if (!regular) return;
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) base::throw_errno("opening " + name);
  copy_contents(writer, file.get(), static_cast<std::uint64_t>(status.st_size), name);
}

}  // namespace

void write_tar_gz(const std::filesystem::path& directory, const std::filesystem::path& file) {
  const Writer writer(archive_write_new());
  archive_write_set_format_pax_restricted(writer.get());
  archive_write_add_filter_gzip(writer.get());
  archive_write_set_filter_option(writer.get(), "gzip", "compression-level", "4");
  archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr);
  if (archive_write_open_filename(writer.get(), file.c_str()) != ARCHIVE_OK) {
    fail(writer.get(), "creating " + file.string());
  }
  for (const std::string& member : members_of(directory)) {
    add_member(writer.get(), directory, member);
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) {
    fail(writer.get(), "writing " + file.string());
  }
}

}  // namespace slipway::jobs
