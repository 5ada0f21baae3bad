#include "functions/code.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/types.h"

namespace slipway::functions {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 18;
constexpr const char* kTemporary = ".new-";

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

[[noreturn]] void refuse_archive(archive* reader) {
  const char* why = archive_error_string(reader);
  refuse("Could not unzip uploaded file. Please check your file, then try to upload again." +
         (why ? std::string(" (") + why + ")" : std::string()));
}

// The path below the directory; empty for the directory itself.
fs::path safe_path(archive_entry* entry) {
  const char* name = archive_entry_pathname_utf8(entry);
  if (!name) name = archive_entry_pathname(entry);
  if (!name) refuse("The archive has an entry without a name that can be read.");
  const std::string text = base::replace_all(name, "\\", "/");
  fs::path path;
  for (const std::string& part : base::split(text, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") refuse("The archive's entry \"" + text + "\" would lie outside of it.");
    if (part.size() > 255) refuse("The archive has a name longer than 255 bytes.");
    path /= part;
  }
  if (text.starts_with('/')) refuse("The archive's entry \"" + text + "\" has an absolute path.");
  return path;
}

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) refuse("The archive has a file and a directory of the same name.");
}

class Unpacker {
 public:
  Unpacker(archive* reader, const fs::path& directory) : reader_(reader), directory_(directory) {}

  void take(archive_entry* entry) {
    if (++files_ > kMostFiles) {
      refuse("The archive has more than " + std::to_string(kMostFiles) + " entries.");
    }
    const fs::path path = safe_path(entry);
    const auto type = archive_entry_filetype(entry);
    if (path.empty()) return;
    if (type == AE_IFDIR) return make_directories(directory_ / path);
    if (type != AE_IFREG || archive_entry_hardlink(entry)) {
      refuse("The archive's entry \"" + path.string() +
             "\" is neither a file nor a directory; links are not supported.");
    }
    make_directories((directory_ / path).parent_path());
    write_file(path, archive_entry_perm(entry));
  }

  std::size_t files() const { return files_; }

 private:
  void write_file(const fs::path& path, mode_t permissions) {
    mode_t mode = (permissions & 0777) | 0644;
    // Archives made by programs often carry no rights; this one file must be executable.
    if (path == "bootstrap") mode |= 0111;
    // The umask does not count here: programs of any user read these files.
    const fs::path place = directory_ / path;
    ::unlink(place.c_str());
    const base::FileDescriptor file(
        ::open(place.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) base::throw_errno("writing " + path.string());
    std::vector<char> piece(kPiece);
    while (true) {
      const la_ssize_t count = archive_read_data(reader_, piece.data(), piece.size());
      if (count < 0) refuse_archive(reader_);
      if (count == 0) break;
      written_ += static_cast<std::uint64_t>(count);
      if (written_ > kLargestUnpacked) {
        refuse("Unzipped size must be smaller than " + std::to_string(kLargestUnpacked) + " bytes");
      }
      store::system_disk().write(file.get(),
                                 std::string_view(piece.data(), static_cast<std::size_t>(count)));
    }
    if (::fchmod(file.get(), mode) != 0) base::throw_errno("writing " + path.string());
  }

  archive* const reader_;
  const fs::path& directory_;
  std::uint64_t written_ = 0;
  std::size_t files_ = 0;
};

std::string boot_id() {
  try {
    return std::string(base::trim(store::read_file("/proc/sys/kernel/random/boot_id", 4096)));
  } catch (const Error&) {
    return base::random_hex(16);  // nothing to trust, then
  }
}

}  // namespace

void unpack_zip(const fs::path& zip, const fs::path& directory) {
  const std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  archive_read_support_format_zip_seekable(reader.get());
  if (archive_read_open_filename(reader.get(), zip.c_str(), kPiece) != ARCHIVE_OK) {
    refuse_archive(reader.get());
  }
  Unpacker unpacker(reader.get(), directory);
  archive_entry* entry = nullptr;
  while (true) {
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status < ARCHIVE_WARN) refuse_archive(reader.get());
    unpacker.take(entry);
  }
  if (unpacker.files() == 0) refuse("Uploaded file must be a non-empty zip");
}

CodeStore::CodeStore(store::Disk& disk, fs::path directory)
    : disk_(disk), directory_(std::move(directory)) {
  store::create_directories_durably(disk_, directory_);
  const std::string boot = boot_id();
  const bool same_boot =
      fs::exists(directory_ / "boot") && store::read_file(directory_ / "boot", 4096) == boot;
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kTemporary) || (!same_boot && entry.is_directory())) {
      stale.push_back(entry.path());
    }
  }
  for (const fs::path& path : stale) fs::remove_all(path);
  if (!same_boot) store::write_atomically(disk_, directory_ / "boot", boot);
}

Archive CodeStore::add(const fs::path& zip) {
  const Archive result{base::sha256_hex_of_file(zip), fs::file_size(zip)};
  const std::lock_guard lock(mutex_);
  const fs::path place = directory_ / result.sha256;
  if (!fs::exists(place)) {
    const fs::path temporary = directory_ / (kTemporary + base::random_hex(16));
    fs::create_directory(temporary);
    fs::permissions(temporary, fs::perms(0755));
    try {
      unpack_zip(zip, temporary);
      fs::rename(temporary, place);
    } catch (...) {
      fs::remove_all(temporary);
      throw;
    }
  }
  if (!fs::exists(archive(result.sha256))) store::adopt(disk_, zip, archive(result.sha256));
  return result;
}

fs::path CodeStore::archive(const std::string& sha256) const {
  return directory_ / (sha256 + ".zip");
}

fs::path CodeStore::unpacked(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  const fs::path place = directory_ / sha256;
  if (fs::exists(place)) return place;
  if (!fs::exists(archive(sha256))) base::throw_internal("the code " + sha256 + " is gone");
  const fs::path temporary = directory_ / (kTemporary + base::random_hex(16));
  fs::create_directory(temporary);
  fs::permissions(temporary, fs::perms(0755));
  try {
    unpack_zip(archive(sha256), temporary);
    fs::rename(temporary, place);
  } catch (...) {
    fs::remove_all(temporary);
    throw;
  }
  return place;
}

void CodeStore::keep_only(const std::set<std::string>& digests) {
  const std::lock_guard lock(mutex_);
  std::vector<fs::path> unused;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    const std::string digest = name.ends_with(".zip") ? name.substr(0, name.size() - 4) : name;
    if (digest.size() == 64 && !digests.contains(digest)) unused.push_back(entry.path());
  }
  for (const fs::path& path : unused) fs::remove_all(path);
}

}  // namespace slipway::functions
