#pragma once

// What an endpoint does next: a pure function of what is recorded, what is seen and
// the time.
//
// The caller records Decision::endpoint, with the events, and only then carries out the
// actions. Every action may be repeated, and is decided again for as long as what is
// seen asks for it, so the server may die on any line.

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "endpoints/types.h"

namespace slipway::endpoints {

struct DecideLimits {
  int start_attempts = 3;            // of one replica, before a deployment fails
  base::Millis backoff_first = 500;  // before a crashed replica's replacement, doubling
  base::Millis backoff_most = 60'000;
  base::Millis stable_after = 60'000;      // ready for so long: earlier failures are forgotten
  int bad_pings = 3;                       // in a row, then it is replaced
  base::Millis drain_at_most = 65'000;     // longer than an invocation may take
  base::Millis look_again_alarms = 5'000;  // while traffic moves
  base::Millis look_again_draining = 50;   // how soon to look whether requests have ended
  base::Millis look_again_routing = 2;     // … whether the loops route as recorded
};

enum class Seen {
  kBusy,    // an action on it is under way: leave it alone
  kAbsent,  // there is no such container
  kRunning,
  kExited,
};

struct ReplicaSeen {
  Seen container = Seen::kBusy;
  std::string end;            // kExited, or a start that failed: how, for people
  std::string last_lines;     // of its log, where it has ended
  bool start_failed = false;  // kAbsent: starting it threw; `end` says why
  bool answering = false;     // its last ping was good
  int bad_pings = 0;          // in a row since a good one
  unsigned in_flight = 0;     // invocations
  bool routable = false;      // some loop may still choose it
};

struct FleetSeen {
  enum class Data { kNone, kBusy, kReady, kFailed };
  Data data = Data::kNone;  // model data and image on this machine
  std::string error;        // kFailed
};

struct Observations {
  std::map<int, ReplicaSeen> replicas;  // by number
  std::map<int, FleetSeen> fleets;      // by generation
  bool routed = false;                  // every loop chooses replicas as the record says
  bool alarm = false;                   // one of the deployment's alarms is in ALARM
};

enum class ActionType {
  kPrepareFleet,  // fetch model data and image
  kStartReplica,
  kStopReplica,    // SIGTERM, grace, SIGKILL
  kRemoveReplica,  // carry over its log and delete what it left behind
  kRemoveFleet,    // delete its model data
};

struct Action {
  ActionType type;
  int generation = 0;
  int replica = 0;  // 0: the whole fleet
  bool operator==(const Action&) const = default;
};

struct Decision {
  Endpoint endpoint;
  bool changed = false;             // record it
  bool gone = false;                // nothing is left: delete the record
  std::vector<std::string> events;  // "Endpoint.InService", …; append when recording
  std::vector<Action> actions;
  base::Millis look_again = 0;  // at the latest; 0: when something happens
};

Decision decide(Endpoint endpoint, const Observations& seen, const DecideLimits& limits,
                base::Millis now);

// Starts, as values, what the API asks for. The caller has checked that the status allows it.
void begin_update(Endpoint& endpoint, Fleet next, DeploymentPolicy policy, base::Millis now);
void begin_scaling(Endpoint& endpoint, const std::vector<Scaling::Before>& wanted,
                   base::Millis now);
void begin_delete(Endpoint& endpoint, base::Millis now);

// A share of the requests for each fleet that gets any: live, next.
struct Shares {
  double live = 0;
  double next = 0;
};
Shares shares_of(const Endpoint& endpoint);

// Replicas in `phase`, of one variant.
int count_in(const Fleet& fleet, const std::string& variant, ReplicaPhase phase);

}  // namespace slipway::endpoints
