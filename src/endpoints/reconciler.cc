#include "endpoints/reconciler.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "endpoints/record.h"
#include "store/outbox.h"
#include "store/resources.h"

namespace slipway::endpoints {
namespace {

constexpr base::Millis kRetryAfterError = 1'000;

template <class Visit>
void for_each_fleet(const Endpoint& endpoint, Visit visit) {
  if (endpoint.live) visit(*endpoint.live);
  if (endpoint.next) visit(*endpoint.next);
  for (const Fleet& fleet : endpoint.old) visit(fleet);
}

store::Event event_of(const Endpoint& endpoint, std::string type, base::Millis now) {
  store::Event event;
  event.at = now;
  event.account = endpoint.account;
  event.type = std::move(type);
  event.subject = endpoint.arn;
  event.detail = {{"EndpointName", endpoint.name},
                  {"EndpointArn", endpoint.arn},
                  {"EndpointStatus", text_of(endpoint.status)},
                  {"EndpointConfigName", endpoint.config}};
  if (!endpoint.failure_reason.empty()) event.detail["FailureReason"] = endpoint.failure_reason;
  return event;
}

}  // namespace

Reconciler::Reconciler(store::Database& database, const base::Clock& clock, ReplicaRuntime& runtime,
                       Gateway& gateway, ReconcilerOptions options)
    : database_(database),
      clock_(clock),
      runtime_(runtime),
      gateway_(gateway),
      options_(std::move(options)),
      signal_(std::make_shared<base::Guarded<base::ThreadPool*>>(&actions_)),
      actions_({.name = "ep-action", .threads = options_.action_threads, .queue = 4096}),
      pings_({.name = "ep-ping", .threads = options_.ping_threads, .queue = 4096}) {
  runtime_.on_end([this, signal = signal_](const std::string& replica) {
    auto pool = signal->lock();
    if (!*pool) return;
    // Where the queue is full, the next ping shows that it has ended.
    (void)(*pool)->submit([this, replica] {
      const Lock lock(mutex_);
      // "ep-<endpoint id>-<number>"
      const auto entry = entries_.find(replica.substr(3, replica.rfind('-') - 3));
      if (entry == entries_.end()) return;
      entry->second.look = woken_ = true;
      changed_.notify_all();
    });
  });
}

Reconciler::~Reconciler() {
  *signal_->lock() = nullptr;
  stop();
}

void Reconciler::start() {
  const Lock lock(mutex_);
  if (started_ || stopping_) return;
  resume();
  started_ = true;
  thread_ = std::thread([this] { run(); });
}

void Reconciler::stop() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  actions_.stop();
  pings_.stop();
}

void Reconciler::resume() {
  const auto resources = database_.read([](store::Reader& reader) {
    return store::with_status(reader, kEndpointKind,
                              {"Creating", "InService", "Updating", "Deleting", "Failed"});
  });
  std::set<std::string> replicas;
  std::set<std::pair<std::string, int>> fleets;
  for (const store::Resource& resource : resources) {
    Entry entry;
    entry.endpoint = endpoint_of(resource);
    entry.version = resource.version;
    for_each_fleet(entry.endpoint, [&](const Fleet& fleet) {
      fleets.emplace(entry.endpoint.id, fleet.generation);
      for (const Replica& replica : fleet.replicas) {
        const ReplicaPlace place = place_of(entry, fleet, replica);
        replicas.insert(place.replica);
        if (runtime_.seen(place.replica) != Seen::kAbsent) runtime_.follow(place);
      }
    });
    const std::string id = entry.endpoint.id;
    entries_[id] = std::move(entry);
  }
  runtime_.sweep(replicas, fleets);
  routes_changed_ = true;
}

void Reconciler::create(const Endpoint& endpoint, const std::map<std::string, std::string>& tags) {
  const Lock lock(mutex_);
  database_.write([&](store::Transaction& transaction) {
    if (store::find(transaction, endpoint.account, kEndpointKind, endpoint.name)) {
      throw Error("ValidationException",
                  "Cannot create already existing endpoint \"" + endpoint.arn + "\".");
    }
    store::create(transaction, resource_of(endpoint, 1));
    store::set_tags(transaction, endpoint.arn, tags);
    store::append(transaction, event_of(endpoint, "Endpoint.Creating", clock_.now()));
    if (options_.events_written) transaction.after_commit(options_.events_written);
  });
  Entry entry;
  entry.endpoint = endpoint;
  entry.version = 1;
  entries_[endpoint.id] = std::move(entry);
  routes_changed_ = woken_ = true;
  changed_.notify_all();
}

void Reconciler::change(const std::string& account, const std::string& arn, const std::string& name,
                        const std::string& event, const std::function<void(Endpoint&)>& change) {
  const Lock lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& candidate) {
    return candidate.second.endpoint.account == account && candidate.second.endpoint.name == name;
  });
  if (found == entries_.end()) {
    throw Error("ValidationException", "Could not find endpoint \"" + arn + "\".");
  }
  Entry& entry = found->second;
  Decision decision;
  decision.endpoint = entry.endpoint;
  change(decision.endpoint);
  if (!event.empty()) decision.events.push_back(event);
  record(entry, decision);
  entry.endpoint = std::move(decision.endpoint);
  entry.look = routes_changed_ = woken_ = true;
  changed_.notify_all();
}

void Reconciler::record(Entry& entry, const Decision& decision) {
  const Endpoint& endpoint = decision.endpoint;
  entry.version = database_.write([&](store::Transaction& transaction) {
    std::int64_t version = entry.version;
    if (decision.gone) {
      store::remove(transaction, endpoint.account, kEndpointKind, endpoint.name);
      store::remove_all_tags(transaction, endpoint.arn);
    } else {
      store::Resource resource = resource_of(endpoint, version);
      store::update(transaction, resource);
      version = resource.version;
    }
    const base::Millis now = clock_.now();
    for (const std::string& event : decision.events) {
      store::append(transaction, event_of(endpoint, event, now));
    }
    if (!decision.events.empty() && options_.events_written) {
      transaction.after_commit(options_.events_written);
    }
    return version;
  });
}

void Reconciler::run() {
  Lock lock(mutex_);
  while (!stopping_) {
    const base::Millis now = clock_.now();
    woken_ = false;
    // step() may take its entry away.
    for (auto next = entries_.begin(); next != entries_.end();) {
      Entry& entry = (next++)->second;
      const bool due = entry.look || (entry.look_at != 0 && now >= entry.look_at);
      ping_due(entry, now);
      if (!due) continue;
      const std::string name = entry.endpoint.name;
      try {
        step(entry, now);
      } catch (const std::exception& error) {
        log(Level::kError, "an endpoint's next step could not be taken and is tried again",
            {{"endpoint", name}, {"error", error.what()}});
        entry.look_at = now + kRetryAfterError;
      }
    }
    if (std::exchange(routes_changed_, false)) publish_routes();
    const base::Millis pause = next_look(now) - clock_.now();
    if (pause > 0) {
      changed_.wait_for(lock, std::chrono::milliseconds(pause),
                        [this] { return woken_ || stopping_; });
    }
  }
}

void Reconciler::step(Entry& entry, base::Millis now) {
  entry.look = false;
  entry.look_at = 0;
  const Observations seen = observe(entry, now);
  Decision decision = decide(entry.endpoint, seen, options_.limits, now);
  if (decision.changed || decision.gone) {
    record(entry, decision);
    routes_changed_ = true;
    entry.look = true;  // what was decided may have further consequences
  }
  entry.endpoint = std::move(decision.endpoint);
  entry.look_at = decision.look_again;
  for (const auto& [generation, data] : entry.fleets) {
    if (data.data != FleetSeen::Data::kFailed) continue;
    entry.look_at = entry.look_at == 0 ? data.retry_at : std::min(entry.look_at, data.retry_at);
  }
  for (const Action& action : decision.actions) act(entry, action);
  forget_strangers(entry);
  if (!decision.gone) return;
  gateway_.forget(entry.endpoint.account, entry.endpoint.name);
  const std::string id = entry.endpoint.id;
  entries_.erase(id);
}

void Reconciler::forget_strangers(Entry& entry) {
  std::set<int> replicas;
  std::set<int> fleets;
  for_each_fleet(entry.endpoint, [&](const Fleet& fleet) {
    fleets.insert(fleet.generation);
    for (const Replica& replica : fleet.replicas) replicas.insert(replica.number);
  });
  std::erase_if(entry.replicas, [&](const auto& known) { return !replicas.contains(known.first); });
  std::erase_if(entry.fleets, [&](const auto& known) { return !fleets.contains(known.first); });
}

Observations Reconciler::observe(Entry& entry, base::Millis now) {
  Observations seen;
  for_each_fleet(entry.endpoint,
                 [&](const Fleet& fleet) { observe_fleet(entry, fleet, now, seen); });
  seen.routed = !routes_changed_ && gateway_.applied() >= published_;
  const auto& deployment = entry.endpoint.deployment;
  if (deployment && !deployment->policy.alarms.empty() && options_.alarm) {
    seen.alarm = options_.alarm(entry.endpoint.account, deployment->policy.alarms);
  }
  return seen;
}

void Reconciler::observe_fleet(Entry& entry, const Fleet& fleet, base::Millis now,
                               Observations& seen) {
  FleetEntry& data = entry.fleets[fleet.generation];
  if (data.data == FleetSeen::Data::kFailed && data.retry_at != 0 && now >= data.retry_at) {
    data = {};
  }
  seen.fleets[fleet.generation] = {data.data, data.error};
  for (const Replica& replica : fleet.replicas) {
    seen.replicas[replica.number] = observe_replica(entry, fleet, replica);
  }
}

ReplicaSeen Reconciler::observe_replica(Entry& entry, const Fleet& fleet, const Replica& replica) {
  ReplicaEntry& known = entry.replicas[replica.number];
  ReplicaSeen seen;
  seen.in_flight = known.route ? known.route->in_flight.load(std::memory_order_acquire) : 0;
  seen.routable = known.route && (known.gone_from == 0 || gateway_.applied() < known.gone_from);
  if (known.busy) return seen;
  seen.container = runtime_.seen(replica_id(entry.endpoint, replica.number));
  const bool up = replica.phase == ReplicaPhase::kStarting || replica.phase == ReplicaPhase::kReady;
  if (up && seen.container == Seen::kExited && !known.end_known) {
    learn_end(entry, fleet, replica);
    seen.container = Seen::kBusy;
  }
  // Found again after a restart: nothing is known of it before its first ping.
  if (up && seen.container == Seen::kRunning && !known.pinged) seen.container = Seen::kBusy;
  seen.end = known.end;
  seen.last_lines = known.last_lines;
  seen.start_failed = known.start_failed;
  seen.answering = known.answering;
  seen.bad_pings = known.bad_pings;
  return seen;
}

ReplicaPlace Reconciler::place_of(const Entry& entry, const Fleet& fleet,
                                  const Replica& replica) const {
  ReplicaPlace place;
  place.account = entry.endpoint.account;
  place.endpoint = entry.endpoint.name;
  place.endpoint_id = entry.endpoint.id;
  place.generation = fleet.generation;
  place.replica = replica_id(entry.endpoint, replica.number);
  for (const Variant& variant : fleet.variants) {
    if (variant.name == replica.variant) place.variant = variant;
  }
  return place;
}

base::Millis Reconciler::next_look(base::Millis now) const {
  base::Millis next = now + 60'000;
  for (const auto& [id, entry] : entries_) {
    if (entry.look) return now;
    if (entry.look_at != 0) next = std::min(next, entry.look_at);
    for_each_fleet(entry.endpoint, [&](const Fleet& fleet) {
      for (const Replica& replica : fleet.replicas) {
        const auto known = entry.replicas.find(replica.number);
        if (known == entry.replicas.end() || known->second.ping_runs) continue;
        const bool pinged =
            replica.phase == ReplicaPhase::kStarting || replica.phase == ReplicaPhase::kReady;
        if (pinged && !known->second.busy && known->second.next_ping != 0) {
          next = std::min(next, known->second.next_ping);
        }
      }
    });
  }
  return next;
}

void Reconciler::publish_routes() {
  auto table = std::make_shared<RouteTable>();
  for (auto& [id, entry] : entries_) add_route(*table, entry);
  const std::uint64_t version = published_ = gateway_.publish(table);
  std::set<const ReplicaRoute*> routed;
  for (const auto& [key, endpoint] : table->endpoints) {
    for (const VariantRoute& variant : endpoint.variants) {
      for (const auto& replica : variant.replicas) routed.insert(replica.get());
    }
  }
  for (auto& [id, entry] : entries_) {
    for (auto& [number, known] : entry.replicas) {
      if (!known.route) continue;
      if (routed.contains(known.route.get())) {
        known.gone_from = 0;
      } else if (known.gone_from == 0) {
        known.gone_from = version;
      }
    }
  }
}

void Reconciler::add_route(RouteTable& table, Entry& entry) {
  const Endpoint& endpoint = entry.endpoint;
  EndpointRoute route;
  route.name = endpoint.name;
  route.account = endpoint.account;
  route.status = text_of(endpoint.status);
  const Shares shares = shares_of(endpoint);
  route.in_service = endpoint.live || shares.next > 0;
  if (endpoint.live) add_variants(route, entry, *endpoint.live, shares.live);
  if (endpoint.next && shares.next > 0) add_variants(route, entry, *endpoint.next, shares.next);
  table.endpoints.emplace(endpoint.account + "/" + endpoint.name, std::move(route));
}

void Reconciler::add_variants(EndpointRoute& route, Entry& entry, const Fleet& fleet,
                              double share) {
  double total = 0;
  for (const Variant& variant : fleet.variants) total += variant.current_weight;
  for (const Variant& variant : fleet.variants) {
    VariantRoute& made = route.variants.emplace_back();
    made.name = variant.name;
    made.weight = total > 0 ? share * variant.current_weight / total
                            : share / static_cast<double>(fleet.variants.size());
    for (const Replica& replica : fleet.replicas) {
      if (replica.variant != variant.name || replica.phase != ReplicaPhase::kReady) continue;
      ReplicaEntry& known = entry.replicas[replica.number];
      if (!known.answered) continue;
      if (!known.route) {
        known.route = gateway_.make_replica(replica_id(entry.endpoint, replica.number),
                                            route.account, route.name, variant.name);
      }
      made.replicas.push_back(known.route);
    }
  }
}

}  // namespace slipway::endpoints
