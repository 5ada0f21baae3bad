#pragma once

// Makes every endpoint what its record says: one thread asks decide() whenever something
// happened or a time has come, records the decision, then has the actions done on a small
// pool; pings run on another.
//
// All that is not recorded (what was last seen of replicas, which action is under way) lives in
// Entry and is found out again after a restart. One mutex guards all entries; it is held while a
// change of a record is written, so a record has one writer at a time.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/thread_pool.h"
#include "endpoints/decide.h"
#include "endpoints/gateway.h"
#include "endpoints/runtime.h"
#include "endpoints/types.h"
#include "store/database.h"

namespace slipway::endpoints {

struct ReconcilerOptions {
  DecideLimits limits;
  std::size_t action_threads = 4;
  std::size_t ping_threads = 4;
  std::chrono::milliseconds ping_timeout{2'000};
  base::Millis ping_starting = 200;    // pause between pings of a replica that starts
  base::Millis ping_ready = 5'000;     // of one that serves
  base::Millis retry_failed = 10'000;  // before data that could not be fetched is tried again
  // Whether one of the alarms is in ALARM; asked while a deployment that names some is under way.
  std::function<bool(const std::string& account, const std::vector<std::string>& alarms)> alarm;
  std::function<void()> events_written;  // wakes the event pump; must not block
};

// Thread-safe.
class Reconciler {
 public:
  Reconciler(store::Database& database, const base::Clock& clock, ReplicaRuntime& runtime,
             Gateway& gateway, ReconcilerOptions options);
  ~Reconciler();

  // Takes up what is recorded and goes on with it. Once stopped it stays so.
  void start();
  void stop();

  // Records a new endpoint and starts on it. Throws what `check` throws, and
  // Error{ValidationException} where the name is taken.
  void create(const Endpoint& endpoint, const std::map<std::string, std::string>& tags);
  // Changes an endpoint; nothing is changed where `change` throws. Throws
  // Error{ValidationException} "Could not find endpoint …".
  void change(const std::string& account, const std::string& arn, const std::string& name,
              const std::string& event, const std::function<void(Endpoint&)>& change);

 private:
  struct ReplicaEntry {
    bool busy = false;
    bool stop_sent = false;
    bool end_known = false;
    bool start_failed = false;
    std::string end;
    std::string last_lines;
    base::Millis retry_at = 0;  // after an action that failed
    bool pinged = false;        // by this process
    bool ping_runs = false;
    bool answering = false;  // the last ping was good
    bool answered = false;   // one was
    int bad_pings = 0;
    base::Millis next_ping = 0;
    std::shared_ptr<ReplicaRoute> route;
    std::uint64_t gone_from = 0;  // the first table without it; 0: it is in the current one
  };
  struct FleetEntry {
    FleetSeen::Data data = FleetSeen::Data::kNone;
    std::string error;
    base::Millis retry_at = 0;
  };
  struct Entry {
    Endpoint endpoint;
    std::int64_t version = 0;
    std::map<int, ReplicaEntry> replicas;  // by number
    std::map<int, FleetEntry> fleets;      // by generation
    bool look = true;                      // at once
    base::Millis look_at = 0;              // 0: when something happens
  };
  using Lock = std::unique_lock<std::mutex>;

  void run();
  // All below: mutex_ is held.
  void step(Entry& entry, base::Millis now);
  Observations observe(Entry& entry, base::Millis now);
  void observe_fleet(Entry& entry, const Fleet& fleet, base::Millis now, Observations& seen);
  ReplicaSeen observe_replica(Entry& entry, const Fleet& fleet, const Replica& replica);
  void record(Entry& entry, const Decision& decision);
  void act(Entry& entry, const Action& action);
  void act_on_replica(Entry& entry, const Action& action);
  void prepare(Entry& entry, int generation);
  void learn_end(Entry& entry, const Fleet& fleet, const Replica& replica);
  void forget_strangers(Entry& entry);
  void ping_due(Entry& entry, base::Millis now);
  void start_ping(Entry& entry, int number, base::Millis pause);
  void publish_routes();
  void add_route(RouteTable& table, Entry& entry);
  void add_variants(EndpointRoute& route, Entry& entry, const Fleet& fleet, double share);
  base::Millis next_look(base::Millis now) const;
  void resume();
  // Runs `work` on the pool and `then` with the lock held; what `work` throws is passed on as text.
  bool submit(base::ThreadPool& pool, const std::string& id, std::function<void()> work,
              std::function<void(Entry&, const std::string& error)> then);
  ReplicaPlace place_of(const Entry& entry, const Fleet& fleet, const Replica& replica) const;

  store::Database& database_;
  const base::Clock& clock_;
  ReplicaRuntime& runtime_;
  Gateway& gateway_;
  const ReconcilerOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;  // by endpoint id; guarded by mutex_
  bool routes_changed_ = false;           // guarded by mutex_
  std::uint64_t published_ = 0;           // the newest table's version; guarded by mutex_
  bool woken_ = false;                    // guarded by mutex_
  bool stopping_ = false;                 // guarded by mutex_
  bool started_ = false;                  // guarded by mutex_
  // The runtime calls back from threads of its own, perhaps with a lock held and after this
  // object's end: so it only leaves a task.
  std::shared_ptr<base::Guarded<base::ThreadPool*>> signal_;
  base::ThreadPool actions_;
  base::ThreadPool pings_;
  std::thread thread_;
};

}  // namespace slipway::endpoints
