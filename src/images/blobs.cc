#include "images/blobs.h"

#include <mutex>
#include <vector>

#include <sys/stat.h>

#include "base/error.h"
#include "images/decide.h"

namespace slipway::images {
namespace {

// A row is written at most this often for a blob that is asked for again and again.
constexpr base::Millis kTouchInterval = 3'600'000;
constexpr std::size_t kBatch = 64;

}  // namespace

BlobStore::BlobStore(store::Database& database, const base::Clock& clock, store::Disk& disk,
                     store::Spool& spool, std::filesystem::path directory)
    : database_(database),
      clock_(clock),
      disk_(disk),
      spool_(spool),
      directory_(std::move(directory) / "sha256") {
  store::create_directories_durably(disk_, directory_);
}

std::filesystem::path BlobStore::path_of(const std::string& digest) const {
  return directory_ / hex_of(digest);
}

std::optional<Blob> BlobStore::find(const RepositoryKey& key, const std::string& digest) {
  auto blob = database_.read([&](store::Reader& reader) { return find_blob(reader, key, digest); });
  if (!blob) return std::nullopt;
  const base::Millis now = clock_.now();
  if (now - blob->touched < kTouchInterval) return blob;
  const bool there = database_.write(
      [&](store::Transaction& transaction) { return touch_blob(transaction, digest, now); });
  if (!there) return std::nullopt;
  return blob;
}

void BlobStore::adopt_file(const RepositoryKey& key, const std::string& digest, std::uint64_t size,
                           const std::filesystem::path& file) {
  const std::filesystem::path path = path_of(digest);
  const std::shared_lock lock(collecting_);
  const bool stored =
      database_.read([&](store::Reader& reader) { return find_stored_blob(reader, digest); })
          .has_value();
  if (!stored || !std::filesystem::exists(path)) store::adopt(disk_, file, path);
  database_.write([&](store::Transaction& transaction) {
    put_blob(transaction, key, Blob{digest, size, clock_.now()});
  });
}

void BlobStore::store_body(const RepositoryKey& key, const std::string& digest,
                           const net::Body& body) {
  const std::string actual = "sha256:" + body.sha256();
  if (actual != digest) {
    throw Error("DIGEST_INVALID", "provided digest did not match uploaded content", 400,
                Json{{"provided", digest}, {"uploaded", actual}});
  }
  if (!body.in_memory()) {
    adopt_file(key, digest, body.size(), body.file()->path());
    return;
  }
  store::Spool::File file = spool_.create();
  file.append(body.bytes());
  adopt_file(key, digest, body.size(), file.path());
}

bool BlobStore::mount(const RepositoryKey& key, const std::string& from,
                      const std::string& digest) {
  const std::shared_lock lock(collecting_);
  return database_.write([&](store::Transaction& transaction) {
    const bool linked = from.empty()
                            ? is_linked_in_account(transaction, key.account, digest)
                            : find_blob(transaction, {key.account, from}, digest).has_value();
    const auto blob = find_stored_blob(transaction, digest);
    if (!linked || !blob) return false;
    put_blob(transaction, key, Blob{digest, blob->size, clock_.now()});
    return true;
  });
}

Garbage BlobStore::collect(base::Millis grace) {
  Garbage garbage;
  for (bool more = true; more;) {
    const std::unique_lock lock(collecting_);
    const std::vector<Blob> gone = database_.write([&](store::Transaction& transaction) {
      return forget_unreferenced(transaction, clock_.now() - grace, kBatch);
    });
    for (const Blob& blob : gone) {
      disk_.remove(path_of(blob.digest));
      ++garbage.blobs;
      garbage.bytes += blob.size;
    }
    more = gone.size() == kBatch;
  }
  sweep_files_without_row(grace, garbage);
  return garbage;
}

void BlobStore::sweep_files_without_row(base::Millis grace, Garbage& garbage) {
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string digest = "sha256:" + entry.path().filename().string();
    struct stat status {};
    if (!is_digest(digest) || ::stat(entry.path().c_str(), &status) != 0) continue;
    // The file's own time, for such a file has no other; it is the wall clock's.
    const base::Millis written = base::Millis{status.st_mtim.tv_sec} * 1000;
    if (clock_.now() - written < grace) continue;
    const std::unique_lock lock(collecting_);
    const bool stored =
        database_.read([&](store::Reader& reader) { return find_stored_blob(reader, digest); })
            .has_value();
    if (stored) continue;
    disk_.remove(entry.path());
    ++garbage.blobs;
    garbage.bytes += static_cast<std::uint64_t>(status.st_size);
  }
}

}  // namespace slipway::images
