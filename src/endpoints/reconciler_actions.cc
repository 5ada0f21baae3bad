// What the Reconciler has done on its pools.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "endpoints/ping.h"
#include "endpoints/reconciler.h"

namespace slipway::endpoints {
namespace {

constexpr base::Millis kRetryAfterError = 1'000;

const Fleet* fleet_of(const Endpoint& endpoint, int generation) {
  if (endpoint.live && endpoint.live->generation == generation) return &*endpoint.live;
  if (endpoint.next && endpoint.next->generation == generation) return &*endpoint.next;
  for (const Fleet& fleet : endpoint.old) {
    if (fleet.generation == generation) return &fleet;
  }
  return nullptr;
}

const Replica* replica_of(const Fleet& fleet, int number) {
  for (const Replica& replica : fleet.replicas) {
    if (replica.number == number) return &replica;
  }
  return nullptr;
}

}  // namespace

bool Reconciler::submit(base::ThreadPool& pool, const std::string& id, std::function<void()> work,
                        std::function<void(Entry&, const std::string& error)> then) {
  return pool.submit([this, id, work = std::move(work), then = std::move(then)] {
    std::string error;
    try {
      work();
    } catch (const std::exception& thrown) {
      error = thrown.what();
      if (error.empty()) error = "unknown error";
    }
    const Lock lock(mutex_);
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return;
    then(entry->second, error);
    entry->second.look = woken_ = true;
    changed_.notify_all();
  });
}

void Reconciler::act(Entry& entry, const Action& action) {
  switch (action.type) {
    case ActionType::kPrepareFleet:
      return prepare(entry, action.generation);
    case ActionType::kStartReplica:
    case ActionType::kStopReplica:
    case ActionType::kRemoveReplica:
      return act_on_replica(entry, action);
    case ActionType::kRemoveFleet: {
      // Data that is being fetched goes when that has ended; see prepare().
      const auto data = entry.fleets.find(action.generation);
      if (data != entry.fleets.end() && data->second.data == FleetSeen::Data::kBusy) return;
      const std::string id = entry.endpoint.id;
      // Where the pool is full, the next start sweeps it.
      (void)actions_.submit(
          [this, id, generation = action.generation] { runtime_.remove_fleet(id, generation); });
      return;
    }
  }
}

void Reconciler::prepare(Entry& entry, int generation) {
  const Fleet* fleet = fleet_of(entry.endpoint, generation);
  if (!fleet) return;
  FleetEntry& data = entry.fleets[generation];
  if (data.data == FleetSeen::Data::kBusy) return;
  const std::string id = entry.endpoint.id;
  const std::string account = entry.endpoint.account;
  const bool taken = actions_.submit([this, id, account, fleet = *fleet] {
    std::string error;
    try {
      runtime_.prepare(account, id, fleet);
    } catch (const std::exception& thrown) {
      error = thrown.what();
    }
    Lock lock(mutex_);
    const auto found = entries_.find(id);
    const bool wanted =
        found != entries_.end() && fleet_of(found->second.endpoint, fleet.generation);
    if (!wanted) {
      lock.unlock();
      runtime_.remove_fleet(id, fleet.generation);
      return;
    }
    FleetEntry& done = found->second.fleets[fleet.generation];
    done.data = error.empty() ? FleetSeen::Data::kReady : FleetSeen::Data::kFailed;
    done.error = error;
    done.retry_at = clock_.now() + options_.retry_failed;
    if (!error.empty()) {
      log(Level::kWarning, "a fleet's model data or image could not be fetched",
          {{"endpoint", found->second.endpoint.name}, {"error", error}});
    }
    found->second.look = woken_ = true;
    changed_.notify_all();
  });
  if (taken) {
    data.data = FleetSeen::Data::kBusy;
  } else {
    entry.look_at = clock_.now() + kRetryAfterError;
  }
}

void Reconciler::act_on_replica(Entry& entry, const Action& action) {
  const Fleet* fleet = fleet_of(entry.endpoint, action.generation);
  const Replica* replica = fleet ? replica_of(*fleet, action.replica) : nullptr;
  if (!replica) return;
  ReplicaEntry& known = entry.replicas[action.replica];
  if (known.busy) return;
  if (clock_.now() < known.retry_at) {
    entry.look_at = entry.look_at == 0 ? known.retry_at : std::min(entry.look_at, known.retry_at);
    return;
  }
  const ReplicaPlace place = place_of(entry, *fleet, *replica);
  std::function<void()> work;
  if (action.type == ActionType::kStartReplica) {
    work = [this, place] { runtime_.start(place); };
  } else if (action.type == ActionType::kRemoveReplica) {
    work = [this, place] { runtime_.remove(place.replica); };
  } else {
    if (std::exchange(known.stop_sent, true)) return;  // its end will be reported
    work = [this, place] { runtime_.stop(place.replica); };
  }
  const bool starts = action.type == ActionType::kStartReplica;
  const bool stops = action.type == ActionType::kStopReplica;
  known.busy = submit(
      actions_, entry.endpoint.id, std::move(work),
      [this, starts, stops, number = action.replica](Entry& after, const std::string& error) {
        ReplicaEntry& done = after.replicas[number];
        done.busy = false;
        if (starts) done.next_ping = clock_.now();
        if (error.empty()) return;
        done.retry_at = clock_.now() + kRetryAfterError;
        if (starts) {
          done.start_failed = true;
          done.end = "its container could not be started: " + error;
        }
        if (stops) done.stop_sent = false;
        log(Level::kWarning, "an action on a replica failed",
            {{"endpoint", after.endpoint.name},
             {"replica", replica_id(after.endpoint, number)},
             {"error", error}});
      });
  if (!known.busy) {
    if (stops) known.stop_sent = false;
    entry.look_at = clock_.now() + kRetryAfterError;
  }
}

void Reconciler::learn_end(Entry& entry, const Fleet& fleet, const Replica& replica) {
  const ReplicaPlace place = place_of(entry, fleet, replica);
  auto end = std::make_shared<ReplicaEnd>();
  ReplicaEntry& known = entry.replicas[replica.number];
  known.busy = submit(
      actions_, entry.endpoint.id, [this, place, end] { *end = runtime_.end_of(place); },
      [number = replica.number, end](Entry& after, const std::string& error) {
        ReplicaEntry& done = after.replicas[number];
        done.busy = false;
        done.end_known = true;
        done.end = error.empty() ? end->how : "its container ended; why is not known: " + error;
        done.last_lines = end->last_lines;
      });
}

void Reconciler::ping_due(Entry& entry, base::Millis now) {
  const Endpoint& endpoint = entry.endpoint;
  const auto look = [&](const Fleet& fleet) {
    for (const Replica& replica : fleet.replicas) {
      const bool starting = replica.phase == ReplicaPhase::kStarting;
      if (!starting && replica.phase != ReplicaPhase::kReady) continue;
      ReplicaEntry& known = entry.replicas[replica.number];
      if (known.busy || known.ping_runs || now < known.next_ping) continue;
      start_ping(entry, replica.number, starting ? options_.ping_starting : options_.ping_ready);
    }
  };
  if (endpoint.live) look(*endpoint.live);
  if (endpoint.next) look(*endpoint.next);
}

void Reconciler::start_ping(Entry& entry, int number, base::Millis pause) {
  auto good = std::make_shared<bool>(false);
  const std::string replica = replica_id(entry.endpoint, number);
  ReplicaEntry& known = entry.replicas[number];
  known.next_ping = clock_.now() + pause;
  known.ping_runs = submit(
      pings_, entry.endpoint.id,
      [this, good, replica] { *good = ping(runtime_, replica, options_.ping_timeout); },
      [this, number, good, pause](Entry& after, const std::string&) {
        const auto found = after.replicas.find(number);
        if (found == after.replicas.end()) return;
        ReplicaEntry& done = found->second;
        done.ping_runs = false;
        done.next_ping = clock_.now() + pause;
        // The first good one makes it routable, also one found after a restart.
        if (*good && !done.answered) routes_changed_ = true;
        done.pinged = true;
        done.answering = *good;
        done.answered = done.answered || *good;
        done.bad_pings = *good ? 0 : done.bad_pings + 1;
      });
}

}  // namespace slipway::endpoints
