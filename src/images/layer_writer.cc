#include "images/layer_writer.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/strings.h"
#include "images/tar_writer.h"
#include "images/types.h"

namespace slipway::images {
namespace {

// Between speed and size: half the time of the usual 6 for a tenth more bytes.
constexpr const char* kCompression = "3";
constexpr std::size_t kPiece = 256u << 10;

[[noreturn]] void fail(const std::string& message) { throw Error("BuildError", message); }

// Compresses what it is given into a new file, and takes the digests of both sides.
class CompressedFile {
 public:
  explicit CompressedFile(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)),
        archive_(archive_write_new()) {
    if (!file_) fail("Cannot write " + path.string() + ": " + std::strerror(errno));
    archive* const to = archive_.get();
    // One entry of the form "raw" is its bytes and nothing else.
    const bool opened =
        archive_write_set_format_raw(to) == ARCHIVE_OK &&
        archive_write_add_filter_gzip(to) == ARCHIVE_OK &&
        archive_write_set_filter_option(to, "gzip", "compression-level", kCompression) ==
            ARCHIVE_OK &&
        archive_write_set_filter_option(to, "gzip", "timestamp", nullptr) == ARCHIVE_OK &&
        archive_write_set_bytes_in_last_block(to, 1) == ARCHIVE_OK &&
        archive_write_open(to, this, nullptr, &CompressedFile::take, nullptr) == ARCHIVE_OK;
    if (!opened) fail_by_archive();
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    if (archive_write_header(to, entry.get()) != ARCHIVE_OK) fail_by_archive();
  }

  void write(std::string_view bytes) {
    plain_.update(bytes);
    while (!bytes.empty()) {
      const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
      if (written <= 0) fail_by_archive();
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  BuiltLayer finish() {
    if (archive_write_close(archive_.get()) != ARCHIVE_OK) fail_by_archive();
    BuiltLayer layer;
    layer.digest = "sha256:" + base::hex(compressed_.finish());
    layer.diff_id = "sha256:" + base::hex(plain_.finish());
    layer.size = size_;
    layer.media_type = kOciLayerGzip;
    return layer;
  }

 private:
  struct FreeArchive {
    void operator()(archive* writer) const { archive_write_free(writer); }
  };

  static la_ssize_t take(archive* writer, void* self, const void* bytes, std::size_t length) {
    auto& file = *static_cast<CompressedFile*>(self);
    const ssize_t written = ::write(file.file_.get(), bytes, length);
    if (written < 0) {
      archive_set_error(writer, errno, "%s", std::strerror(errno));
      return -1;
    }
    const auto count = static_cast<std::size_t>(written);
    file.compressed_.update({static_cast<const char*>(bytes), count});
    file.size_ += count;
    return written;
  }

  [[noreturn]] void fail_by_archive() const {
    const char* why = archive_error_string(archive_.get());
    fail(std::string("Cannot write a layer: ") + (why ? why : "unknown reason"));
  }

  base::FileDescriptor file_;
  base::Digest plain_{base::Algorithm::kSha256};
  base::Digest compressed_{base::Algorithm::kSha256};
  std::uint64_t size_ = 0;
  // Last, so that it is freed first: freeing may still write.
  std::unique_ptr<archive, FreeArchive> archive_;
};

// One entry of the layer, before it is written.
struct Item {
  TarType type = TarType::kDirectory;
  std::filesystem::path file;             // a file's contents, where they are on disk
  const std::string* contents = nullptr;  // … where they are in memory
  std::string link;
  bool executable = true;
};
using Items = std::map<std::string, Item>;  // by path in the image, without the first "/"

bool is_compiled_python(const std::string& name) {
  return name == "__pycache__" || name.ends_with(".pyc");
}

void add_parents(Items& items, const std::string& path) {
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    items.try_emplace(path.substr(0, at));
  }
}

std::string relative_to_root(const std::string& path) {
  if (!path.starts_with('/')) fail("'" + path + "' is no absolute path in the image");
  std::vector<std::string> parts;
  for (const std::string& part : base::split(path, '/')) {
    if (part == "..") fail("'" + path + "' must not have '..'");
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  return base::join(parts, "/");
}

void add_directory(Items& items, const LayerTree& tree, const std::filesystem::path& directory,
                   const std::string& within, const std::string& prefix) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    const std::string relative = within.empty() ? name : within + "/" + name;
    if (is_compiled_python(name) || (tree.ignored && tree.ignored(relative))) continue;
    Item item;
    const auto status = entry.symlink_status();
    if (status.type() == std::filesystem::file_type::symlink) {
      item.type = TarType::kSymbolicLink;
      item.link = std::filesystem::read_symlink(entry.path());
    } else if (status.type() == std::filesystem::file_type::regular) {
      item.type = TarType::kFile;
      item.file = entry.path();
      item.executable = (status.permissions() & std::filesystem::perms::owner_exec) !=
                        std::filesystem::perms::none;
    } else if (status.type() != std::filesystem::file_type::directory) {
      continue;
    }
    const std::string path = prefix + relative;
    items[path] = item;
    if (item.type == TarType::kDirectory) {
      add_directory(items, tree, entry.path(), relative, prefix);
    }
  }
}

Items collect(const LayerTree& tree, const std::map<std::string, std::string>& files) {
  Items items;
  if (!tree.source.empty()) {
    const std::string root = relative_to_root(tree.destination);
    if (!root.empty()) {
      add_parents(items, root + "/");
    }
    add_directory(items, tree, tree.source, "", root.empty() ? "" : root + "/");
  }
  for (const auto& [path, contents] : files) {
    const std::string relative = relative_to_root(path);
    add_parents(items, relative);
    Item item;
    item.type = TarType::kFile;
    item.contents = &contents;
    items[relative] = item;
  }
  return items;
}

void write_file(TarWriter& tar, TarEntry entry, const std::filesystem::path& path) {
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    fail("Cannot read " + path.string() + ": " + std::strerror(errno));
  }
  entry.size = static_cast<std::uint64_t>(status.st_size);
  tar.begin(entry);
  std::string buffer(kPiece, '\0');
  for (std::uint64_t left = entry.size; left > 0;) {
    const ssize_t got =
        ::read(file.get(), buffer.data(), std::min<std::uint64_t>(left, buffer.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail(path.string() + " changed while the image was built");
    tar.data({buffer.data(), static_cast<std::size_t>(got)});
    left -= static_cast<std::uint64_t>(got);
  }
}

void write_items(TarWriter& tar, const Items& items, std::int64_t time) {
  for (const auto& [path, item] : items) {
    TarEntry entry;
    entry.type = item.type;
    entry.path = item.type == TarType::kDirectory ? path + "/" : path;
    entry.link = item.link;
    entry.mode = item.type == TarType::kSymbolicLink ? 0777 : item.executable ? 0755 : 0644;
    entry.time = time;
    if (!item.file.empty()) {
      write_file(tar, entry, item.file);
      continue;
    }
    if (item.contents != nullptr) entry.size = item.contents->size();
    tar.begin(entry);
    if (entry.size > 0) tar.data(*item.contents);
  }
  tar.finish();
}

}  // namespace

Ignored ignore_patterns(std::vector<std::string> patterns) {
  return [patterns = std::move(patterns)](const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    bool ignored = false;
    for (std::string pattern : patterns) {
      const bool take_back = pattern.starts_with('!');
      if (take_back) pattern.erase(0, 1);
      while (pattern.size() > 1 && pattern.ends_with('/')) pattern.pop_back();
      const bool anchored = pattern.find('/') != std::string::npos;
      if (pattern.starts_with('/')) pattern.erase(0, 1);
      const std::string& subject = anchored ? path : name;
      if (::fnmatch(pattern.c_str(), subject.c_str(), 0) == 0) ignored = !take_back;
    }
    return ignored;
  };
}

BuiltLayer write_layer(store::Disk& disk, const LayerTree& tree,
                       const std::map<std::string, std::string>& files, std::int64_t time,
                       const std::filesystem::path& blobs) {
  const Items items = collect(tree, files);
  std::filesystem::create_directories(blobs);
  const std::filesystem::path temporary = blobs / ("building-" + base::random_hex(16));
  try {
    BuiltLayer layer;
    {
      CompressedFile file(temporary);
      TarWriter tar([&](std::string_view bytes) { file.write(bytes); });
      write_items(tar, items, time);
      layer = file.finish();
    }
    layer.path = blobs / layer.digest.substr(7);
    store::adopt(disk, temporary, layer.path);
    return layer;
  } catch (...) {
    std::filesystem::remove(temporary);
    throw;
  }
}

}  // namespace slipway::images
