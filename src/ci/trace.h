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
  // Called once for a job whose trace begins, or goes on after a restart.
  using Secrets = std::function<std::vector<std::string>(Id job)>;

  Traces(std::filesystem::path directory, std::uint64_t limit, Secrets secrets);
  ~Traces();

  struct Appended {
    bool fits = true;  // else the offset was not the size, and nothing was stored
    std::uint64_t size = 0;
  };
  // Beyond the limit bytes are counted and dropped.
  Appended append(Id job, std::uint64_t offset, std::string_view bytes);
  std::uint64_t size(Id job);

  // Whether everything has arrived. A checksum that differs clears the trace once, so that it is
  // sent again; the second time it is taken as it is.
  bool is_complete(Id job, const std::optional<std::string>& checksum,
                   const std::optional<std::uint64_t>& bytes);
  // Writes what is held back, durably. Returns the size.
  std::uint64_t finish(Id job);

  std::string read(Id job, std::uint64_t offset, std::uint64_t limit) const;
  void remove(Id job);

 private:
  struct Live;
  std::shared_ptr<Live> live(Id job);
  std::filesystem::path path(Id job) const;

  const std::filesystem::path directory_;
  const std::uint64_t limit_;
  const Secrets secrets_;
  std::mutex mutex_;
  std::map<Id, std::shared_ptr<Live>> live_;  // guarded by mutex_
};

}  // namespace slipway::ci
