#pragma once

// Traces: what jobs print, as files <directory>/traces/<job / 1000>/<job>.log, masked before they
// are written. Thread-safe.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ci/types.h"

namespace slipway::ci {

class Traces {
 public:
  // Called once for a job whose trace begins, or goes on after a restart. Nothing: the job does not
  // run, and what it was given is forgotten.
  using Secrets = std::function<std::optional<std::vector<std::string>>(Id job)>;

  Traces(std::filesystem::path directory, std::uint64_t limit, Secrets secrets);
  ~Traces();

  struct Appended {
    bool fits = true;    // else the offset was not the size, and nothing was stored
    bool ended = false;  // nothing was stored: the trace is finished, or its job has ended
    std::uint64_t size = 0;
  };
  // Beyond the limit bytes are counted and dropped.
  Appended append(Id job, std::uint64_t offset, std::string_view bytes);
  // More that must not show, of a job that was given it while it runs.
  void add_secrets(Id job, const std::vector<std::string>& secrets);

  // Whether everything has arrived. A checksum that differs clears the trace once, so that it is
  // sent again; the second time it is taken as it is.
  bool is_complete(Id job, const std::optional<std::string>& checksum,
                   const std::optional<std::uint64_t>& bytes);
  // Writes what is held back, durably; nothing is appended from now on. Returns the size.
  std::uint64_t finish(Id job);
  // The job has ended: no more is kept of its trace than the file.
  void forget(Id job);

  std::string read(Id job, std::uint64_t offset, std::uint64_t limit) const;
  void remove(Id job);

 private:
  struct Live;
  std::shared_ptr<Live> known(Id job);
  std::shared_ptr<Live> live(Id job);  // null where the job does not run
  std::filesystem::path path(Id job) const;

  const std::filesystem::path directory_;
  const std::uint64_t limit_;
  const Secrets secrets_;
  std::mutex mutex_;
  std::map<Id, std::shared_ptr<Live>> live_;  // guarded by mutex_
};

}  // namespace slipway::ci
