#pragma once

// The threads that try deliveries.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "notify/lanes.h"
#include "notify/types.h"
#include "store/database.h"

namespace slipway::notify {

struct DelivererOptions {
  int attempts = 20;
  std::chrono::milliseconds first_pause{1'000};
  std::size_t workers = 4;
  std::set<std::string> closed;  // lanes that cannot work, e.g. "mail" without a server
};

// A delivery is recorded as finished only after its attempt: one that a crash cut short is tried
// again under its old id. Thread-safe.
class Deliverer {
 public:
  // `attempt` sends; what it throws is a failure that may pass.
  Deliverer(store::Database& database, const base::Clock& clock,
            std::function<Outcome(const Delivery&)> attempt, DelivererOptions options);
  ~Deliverer();  // stop()
  void start();
  void stop();
  bool stopping() const;
  void wake();

  // Tries the delivery that has been due for longest; false where there is none. The threads do
  // nothing else.
  bool deliver_one();

 private:
  std::optional<Delivery> claim();
  void record(const Delivery& delivery, const Outcome& outcome);
  void run(std::size_t index);
  std::uint64_t woken() const;
  // Until something changed after woken() was `seen`, or is due.
  void wait(std::uint64_t seen);
  void keep_up();

  store::Database& database_;
  const base::Clock& clock_;
  const std::function<Outcome(const Delivery&)> attempt_;
  const DelivererOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Lanes lanes_;                       // guarded by mutex_
  std::set<std::string> under_way_;   // ids; guarded by mutex_
  std::uint64_t woken_ = 0;           // guarded by mutex_
  base::Millis next_upkeep_ = 0;      // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by the caller of start() and stop()
};

}  // namespace slipway::notify
