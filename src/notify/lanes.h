#pragma once

// Destinations side by side: one that is down or slow keeps its own deliveries waiting, and at most
// one worker at a time finds out whether it is back.

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"

namespace slipway::notify {

// Not thread-safe: its owner's mutex guards it.
class Lanes {
 public:
  // At most `at_once` deliveries of a healthy lane; `closed` lanes are never open.
  Lanes(std::size_t at_once, std::chrono::milliseconds first_pause, std::set<std::string> closed);

  void begin(const std::string& lane);
  // The attempt has ended. True where the lane works again after it had failed.
  bool end(const std::string& lane, bool reached, base::Millis now);
  // Those from which nothing may be begun now.
  std::vector<std::string> blocked(base::Millis now) const;
  // When the next pause ends.
  std::optional<base::Millis> next(base::Millis now) const;

 private:
  struct Lane {
    std::size_t running = 0;
    int failures = 0;  // in a row
    base::Millis not_before = 0;
  };
  std::size_t at_once_;
  std::chrono::milliseconds first_pause_;
  std::set<std::string> closed_;
  std::map<std::string, Lane> lanes_;  // those in use or failing
};

}  // namespace slipway::notify
