#include "images/uploads.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "images/types.h"

namespace slipway::images {
namespace {

constexpr std::size_t kOpenUploads = 10'000;

bool is_upload_id(std::string_view text) {
  return text.size() == 36 && text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      throw Error("InsufficientStorage", "the server's disk is full", 507);
    }
    if (written < 0) base::throw_errno("writing an upload");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

struct Uploads::Entry {
  std::mutex busy;
  // Digest of the file as a whole, where it came in one piece; guarded by busy. Not kept on
  // disk: after a crash the bytes may be others.
  std::string sha256;
};

Uploads::Uploads(const base::Clock& clock, std::filesystem::path directory, base::Millis expiry)
    : clock_(clock), directory_(std::move(directory)), expiry_(expiry) {
  std::filesystem::create_directories(directory_);
}

std::filesystem::path Uploads::path_of(const RepositoryKey& key, const std::string& id) const {
  return directory_ / base::sha256_hex(key.account + "/" + key.name).substr(0, 32) / id;
}

std::string Uploads::start(const RepositoryKey& key) {
  const std::string id = base::uuid();
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= kOpenUploads) {
      throw Error("TOOMANYREQUESTS", "too many uploads are open; finish or cancel some", 429);
    }
    entries_.emplace(id, std::make_shared<Entry>());
  }
  const std::filesystem::path path = path_of(key, id);
  // Twice, for expire() may remove the empty folder between the two steps.
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::error_code ignored;
    std::filesystem::create_directories(path.parent_path(), ignored);
    const base::FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file) return id;
  }
  const int reason = errno;
  forget(id);
  errno = reason;
  base::throw_errno("creating an upload");
}

std::optional<Uploads::Session> Uploads::open(const RepositoryKey& key, const std::string& id) {
  if (!is_upload_id(id)) return std::nullopt;
  const std::filesystem::path path = path_of(key, id);
  if (!std::filesystem::exists(path)) return std::nullopt;
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    auto& known = entries_[id];  // made again after a restart
    if (!known) known = std::make_shared<Entry>();
    entry = known;
  }
  Session session(*this, id, path, std::move(entry));
  // Whoever held it before may have ended it.
  std::error_code failed;
  session.received_ = std::filesystem::file_size(path, failed);
  if (failed) {
    forget(id);
    return std::nullopt;
  }
  return session;
}

void Uploads::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(id);
}

void Uploads::expire() {
  for (const auto& folder : std::filesystem::directory_iterator(directory_)) {
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      struct stat status {};
      if (::stat(file.path().c_str(), &status) != 0) continue;
      if (clock_.now() - base::Millis{status.st_mtim.tv_sec} * 1000 < expiry_) continue;
      ::unlink(file.path().c_str());
      forget(file.path().filename());
    }
    ::rmdir(folder.path().c_str());  // only where it is empty
  }
}

Uploads::Session::Session(Uploads& uploads, std::string id, std::filesystem::path path,
                          std::shared_ptr<Entry> entry)
    : uploads_(uploads),
      id_(std::move(id)),
      path_(std::move(path)),
      entry_(std::move(entry)),
      lock_(entry_->busy) {}

void Uploads::Session::append(const net::Body& body) {
  if (body.size() == 0) return;
  if (received_ + body.size() > kBlobLimit) {
    throw Error("SIZE_INVALID", "the blob is larger than this registry keeps", 413);
  }
  if (received_ == 0 && !body.in_memory()) {
    if (::rename(body.file()->path().c_str(), path_.c_str()) != 0) {
      base::throw_errno("taking over an upload");
    }
    entry_->sha256 = body.sha256();
    received_ = body.size();
    return;
  }
  const base::FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file) base::throw_errno("opening an upload");
  entry_->sha256.clear();
  try {
    body.for_each_piece([&](std::string_view piece) { write_all(file.get(), piece); });
  } catch (...) {
    // Not a handler: the client may send the piece again, so half of it must not stay.
    if (::ftruncate(file.get(), static_cast<off_t>(received_)) != 0) ::unlink(path_.c_str());
    throw;
  }
  if (received_ == 0) entry_->sha256 = body.sha256();
  received_ += body.size();
}

std::string Uploads::Session::digest() const {
  const std::string hex = entry_->sha256.empty() ? base::sha256_hex_of_file(path_) : entry_->sha256;
  return "sha256:" + hex;
}

void Uploads::Session::discard() {
  ::unlink(path_.c_str());
  uploads_.forget(id_);
}

}  // namespace slipway::images
