#include "objects/content.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <future>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"

namespace slipway::objects {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 20;
// From this size on, the digests are computed by a second thread while this one syncs.
constexpr std::uint64_t kWorthAThread = 4u << 20;

std::string hexadecimal(std::int64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%08llx", static_cast<unsigned long long>(number));
  return text;
}

std::string open_file_path(int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); }

void write_at_end(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(to, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      throw Error("InsufficientStorage", "The disk is full.", 507);
    }
    if (count < 0) base::throw_errno("cannot write the copy of an object");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void read_pieces(int from, std::uint64_t offset, std::uint64_t length,
                 const std::function<void(std::string_view)>& piece) {
  std::string buffer(std::min<std::uint64_t>(kPiece, length), '\0');
  while (length > 0) {
    std::size_t wanted = std::min<std::uint64_t>(buffer.size(), length);
    ssize_t count = ::pread(from, buffer.data(), wanted, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) base::throw_errno("cannot read an object");
    if (count == 0) base::throw_internal("an object's file is shorter than its row says");
    piece(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    offset += static_cast<std::uint64_t>(count);
    length -= static_cast<std::uint64_t>(count);
  }
}

}  // namespace

void copy_bytes(int from, std::uint64_t offset, std::uint64_t length, int to) {
  while (length > 0) {
    off64_t at = static_cast<off64_t>(offset);
    ssize_t count =
        ::copy_file_range(from, &at, to, nullptr, std::min<std::uint64_t>(length, 1u << 30), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      // Across file systems, or on one that cannot: by hand.
      read_pieces(from, offset, length, [&](std::string_view piece) { write_at_end(to, piece); });
      return;
    }
    offset += static_cast<std::uint64_t>(count);
    length -= static_cast<std::uint64_t>(count);
  }
}

void Opened::for_each_piece(std::uint64_t offset, std::uint64_t length,
                            const std::function<void(std::string_view)>& piece) const {
  if (content.place == Place::kRow) piece(std::string_view(bytes).substr(offset, length));
  if (content.place == Place::kFile) read_pieces(file->get(), offset, length, piece);
}

net::ResponseBody Opened::slice(std::uint64_t offset, std::uint64_t length) const {
  if (content.place != Place::kFile) return bytes.substr(offset, length);
  // By the descriptor, not by the name: an overwrite may remove the name before it is sent.
  return net::FileSlice{open_file_path(file->get()), offset, length, file};
}

Draft::~Draft() {
  if (!contents_ || content_.place != Place::kFile) return;
  if (!origin_.empty() && ::rename(contents_->path_of(content_.id).c_str(), origin_.c_str()) == 0) {
    return;
  }
  contents_->remove({content_});
}

Draft::Draft(Draft&& other) noexcept
    : contents_(std::exchange(other.contents_, nullptr)),
      content_(std::move(other.content_)),
      bytes_(std::move(other.bytes_)),
      digests_(std::move(other.digests_)),
      origin_(std::move(other.origin_)) {}

std::string Draft::etag() const { return "\"" + base::hex(digests_.md5) + "\""; }

Contents::Contents(store::Disk& disk, store::Spool& spool, fs::path directory, std::int64_t run)
    : disk_(disk), spool_(spool), directory_(std::move(directory)), run_(hexadecimal(run)) {
  store::create_directories_durably(disk_, directory_);
}

std::string Contents::next_id() const { return run_ + base::random_hex(24); }

fs::path Contents::path_of(const std::string& id) const {
  return directory_ / id.substr(id.size() - 2) / id;
}

Draft Contents::draft(Place place, std::uint64_t size) {
  Draft draft(*this);
  draft.content_ = {size == 0 ? Place::kNowhere : place, next_id(), size};
  return draft;
}

Draft Contents::draft_of_bytes(std::string bytes) {
  if (bytes.size() <= kInlineLimit) {
    Draft draft = this->draft(Place::kRow, bytes.size());
    draft.bytes_ = std::move(bytes);
    return draft;
  }
  Draft draft = this->draft(Place::kFile, bytes.size());
  store::Spool::File file = spool_.create();
  file.append(bytes);
  store::adopt(disk_, file.path(), path_of(draft.content_.id));
  return draft;
}

Draft Contents::write(std::string_view bytes, const std::vector<std::string>& algorithms) {
  Digests digests = compute_digests([&](const auto& piece) { piece(bytes); }, algorithms);
  Draft draft = draft_of_bytes(std::string(bytes));
  draft.digests_ = std::move(digests);
  return draft;
}

Draft Contents::write(const net::Body& body, const std::vector<std::string>& algorithms) {
  if (body.in_memory()) return write(body.bytes(), algorithms);
  if (body.size() <= kInlineLimit) return write(body.text(), algorithms);
  Draft draft = this->draft(Place::kFile, body.size());
  auto digest = [&] {
    return compute_digests([&](const auto& piece) { body.for_each_piece(piece); }, algorithms);
  };
  // Both take about as long: the disk works while the processor does.
  auto digests =
      std::async(body.size() >= kWorthAThread ? std::launch::async : std::launch::deferred, digest);
  store::adopt(disk_, body.file()->path(), path_of(draft.content_.id));
  draft.digests_ = digests.get();
  return draft;
}

Draft Contents::write_file(const fs::path& path) {
  base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) base::throw_errno("cannot open " + path.string());
  if (!S_ISREG(status.st_mode)) base::throw_internal(path.string() + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  Digests digests =
      compute_digests([&](const auto& piece) { read_pieces(file.get(), 0, size, piece); }, {});
  if (size <= kInlineLimit) {
    std::string bytes;
    read_pieces(file.get(), 0, size, [&](std::string_view piece) { bytes += piece; });
    Draft draft = draft_of_bytes(std::move(bytes));
    draft.digests_ = std::move(digests);
    return draft;
  }
  Draft draft = this->draft(Place::kFile, size);
  draft.digests_ = std::move(digests);
  make_directory(draft);
  struct stat home {};
  const bool alone = status.st_nlink == 1 && ::stat(directory_.c_str(), &home) == 0 &&
                     home.st_dev == status.st_dev;
  if (alone) {
    draft.origin_ = path;
    store::adopt(disk_, path, path_of(draft.content_.id));
  } else {
    store::Spool::File copied = spool_.create();
    copy_bytes(file.get(), 0, size, copied.descriptor());
    store::adopt(disk_, copied.path(), path_of(draft.content_.id));
  }
  return draft;
}

void Contents::make_directory(const Draft& draft) {
  store::create_directories_durably(disk_, path_of(draft.content_.id).parent_path());
}

Draft Contents::duplicate(const Opened& source) {
  if (source.content.place != Place::kFile) return draft_of_bytes(source.bytes);
  Draft draft = this->draft(Place::kFile, source.content.size);
  make_directory(draft);
  const fs::path path = path_of(draft.content_.id);
  if (::linkat(AT_FDCWD, open_file_path(source.file->get()).c_str(), AT_FDCWD, path.c_str(),
               AT_SYMLINK_FOLLOW) != 0) {
    // Too many links already, a removed source, or a file system without links.
    store::Spool::File file = spool_.create();
    copy_bytes(source.file->get(), 0, source.content.size, file.descriptor());
    store::adopt(disk_, file.path(), path);
    return draft;
  }
  disk_.sync_directory(path.parent_path());
  return draft;
}

Draft Contents::copy(const Opened& source, std::uint64_t offset, std::uint64_t length,
                     const std::vector<std::string>& algorithms) {
  Digests digests = compute_digests(
      [&](const auto& piece) { source.for_each_piece(offset, length, piece); }, algorithms);
  if (source.content.place != Place::kFile || length <= kInlineLimit) {
    std::string bytes;
    source.for_each_piece(offset, length, [&](std::string_view piece) { bytes += piece; });
    Draft draft = draft_of_bytes(std::move(bytes));
    draft.digests_ = std::move(digests);
    return draft;
  }
  Draft draft = this->draft(Place::kFile, length);
  draft.digests_ = std::move(digests);
  store::Spool::File file = spool_.create();
  copy_bytes(source.file->get(), offset, length, file.descriptor());
  store::adopt(disk_, file.path(), path_of(draft.content_.id));
  return draft;
}

Draft Contents::concatenate(const std::vector<Content>& sources,
                            const std::function<Opened(const Content&)>& open) {
  std::uint64_t size = 0;
  for (const Content& source : sources) size += source.size;
  if (sources.size() == 1) return duplicate(open(sources[0]));
  if (size <= kInlineLimit) {
    std::string bytes;
    for (const Content& source : sources) {
      open(source).for_each_piece(0, source.size, [&](std::string_view piece) { bytes += piece; });
    }
    return draft_of_bytes(std::move(bytes));
  }
  Draft draft = this->draft(Place::kFile, size);
  store::Spool::File file = spool_.create();
  for (const Content& source : sources) {
    Opened opened = open(source);
    if (source.place == Place::kFile) {
      copy_bytes(opened.file->get(), 0, source.size, file.descriptor());
    } else {
      write_at_end(file.descriptor(), opened.bytes);
    }
  }
  store::adopt(disk_, file.path(), path_of(draft.content_.id));
  return draft;
}

std::shared_ptr<base::FileDescriptor> Contents::open(const std::string& id) const {
  base::FileDescriptor file(::open(path_of(id).c_str(), O_RDONLY | O_CLOEXEC));
  if (file) return std::make_shared<base::FileDescriptor>(std::move(file));
  if (errno == ENOENT) return nullptr;
  base::throw_errno("cannot open the file of an object");
}

void Contents::remove(const std::vector<Content>& dropped) noexcept {
  for (const Content& content : dropped) {
    if (content.place != Place::kFile) continue;
    try {
      disk_.remove(path_of(content.id));
    } catch (const std::exception& error) {
      log(Level::kWarning, "cannot remove the file of an object",
          {{"id", content.id}, {"error", error.what()}});
    }
  }
}

std::size_t Contents::scrub(const std::function<bool(const std::string&)>& is_named,
                            const std::function<bool()>& stopping) {
  std::size_t removed = 0;
  for (const auto& shard : fs::directory_iterator(directory_)) {
    if (!shard.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(shard.path())) {
      if (stopping()) return removed;
      std::string id = entry.path().filename().string();
      if (id.starts_with(run_) || is_named(id)) continue;
      disk_.remove(entry.path());
      ++removed;
    }
  }
  return removed;
}

}  // namespace slipway::objects
