#include "images/unpack.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::images {
namespace {

using base::FileDescriptor;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::size_t kDepth = 256;

[[noreturn]] void invalid(const std::string& why) { throw Error("InvalidLayer", why, 400); }

[[noreturn]] void failed(const std::string& doing, const std::string& path) {
  const int reason = errno;
  throw Error(reason == ENOSPC ? "InsufficientStorage" : "InternalError",
              doing + " " + path + ": " + std::strerror(reason), reason == ENOSPC ? 507 : 500);
}

// The components of an entry's path; "." and empty ones left out.
std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> result;
  for (std::string& part : base::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") invalid("the layer has an entry outside itself: " + std::string(path));
    result.push_back(std::move(part));
  }
  if (result.size() > kDepth) invalid("the layer has an entry that is nested too deeply");
  return result;
}

// The text in the archive's own bytes; libarchive gives only one of the two where the
// process's locale cannot express a name.
std::string text_of(const char* bytes, const char* utf8) {
  if (bytes != nullptr) return bytes;
  return utf8 != nullptr ? utf8 : "";
}

class Unpacker {
 public:
  Unpacker(const std::filesystem::path& directory, const LayerLimits& limits)
      : limits_(limits),
        root_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        privileged_(::geteuid() == 0) {
    if (!root_) failed("opening", directory);
    if (::fchmod(root_.get(), 0755) != 0) failed("changing the mode of", directory);
  }

  void add(archive* reader, archive_entry* entry);
  void finish();
  const LayerSize& size() const { return size_; }

 private:
  struct Metadata {
    mode_t mode;
    uid_t owner;
    gid_t group;
    timespec modified;
  };

  int parent_of(const std::vector<std::string>& components);
  FileDescriptor descend(const std::vector<std::string>& components, std::size_t count, bool make);
  void clear(int parent, const std::string& name, bool keep_directory);
  void add_whiteout(int parent, const std::vector<std::string>& components,
                    const std::string& hidden);
  void set_opaque(int directory, const std::string& path);
  void add_directory(int parent, const std::vector<std::string>& components,
                     const Metadata& metadata);
  void add_file(int parent, const std::string& name, archive* reader, archive_entry* entry,
                const Metadata& metadata);
  void add_hard_link(int parent, const std::string& name, const std::string& target);
  static void copy_data(archive* reader, int file, const std::string& name, la_int64_t declared);
  void copy_attributes(archive_entry* entry, int file) const;
  void set_owner_of_link(int parent, const std::string& name, const Metadata& metadata) const;
  void account_for(std::uint64_t bytes);
  static Metadata metadata_of(archive_entry* entry);

  const LayerLimits limits_;
  FileDescriptor root_;
  const bool privileged_;
  LayerSize size_;
  // The directory of the last entry; entries of one directory mostly follow each other.
  std::vector<std::string> parent_path_;
  FileDescriptor parent_;
  // Names that a whiteout of this layer hides, as joined paths.
  std::set<std::string> hidden_;
  // Set last: writing into a directory changes its time and needs its write permission.
  std::map<std::vector<std::string>, Metadata> directories_;
};

Unpacker::Metadata Unpacker::metadata_of(archive_entry* entry) {
  const std::int64_t seconds = archive_entry_mtime_is_set(entry) ? archive_entry_mtime(entry) : 0;
  return {static_cast<mode_t>(archive_entry_perm(entry) & 07777),
          static_cast<uid_t>(archive_entry_uid(entry)),
          static_cast<gid_t>(archive_entry_gid(entry)),
          {seconds, archive_entry_mtime_nsec(entry)}};
}

void Unpacker::account_for(std::uint64_t bytes) {
  if (bytes > limits_.bytes - size_.bytes) {
    invalid("the layer unpacks to more than " + std::to_string(limits_.bytes) + " bytes");
  }
  size_.bytes += bytes;
}

FileDescriptor Unpacker::descend(const std::vector<std::string>& components, std::size_t count,
                                 bool make) {
  FileDescriptor at(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at) failed("opening", ".");
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = components[i].c_str();
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    FileDescriptor next(::openat(at.get(), name, kFlags));
    if (!next && errno == ENOENT && make) {
      if (::mkdirat(at.get(), name, 0755) != 0) failed("creating", components[i]);
      next = FileDescriptor(::openat(at.get(), name, kFlags));
    }
    if (!next) {
      if (errno == ENOTDIR || errno == ELOOP) {
        invalid("the layer has an entry below what is no directory: " +
                base::join(components, "/"));
      }
      if (errno == ENOENT) invalid("the layer has no " + base::join(components, "/"));
      failed("opening", base::join(components, "/"));
    }
    at = std::move(next);
  }
  return at;
}

int Unpacker::parent_of(const std::vector<std::string>& components) {
  const std::vector<std::string> wanted(components.begin(), components.end() - 1);
  if (!parent_ || wanted != parent_path_) {
    parent_ = descend(components, wanted.size(), true);
    parent_path_ = wanted;
  }
  return parent_.get();
}

// Makes room for an entry: the later one of the same name counts.
void Unpacker::clear(int parent, const std::string& name, bool keep_directory) {
  struct stat status {};
  if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    if (keep_directory) return;
    invalid("the layer has both a directory and a file named " + name);
  }
  if (::unlinkat(parent, name.c_str(), 0) != 0) failed("replacing", name);
}

void Unpacker::set_opaque(int directory, const std::string& path) {
  // The trusted attribute is what overlayfs reads when root mounts it; the user one is
  // for mounts with "userxattr" in a user namespace.
  if (privileged_ && ::fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) == 0) return;
  if (::fsetxattr(directory, "user.overlay.opaque", "y", 1, 0) == 0) return;
  failed("marking as opaque (the file system must support extended attributes)", path);
}

void Unpacker::add_whiteout(int parent, const std::vector<std::string>& components,
                            const std::string& hidden) {
  if (hidden.empty() || hidden == "." || hidden == "..") invalid("the layer has a broken whiteout");
  std::vector<std::string> target(components.begin(), components.end() - 1);
  target.push_back(hidden);
  hidden_.insert(base::join(target, "/"));
  struct stat status {};
  if (::fstatat(parent, hidden.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    // A whiteout hides what lies below this layer, never the layer's own entry.
    if (S_ISDIR(status.st_mode)) {
      set_opaque(descend(target, target.size(), false).get(), hidden);
    }
    return;
  }
  // Linux lets every user make this one device, since 5.8.
  if (::mknodat(parent, hidden.c_str(), S_IFCHR, ::makedev(0, 0)) != 0) {
    failed("marking as removed (needs Linux 5.8, or root)", hidden);
  }
}

void Unpacker::add_directory(int parent, const std::vector<std::string>& components,
                             const Metadata& metadata) {
  const std::string& name = components.back();
  clear(parent, name, true);
  if (::mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST) failed("creating", name);
  directories_[components] = metadata;
  if (hidden_.contains(base::join(components, "/"))) {
    set_opaque(descend(components, components.size(), false).get(), name);
  }
}

void Unpacker::copy_data(archive* reader, int file, const std::string& name, la_int64_t declared) {
  const void* block = nullptr;
  std::size_t length = 0;
  la_int64_t offset = 0;
  for (;;) {
    const int status = archive_read_data_block(reader, &block, &length, &offset);
    if (status == ARCHIVE_EOF) return;
    if (status < ARCHIVE_WARN) {
      const char* why = archive_error_string(reader);
      invalid("the layer is broken at " + name + ": " + (why ? why : "unreadable data"));
    }
    const auto left = static_cast<std::uint64_t>(declared - std::min(offset, declared));
    if (length > left) invalid("the layer has more data than it says: " + name);
    const char* bytes = static_cast<const char*>(block);
    while (length > 0) {
      const ssize_t written = ::pwrite(file, bytes, length, offset);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) failed("writing", name);
      bytes += written;
      length -= static_cast<std::size_t>(written);
      offset += written;
    }
  }
}

void Unpacker::copy_attributes(archive_entry* entry, int file) const {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t length = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &length) == ARCHIVE_OK) {
    const std::string_view attribute = name;
    // overlayfs obeys attributes of its own, so a layer must never bring those.
    const bool wanted = (attribute == "security.capability" && privileged_) ||
                        (attribute.starts_with("user.") && !attribute.starts_with("user.overlay."));
    // Not every file system keeps them, and an image works without.
    if (wanted) ::fsetxattr(file, name, value, length, 0);
  }
}

void Unpacker::add_file(int parent, const std::string& name, archive* reader, archive_entry* entry,
                        const Metadata& metadata) {
  const la_int64_t declared = archive_entry_size(entry);
  if (declared < 0) invalid("the layer has a file of negative size: " + name);
  account_for(static_cast<std::uint64_t>(declared));
  const FileDescriptor file(
      ::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) failed("creating", name);
  copy_data(reader, file.get(), name, declared);
  // A sparse file may end in a hole.
  if (::ftruncate(file.get(), declared) != 0) failed("writing", name);
  if (privileged_ && ::fchown(file.get(), metadata.owner, metadata.group) != 0) {
    failed("changing the owner of", name);
  }
  copy_attributes(entry, file.get());
  // After the owner, whose change clears the set-user-id bits.
  if (::fchmod(file.get(), metadata.mode) != 0) failed("changing the mode of", name);
  const timespec times[2] = {metadata.modified, metadata.modified};
  ::futimens(file.get(), times);
}

void Unpacker::add_hard_link(int parent, const std::string& name, const std::string& target) {
  const std::vector<std::string> components = components_of(target);
  if (components.empty()) invalid("the layer has a hard link to itself: " + name);
  const FileDescriptor from = descend(components, components.size() - 1, false);
  if (::linkat(from.get(), components.back().c_str(), parent, name.c_str(), 0) != 0) {
    if (errno == ENOENT || errno == EPERM) {
      invalid("the layer has a hard link to what is not in it: " + target);
    }
    failed("linking", name);
  }
}

void Unpacker::set_owner_of_link(int parent, const std::string& name,
                                 const Metadata& metadata) const {
  if (privileged_ &&
      ::fchownat(parent, name.c_str(), metadata.owner, metadata.group, AT_SYMLINK_NOFOLLOW) != 0) {
    failed("changing the owner of", name);
  }
  const timespec times[2] = {metadata.modified, metadata.modified};
  ::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void Unpacker::add(archive* reader, archive_entry* entry) {
  if (++size_.files > limits_.files) {
    invalid("the layer has more than " + std::to_string(limits_.files) + " entries");
  }
  const std::vector<std::string> components =
      components_of(text_of(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry)));
  const Metadata metadata = metadata_of(entry);
  const mode_t type = archive_entry_filetype(entry);
  if (components.empty()) {
    if (type == AE_IFDIR) directories_[components] = metadata;
    return;
  }
  const std::string& name = components.back();
  const int parent = parent_of(components);
  if (name == kOpaque) return set_opaque(parent, name);
  if (name.starts_with(".wh..wh.")) return;  // aufs's own notes
  if (name.starts_with(kWhiteout)) {
    return add_whiteout(parent, components, name.substr(kWhiteout.size()));
  }
  if (type == AE_IFDIR) return add_directory(parent, components, metadata);
  const std::string hard_link =
      text_of(archive_entry_hardlink(entry), archive_entry_hardlink_utf8(entry));
  if (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK) return;
  clear(parent, name, false);
  if (!hard_link.empty()) return add_hard_link(parent, name, hard_link);
  if (type == AE_IFLNK) {
    const std::string target =
        text_of(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry));
    if (::symlinkat(target.c_str(), parent, name.c_str()) != 0) failed("linking", name);
    return set_owner_of_link(parent, name, metadata);
  }
  if (type == AE_IFIFO) {
    if (::mkfifoat(parent, name.c_str(), metadata.mode & 0777) != 0) failed("creating", name);
    return set_owner_of_link(parent, name, metadata);
  }
  add_file(parent, name, reader, entry, metadata);
}

void Unpacker::finish() {
  parent_.reset();
  // The deepest first, so that a directory's time is set after what is in it.
  for (auto at = directories_.rbegin(); at != directories_.rend(); ++at) {
    const auto& [components, metadata] = *at;
    const FileDescriptor directory = descend(components, components.size(), false);
    if (privileged_ && ::fchown(directory.get(), metadata.owner, metadata.group) != 0) {
      failed("changing the owner of", base::join(components, "/"));
    }
    const timespec times[2] = {metadata.modified, metadata.modified};
    ::futimens(directory.get(), times);
    if (::fchmod(directory.get(), metadata.mode) != 0) {
      failed("changing the mode of", base::join(components, "/"));
    }
  }
}

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

}  // namespace

LayerSize unpack_layer(const std::filesystem::path& path, const std::filesystem::path& directory,
                       const LayerLimits& limits) {
  const std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  archive_read_support_filter_none(reader.get());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_tar(reader.get());
  const auto broken = [&] {
    const char* why = archive_error_string(reader.get());
    invalid(std::string("the layer is not a readable tar file: ") + (why ? why : "unknown form"));
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) failed("reading", path);
  if (archive_read_open_filename(reader.get(), path.c_str(), 1u << 20) != ARCHIVE_OK) broken();
  Unpacker unpacker(directory, limits);
  for (archive_entry* entry = nullptr;;) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    // A warning is about a name that the locale cannot express; text_of() copes.
    if (result < ARCHIVE_WARN) broken();
    unpacker.add(reader.get(), entry);
  }
  unpacker.finish();
  return unpacker.size();
}

void remove_tree(const std::filesystem::path& directory) {
  std::error_code failed_first;
  std::filesystem::remove_all(directory, failed_first);
  if (!failed_first) return;
  // Layers have directories without write permission; their owner may give it back.
  std::vector<std::filesystem::path> waiting{directory};
  while (!waiting.empty()) {
    const std::filesystem::path next = std::move(waiting.back());
    waiting.pop_back();
    ::chmod(next.c_str(), 0700);
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(next, unreadable)) {
      if (entry.is_directory() && !entry.is_symlink()) waiting.push_back(entry.path());
    }
  }
  std::filesystem::remove_all(directory);
}

}  // namespace slipway::images
