#pragma once

// An endpoint on a machine of the test's own: carries out decide()'s actions at once and moves
// the clock by hand.

#include <map>
#include <string>
#include <vector>

#include "endpoints/decide.h"

namespace slipway::endpoints {

class SimulatedEndpoint {
 public:
  struct Container {
    bool running = true;
    bool answers = true;
    int bad_pings = 0;
    unsigned in_flight = 0;
  };
  // What happens to replicas of a generation when they are started.
  enum class Fate { kAnswers, kExits, kStaysSilent };

  SimulatedEndpoint() {
    endpoint.account = "123456789012";
    endpoint.name = "tumour";
    endpoint.arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/tumour";
    endpoint.id = "abc";
    endpoint.created = now;
  }

  static Fleet fleet(const std::string& config, int count, double weight = 1) {
    Fleet made;
    made.config = config;
    Variant variant;
    variant.name = "AllTraffic";
    variant.model = config + "-model";
    variant.desired_count = count;
    variant.desired_weight = variant.current_weight = weight;
    made.variants.push_back(variant);
    return made;
  }

  Observations observe() const {
    Observations seen;
    const auto look = [&](const Fleet& fleet) {
      const auto data = data_of.find(fleet.generation);
      if (data != data_of.end()) seen.fleets[fleet.generation] = data->second;
      for (const Replica& replica : fleet.replicas) {
        ReplicaSeen& at = seen.replicas[replica.number];
        const auto container = containers.find(replica.number);
        at.container = Seen::kAbsent;
        if (container == containers.end()) continue;
        at.container = container->second.running ? Seen::kRunning : Seen::kExited;
        at.end = "its container ended with exit code 3";
        at.last_lines = "no such file: model.json";
        at.answering = container->second.answers;
        at.bad_pings = container->second.bad_pings;
        at.in_flight = container->second.in_flight;
      }
    };
    if (endpoint.live) look(*endpoint.live);
    if (endpoint.next) look(*endpoint.next);
    for (const Fleet& fleet : endpoint.old) look(fleet);
    seen.routed = routed;
    seen.alarm = alarm;
    return seen;
  }

  enum class Crash { kNo, kBeforeActions };

  // One decision, recorded and (without a crash) carried out. False where nothing was left to do.
  bool step(Crash crash = Crash::kNo) {
    const Decision decision = decide(endpoint, observe(), limits, now);
    endpoint = decision.endpoint;
    gone = gone || decision.gone;
    look_again = decision.look_again;
    events.insert(events.end(), decision.events.begin(), decision.events.end());
    if (crash == Crash::kBeforeActions) {
      data_of.clear();  // what a process knows of data it finds out again
      return true;
    }
    bool did = decision.changed || decision.gone;
    for (const Action& action : decision.actions) did = carry_out(action) || did;
    return did && !gone;
  }

  // Until nothing more happens at this time; false where that takes suspiciously long.
  bool settle() {
    for (int i = 0; i < 100; ++i) {
      if (!step()) return true;
    }
    return false;
  }

  // Goes on, the clock moving to each time that decide() asked for, for `most` milliseconds.
  void pass(base::Millis most) {
    const base::Millis end = now + most;
    settle();
    while (look_again != 0 && look_again <= end && !gone) {
      now = look_again;
      settle();
    }
    now = end;
    settle();
  }

  void create(int count = 1) {
    begin_update(endpoint, fleet("first", count), {}, now);
    settle();
  }

  void update(Fate new_fate, DeploymentPolicy policy = {}, int count = 1) {
    fate[endpoint.next_generation] = new_fate;
    begin_update(endpoint, fleet("second", count), std::move(policy), now);
    settle();
  }

  int ready() const {
    return endpoint.live ? count_in(*endpoint.live, "AllTraffic", ReplicaPhase::kReady) : 0;
  }

  bool happened(const std::string& event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }

  Endpoint endpoint;
  DecideLimits limits;
  base::Millis now = 1'700'000'000'000;
  base::Millis look_again = 0;
  std::map<int, Container> containers;  // by number
  std::map<int, FleetSeen> data_of;     // by generation
  std::map<int, Fate> fate;             // by generation
  std::vector<std::string> events;
  std::vector<int> started;  // numbers, in order
  std::vector<int> removed_fleets;
  bool routed = true;
  bool alarm = false;
  bool gone = false;

 private:
  bool carry_out(const Action& action) {
    switch (action.type) {
      case ActionType::kPrepareFleet:
        data_of[action.generation].data = FleetSeen::Data::kReady;
        return true;
      case ActionType::kStartReplica: {
        if (containers.contains(action.replica)) return false;  // started before
        Container& container = containers[action.replica];
        const Fate its = fate[action.generation];
        container.running = its != Fate::kExits;
        container.answers = its == Fate::kAnswers;
        started.push_back(action.replica);
        return true;
      }
      case ActionType::kStopReplica:
        containers[action.replica].running = false;
        return true;
      case ActionType::kRemoveReplica:
        return containers.erase(action.replica) > 0;
      case ActionType::kRemoveFleet:
        removed_fleets.push_back(action.generation);
        return true;
    }
    return false;
  }
};

}  // namespace slipway::endpoints
