#pragma once

// Events: how a room tells others that something happened without knowing them.
//
// An event is written in the transaction that made it true. Each consumer has a
// durable position; it is given every event in order, at least once, and goes on to
// the next only after its handler has returned.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "store/database.h"

namespace slipway::store {

struct Event {
  std::int64_t sequence = 0;  // given by append()
  base::Millis at = 0;
  std::string account;
  std::string type;     // "TrainingJob.Completed", "ModelPackage.Approved", …
  std::string subject;  // ARN
  Json detail;
};

void migrate_outbox(Database& database);
void append(Transaction& transaction, const Event& event);
// Up to `limit` events after `sequence`, in order.
std::vector<Event> events_after(Reader& reader, std::int64_t sequence, int limit);

// Delivers events to consumers on a thread of its own. Thread-safe.
class EventPump {
 public:
  explicit EventPump(Database& database);
  ~EventPump();  // stop()

  // Before start(). `name` keeps the consumer's position across restarts; a new name
  // starts with the next event. A handler that throws is tried again, with growing
  // pauses up to a minute, and after `attempts` the event is logged and passed over.
  void consume(const std::string& name, std::function<void(const Event&)> handler,
               int attempts = 10);
  void start();
  void stop();
  // New events wait. append() arranges for this by itself.
  void wake();

 private:
  struct Consumer;
  void run();

  Database& database_;
  std::vector<std::unique_ptr<Consumer>> consumers_;  // constant after start()
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::store
