#include "endpoints/decide.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace slipway::endpoints {
namespace {

using base::Millis;

constexpr std::size_t kReasonBytes = 1024;  // FailureReason's limit in the service model

bool counts(const Replica& replica) {
  return replica.phase == ReplicaPhase::kPending || replica.phase == ReplicaPhase::kStarting ||
         replica.phase == ReplicaPhase::kReady;
}

// The first restart follows at once; the pauses double from the second on.
Millis backoff(int failures, const DecideLimits& limits) {
  if (failures <= 1) return 0;
  Millis pause = limits.backoff_first;
  for (int i = 2; i < failures && pause < limits.backoff_most; ++i) pause *= 2;
  return std::min(pause, limits.backoff_most);
}

class Decider {
 public:
  Decider(Endpoint endpoint, const Observations& seen, const DecideLimits& limits, Millis now)
      : seen_(seen), limits_(limits), now_(now) {
    decision_.endpoint = std::move(endpoint);
  }

  Decision run() {
    if (endpoint_.live) supervise(*endpoint_.live, endpoint_.scaling ? On::kScaling : On::kLive);
    if (endpoint_.scaling) step_scaling();
    failure_.clear();
    if (endpoint_.next) {
      supervise(*endpoint_.next, On::kNext);
      step_deployment();
    }
    retire_old();
    if (endpoint_.status == Status::kDeleting && !endpoint_.live && !endpoint_.next &&
        endpoint_.old.empty()) {
      decision_.gone = true;
      announce("Endpoint.Deleted");
    }
    return std::move(decision_);
  }

 private:
  // What a replica that does not start means for the fleet.
  enum class On { kLive, kScaling, kNext };

  const ReplicaSeen& seen_of(const Replica& replica) const {
    static const ReplicaSeen kUnknown;
    const auto found = seen_.replicas.find(replica.number);
    return found == seen_.replicas.end() ? kUnknown : found->second;
  }

  const FleetSeen& seen_of(const Fleet& fleet) const {
    static const FleetSeen kUnknown;
    const auto found = seen_.fleets.find(fleet.generation);
    return found == seen_.fleets.end() ? kUnknown : found->second;
  }

  void move(Replica& replica, ReplicaPhase phase) {
    replica.phase = phase;
    replica.since = now_;
    decision_.changed = true;
  }

  void act(ActionType type, const Fleet& fleet, int replica = 0) {
    decision_.actions.push_back({type, fleet.generation, replica});
  }

  void announce(std::string event) {
    decision_.events.push_back(std::move(event));
    decision_.changed = true;
  }

  void look_at(Millis at) {
    at = std::max(at, now_ + 1);
    if (decision_.look_again == 0 || at < decision_.look_again) decision_.look_again = at;
  }

  void settle(Status status, std::string reason, std::string event) {
    endpoint_.status = status;
    endpoint_.failure_reason = std::move(reason);
    endpoint_.modified = now_;
    announce(std::move(event));
  }

  std::string reason(const Replica& replica, std::string_view what) const {
    const std::string id = replica_id(endpoint_, replica.number);
    std::string text = "The primary container for production variant " + replica.variant +
                       " did not pass the ping health check: " + std::string(what) +
                       ". Show its log with: aws logs tail /aws/sagemaker/Endpoints/" +
                       endpoint_.name + " --since 1d --log-stream-names " + replica.variant + "/" +
                       id;
    const std::string& lines = seen_of(replica).last_lines;
    if (!lines.empty()) text += " Its last lines: " + lines;
    return std::string(base::utf8_prefix(text, kReasonBytes));
  }

  Replica& add(Fleet& fleet, const std::string& variant, int failures) {
    Replica replica;
    replica.number = endpoint_.next_replica++;
    replica.variant = variant;
    replica.since = now_;
    replica.failures = failures;
    replica.not_before = now_ + backoff(failures, limits_);
    decision_.changed = true;
    return fleet.replicas.emplace_back(std::move(replica));
  }

  void fail(const std::string& text) {
    if (failure_.empty()) failure_ = text;
  }

  enum class Retry { kYes, kNo };

  // Stops the replica at `index` and has another take its place, or gives the fleet up.
  void lose(Fleet& fleet, std::size_t index, On on, Retry retry, std::string_view what) {
    Replica& replica = fleet.replicas[index];
    const bool was_ready = replica.phase == ReplicaPhase::kReady;
    const bool stable = was_ready && now_ - replica.since >= limits_.stable_after;
    const int failures = (stable ? 0 : replica.failures) + 1;
    const bool gives_up = (on == On::kNext || (on == On::kScaling && !was_ready)) &&
                          (retry == Retry::kNo || failures >= limits_.start_attempts);
    if (gives_up) fail(reason(replica, what));
    move(replica, ReplicaPhase::kStopping);
    const std::string variant = replica.variant;  // add() may move the replicas
    if (!gives_up) add(fleet, variant, failures);
  }

  void start(Fleet& fleet, Replica& replica) {
    if (seen_of(fleet).data != FleetSeen::Data::kReady) return;
    if (replica.phase == ReplicaPhase::kPending) {
      if (now_ < replica.not_before) return look_at(replica.not_before);
      move(replica, ReplicaPhase::kStarting);
    }
    const auto variant = variant_of(fleet, replica);
    if (variant) look_at(replica.since + variant->startup_timeout);
    act(ActionType::kStartReplica, fleet, replica.number);
  }

  static const Variant* variant_of(const Fleet& fleet, const Replica& replica) {
    for (const Variant& variant : fleet.variants) {
      if (variant.name == replica.variant) return &variant;
    }
    return nullptr;
  }

  void step_starting(Fleet& fleet, std::size_t index, On on) {
    Replica& replica = fleet.replicas[index];
    const ReplicaSeen& seen = seen_of(replica);
    const Variant* variant = variant_of(fleet, replica);
    const Millis timeout = variant ? variant->startup_timeout : 0;
    switch (seen.container) {
      case Seen::kBusy:
        return;
      case Seen::kAbsent:
        // Recorded as started, and then the server died, or starting it failed.
        if (seen.start_failed) return lose(fleet, index, on, Retry::kYes, seen.end);
        return start(fleet, replica);
      case Seen::kExited:
        return lose(fleet, index, on, Retry::kYes, seen.end);
      case Seen::kRunning:
        if (seen.answering) return move(replica, ReplicaPhase::kReady);
        if (now_ - replica.since >= timeout) {
          return lose(fleet, index, on, Retry::kNo,
                      "it did not answer GET /ping with 200 within " +
                          std::to_string(timeout / 1000) + " s");
        }
        return look_at(replica.since + timeout);
    }
  }

  void step_ready(Fleet& fleet, std::size_t index, On on) {
    const ReplicaSeen& seen = seen_of(fleet.replicas[index]);
    if (seen.container == Seen::kExited) return lose(fleet, index, on, Retry::kYes, seen.end);
    if (seen.container == Seen::kAbsent) {
      return lose(fleet, index, on, Retry::kYes, "its container is gone");
    }
    if (seen.container == Seen::kRunning && seen.bad_pings >= limits_.bad_pings) {
      lose(fleet, index, on, Retry::kYes, "it stopped answering GET /ping with 200");
    }
  }

  // Brings a fleet to the number of replicas that its variants want, and keeps it there.
  void supervise(Fleet& fleet, On on) {
    const FleetSeen& data = seen_of(fleet);
    if (data.data == FleetSeen::Data::kNone) act(ActionType::kPrepareFleet, fleet);
    if (data.data == FleetSeen::Data::kFailed && on != On::kLive) {
      fail(std::string(base::utf8_prefix(data.error, kReasonBytes)));
    }
    const std::size_t known = fleet.replicas.size();  // lose() appends
    for (std::size_t i = 0; i < known; ++i) {
      switch (fleet.replicas[i].phase) {
        case ReplicaPhase::kPending:
          break;
        case ReplicaPhase::kStarting:
          step_starting(fleet, i, on);
          break;
        case ReplicaPhase::kReady:
          step_ready(fleet, i, on);
          break;
        case ReplicaPhase::kDraining:
        case ReplicaPhase::kStopping:
          break;
      }
    }
    for (const Variant& variant : fleet.variants) balance(fleet, variant);
    for (Replica& replica : fleet.replicas) {
      if (replica.phase == ReplicaPhase::kPending) start(fleet, replica);
    }
    take_leave(fleet);
  }

  void balance(Fleet& fleet, const Variant& variant) {
    int have = 0;
    for (const Replica& replica : fleet.replicas) {
      have += replica.variant == variant.name && counts(replica);
    }
    // A fleet that is given up gets no new replicas.
    for (; have < variant.desired_count && failure_.empty(); ++have) add(fleet, variant.name, 0);
    for (; have > variant.desired_count; --have) drop_one(fleet, variant.name);
  }

  // The replica that is missed least: one that does not serve yet, else the youngest.
  void drop_one(Fleet& fleet, const std::string& variant) {
    Replica* least = nullptr;
    for (Replica& replica : fleet.replicas) {
      if (replica.variant != variant || !counts(replica)) continue;
      if (!least || replica.phase <= least->phase) least = &replica;
    }
    if (least) let_go(*least);
  }

  void let_go(Replica& replica) {
    move(replica,
         replica.phase == ReplicaPhase::kReady ? ReplicaPhase::kDraining : ReplicaPhase::kStopping);
  }

  void take_leave(Fleet& fleet) {
    for (Replica& replica : fleet.replicas) {
      const ReplicaSeen& seen = seen_of(replica);
      if (replica.phase == ReplicaPhase::kDraining) {
        const bool ended = seen.container == Seen::kExited || seen.container == Seen::kAbsent;
        const bool idle = !seen.routable && seen.in_flight == 0;
        const Millis deadline = replica.since + limits_.drain_at_most;
        if (ended || idle || now_ >= deadline) {
          move(replica, ReplicaPhase::kStopping);
        } else {
          look_at(std::min(deadline, now_ + limits_.look_again_draining));
        }
      }
      if (replica.phase != ReplicaPhase::kStopping) continue;
      if (seen.container == Seen::kRunning) act(ActionType::kStopReplica, fleet, replica.number);
      if (seen.container == Seen::kExited) act(ActionType::kRemoveReplica, fleet, replica.number);
    }
    const auto forgotten = std::erase_if(fleet.replicas, [&](const Replica& replica) {
      return replica.phase == ReplicaPhase::kStopping &&
             seen_of(replica).container == Seen::kAbsent;
    });
    if (forgotten > 0) decision_.changed = true;
  }

  static bool complete(const Fleet& fleet) {
    return std::all_of(fleet.variants.begin(), fleet.variants.end(), [&](const Variant& variant) {
      return count_in(fleet, variant.name, ReplicaPhase::kReady) >= variant.desired_count;
    });
  }

  void step_scaling() {
    Fleet& fleet = *endpoint_.live;
    if (!failure_.empty()) {
      for (const Scaling::Before& before : endpoint_.scaling->before) {
        for (Variant& variant : fleet.variants) {
          if (variant.name != before.variant) continue;
          variant.desired_weight = before.weight;
          variant.desired_count = before.count;
        }
      }
      endpoint_.scaling.reset();
      settle(Status::kInService, failure_, "Endpoint.RolledBack");
      look_at(now_);  // the replicas that are too many now leave
      return;
    }
    if (!complete(fleet)) return;
    for (Variant& variant : fleet.variants) variant.current_weight = variant.desired_weight;
    endpoint_.scaling.reset();
    settle(Status::kInService, "", "Endpoint.InService");
  }

  void step_deployment() {
    Deployment& deployment = *endpoint_.deployment;
    const DeploymentPolicy& policy = deployment.policy;
    if (!failure_.empty()) return give_up(failure_);
    if (policy.timeout > 0) {
      if (now_ - deployment.started >= policy.timeout) {
        return give_up("The update did not finish within " + std::to_string(policy.timeout / 1000) +
                       " s (MaximumExecutionTimeoutInSeconds).");
      }
      look_at(deployment.started + policy.timeout);
    }
    if (seen_.alarm && deployment.share > 0) {
      return give_up("An alarm of AutoRollbackConfiguration went into ALARM during the update.");
    }
    if (!policy.alarms.empty() && deployment.share > 0) look_at(now_ + limits_.look_again_alarms);
    const bool ready = complete(*endpoint_.next);
    if (!deployment.is_update) {
      if (!ready) return;
      return deployment.share < 1 ? shift(1) : promote_once_routed();
    }
    if (deployment.share == 0) {
      if (!ready) return;
      shift(policy.step);
    }
    while (now_ - deployment.shifted_at >= policy.wait) {
      if (deployment.share >= 1) return promote_once_routed();
      if (!ready) return;  // a replica of the new fleet is being replaced
      shift(policy.routing == Routing::kLinear ? deployment.share + policy.step : 1);
    }
    look_at(deployment.shifted_at + policy.wait);
  }

  void shift(double share) {
    // Steps such as 0.1 do not add up to exactly one.
    endpoint_.deployment->share = share > 1 - 1e-9 ? 1 : share;
    endpoint_.deployment->shifted_at = now_;
    decision_.changed = true;
  }

  void send_off(std::optional<Fleet>& fleet, Millis wait) {
    if (!fleet) return;
    fleet->drain_after = now_ + wait;
    endpoint_.old.push_back(std::move(*fleet));
    fleet.reset();
    decision_.changed = true;
  }

  // Who reads "InService" may invoke at once, so the loops must know first.
  void promote_once_routed() {
    if (decision_.changed || !seen_.routed) return look_at(now_ + limits_.look_again_routing);
    promote();
  }

  void promote() {
    send_off(endpoint_.live, endpoint_.deployment->policy.termination_wait);
    endpoint_.live = std::move(endpoint_.next);
    endpoint_.next.reset();
    endpoint_.deployment.reset();
    endpoint_.config = endpoint_.live->config;
    for (Variant& variant : endpoint_.live->variants) {
      variant.current_weight = variant.desired_weight;
    }
    settle(Status::kInService, "", "Endpoint.InService");
  }

  void give_up(std::string reason) {
    const bool update = endpoint_.deployment->is_update;
    send_off(endpoint_.next, 0);
    endpoint_.deployment.reset();
    if (update) {
      settle(Status::kInService, std::move(reason), "Endpoint.RolledBack");
    } else {
      settle(Status::kFailed, std::move(reason), "Endpoint.Failed");
    }
  }

  void retire_old() {
    for (Fleet& fleet : endpoint_.old) {
      for (Replica& replica : fleet.replicas) {
        if (!counts(replica)) continue;
        const bool ended = seen_of(replica).container == Seen::kExited;
        if (replica.phase != ReplicaPhase::kReady || ended) {
          move(replica, ReplicaPhase::kStopping);
        } else if (now_ >= fleet.drain_after) {
          move(replica, ReplicaPhase::kDraining);
        } else {
          look_at(fleet.drain_after);
        }
      }
      take_leave(fleet);
      if (fleet.replicas.empty()) act(ActionType::kRemoveFleet, fleet);
    }
    // Should the server die before the data is deleted, the next start sweeps it.
    const auto gone =
        std::erase_if(endpoint_.old, [](const Fleet& fleet) { return fleet.replicas.empty(); });
    if (gone > 0) decision_.changed = true;
  }

  Decision decision_;
  Endpoint& endpoint_ = decision_.endpoint;
  const Observations& seen_;
  const DecideLimits& limits_;
  const Millis now_;
  std::string failure_;  // why the fleet under change is given up; empty: it is not
};

}  // namespace

Decision decide(Endpoint endpoint, const Observations& seen, const DecideLimits& limits,
                Millis now) {
  return Decider(std::move(endpoint), seen, limits, now).run();
}

void begin_update(Endpoint& endpoint, Fleet next, DeploymentPolicy policy, Millis now) {
  Deployment deployment;
  deployment.policy = std::move(policy);
  deployment.started = now;
  deployment.is_update = endpoint.live.has_value();
  next.generation = endpoint.next_generation++;
  if (!deployment.is_update) endpoint.config = next.config;
  endpoint.next = std::move(next);
  endpoint.deployment = std::move(deployment);
  endpoint.status = endpoint.live ? Status::kUpdating : Status::kCreating;
  endpoint.failure_reason.clear();
  endpoint.modified = now;
}

void begin_scaling(Endpoint& endpoint, const std::vector<Scaling::Before>& wanted, Millis now) {
  Scaling scaling;
  scaling.started = now;
  for (Variant& variant : endpoint.live->variants) {
    scaling.before.push_back({variant.name, variant.desired_weight, variant.desired_count});
    for (const Scaling::Before& want : wanted) {
      if (want.variant != variant.name) continue;
      variant.desired_weight = want.weight;
      variant.desired_count = want.count;
    }
  }
  endpoint.scaling = std::move(scaling);
  endpoint.status = Status::kUpdating;
  endpoint.failure_reason.clear();
  endpoint.modified = now;
}

void begin_delete(Endpoint& endpoint, Millis now) {
  for (std::optional<Fleet>* fleet : {&endpoint.live, &endpoint.next}) {
    if (!*fleet) continue;
    (*fleet)->drain_after = now;
    endpoint.old.push_back(std::move(**fleet));
    fleet->reset();
  }
  for (Fleet& fleet : endpoint.old) fleet.drain_after = std::min(fleet.drain_after, now);
  endpoint.deployment.reset();
  endpoint.scaling.reset();
  endpoint.status = Status::kDeleting;
  endpoint.modified = now;
}

Shares shares_of(const Endpoint& endpoint) {
  Shares shares;
  shares.next = endpoint.next && endpoint.deployment ? endpoint.deployment->share : 0;
  shares.live = endpoint.live ? 1 - shares.next : 0;
  return shares;
}

int count_in(const Fleet& fleet, const std::string& variant, ReplicaPhase phase) {
  return static_cast<int>(
      std::count_if(fleet.replicas.begin(), fleet.replicas.end(), [&](const Replica& replica) {
        return replica.variant == variant && replica.phase == phase;
      }));
}

std::string replica_id(const Endpoint& endpoint, int number) {
  return "ep-" + endpoint.id + "-" + std::to_string(number);
}

std::string_view text_of(Status status) {
  switch (status) {
    case Status::kCreating:
      return "Creating";
    case Status::kInService:
      return "InService";
    case Status::kUpdating:
      return "Updating";
    case Status::kDeleting:
      return "Deleting";
    case Status::kFailed:
      return "Failed";
  }
  return "Failed";
}

std::optional<Status> status_of(std::string_view text) {
  for (const Status status : {Status::kCreating, Status::kInService, Status::kUpdating,
                              Status::kDeleting, Status::kFailed}) {
    if (text == text_of(status)) return status;
  }
  return std::nullopt;
}

}  // namespace slipway::endpoints
