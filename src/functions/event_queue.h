#pragma once

// Asynchronous invocations: durable before they are acknowledged, carried out at least once.
//
//   waiting ──due──▶ running ──succeeds──▶ gone
//      ▲               ├── fails, attempts are left; finds no container ──▶ waiting
//      └───────────────┘── fails for the last time, or the function is gone ──▶ dropped, logged
//
// The number of attempts is stored before each one: an event that ends the server with it
// is not tried for ever.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "functions/store.h"

namespace slipway::functions {

struct EventQueueOptions {
  std::size_t running = 8;  // at a time; each takes a thread
  std::size_t waiting = 10'000;
  // Before the second attempt, the third, …; after the last one an event is dropped.
  std::vector<std::chrono::milliseconds> pauses{std::chrono::minutes(1), std::chrono::minutes(2)};
};

// Thread-safe.
class EventQueue {
 public:
  // `run` carries one out; what it throws is an Error of the service's.
  using Run = std::function<Outcome(const QueuedEvent&)>;
  EventQueue(FunctionStore& store, const base::Clock& clock, Run run, EventQueueOptions options);
  ~EventQueue();  // stop()
  void start();
  // What runs is to be ended by others first; it is then carried on with after the next start.
  void stop();

  // Returns once it is durable. Throws Error{TooManyRequestsException, 429}.
  void add(const QueuedEvent& event);

 private:
  void dispatch();
  bool take(const QueuedEvent& event);
  void carry_out(const QueuedEvent& event);
  void attempt(QueuedEvent event);
  void settle(const QueuedEvent& event, const Outcome& outcome);
  void throttled(const QueuedEvent& event);
  void drop(const QueuedEvent& event, const std::string& reason);

  FunctionStore& store_;
  const base::Clock& clock_;
  const Run run_;
  const EventQueueOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;             // guarded by mutex_
  bool running_ = false;           // guarded by mutex_
  std::set<std::string> in_hand_;  // guarded by mutex_
  std::unique_ptr<base::ThreadPool> workers_;
  std::thread thread_;
};

}  // namespace slipway::functions
