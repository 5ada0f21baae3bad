#pragma once

// Blob uploads that take several requests.
//
// An upload is a file, <data>/uploads/<hash of account and repository>/<id>; what has arrived
// is its length. So a client finds it again after a restart of the server, and no request
// waits for the database. It ends by being taken away by rename, by discard(), or by not being
// written to for the expiry.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "images/store.h"
#include "net/http.h"

namespace slipway::images {

// Thread-safe.
class Uploads {
 private:
  struct Entry;

 public:
  Uploads(const base::Clock& clock, std::filesystem::path directory, base::Millis expiry);

  // One upload, for one thread at a time: others wait for the session's end.
  class Session {
   public:
    std::uint64_t received() const noexcept { return received_; }
    const std::filesystem::path& path() const noexcept { return path_; }
    // Takes the whole file of a body by rename where it is the first piece. On an error the
    // upload is as before. Throws Error{SIZE_INVALID, 413} beyond kBlobLimit.
    void append(const net::Body& body);
    // "sha256:…" of all that was received; known already after a single piece.
    std::string digest() const;
    // Ends the upload and removes its file where it still is.
    void discard();

   private:
    friend class Uploads;
    Session(Uploads& uploads, std::string id, std::filesystem::path path,
            std::shared_ptr<Entry> entry);
    Uploads& uploads_;
    std::string id_;
    std::filesystem::path path_;
    std::shared_ptr<Entry> entry_;
    std::unique_lock<std::mutex> lock_;
    std::uint64_t received_ = 0;
  };

  // Returns the new upload's id. Throws Error{TOOMANYREQUESTS, 429} where 10,000 are open.
  std::string start(const RepositoryKey& key);
  // Nothing where the repository has no such upload.
  std::optional<Session> open(const RepositoryKey& key, const std::string& id);
  // Removes what was not written to for the expiry.
  void expire();

 private:
  std::filesystem::path path_of(const RepositoryKey& key, const std::string& id) const;
  void forget(const std::string& id);

  const base::Clock& clock_;
  const std::filesystem::path directory_;
  const base::Millis expiry_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;  // by id; guarded by mutex_
};

}  // namespace slipway::images
