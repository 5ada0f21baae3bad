#pragma once

// What the control plane records of an endpoint: its fleets, their replicas and
// the deployment under way. All values; decide.h moves them on, record.h stores them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::endpoints {

// EndpointStatus of the SageMaker API. An update that is rolled back goes from kUpdating
// straight to kInService: clients take the API's RollingBack for a failure.
enum class Status { kCreating, kInService, kUpdating, kDeleting, kFailed };

// One variant of a fleet: what the endpoint configuration and the model said when the
// fleet was made. Later changes of the model do not reach a fleet.
struct Variant {
  std::string name;
  std::string model;
  double desired_weight = 1;
  double current_weight = 1;
  int desired_count = 1;
  base::Millis startup_timeout = 240'000;  // from the container's start to its first good ping

  std::string specified_image;
  std::string resolved_image;  // the same with "@sha256:…"
  std::string image_digest;
  base::Millis resolved_at = 0;
  std::string model_data_url;  // empty: no model data
  Json environment = Json::object();
  std::string hostname;
  bool network = false;
};

// kPending → kStarting → kReady → kDraining → kStopping → forgotten. A replica is never
// started twice: what replaces it has a new number, hence a new container.
enum class ReplicaPhase {
  kPending,   // to be started, not before `not_before`
  kStarting,  // its container is started; waits for the first good ping
  kReady,     // answers; gets requests while its fleet does
  kDraining,  // gets no new request; those in flight may end
  kStopping,  // being stopped, then removed
};

struct Replica {
  int number = 0;  // unique for ever in the endpoint
  std::string variant;
  ReplicaPhase phase = ReplicaPhase::kPending;
  base::Millis since = 0;       // when it came into this phase
  base::Millis not_before = 0;  // kPending only
  int failures = 0;             // failed starts or crashes in a row that led to this one
};

// Replicas of one endpoint configuration.
struct Fleet {
  int generation = 0;  // unique for ever in the endpoint
  std::string config;
  std::vector<Variant> variants;
  std::vector<Replica> replicas;
  Json data_capture;             // the configuration's DataCaptureConfig, or null
  Json async_inference;          // its AsyncInferenceConfig, or null
  base::Millis drain_after = 0;  // once replaced: when its replicas start to drain
};

enum class Routing { kAllAtOnce, kCanary, kLinear };

// How an update moves the traffic, with the sizes already turned into shares.
struct DeploymentPolicy {
  Routing routing = Routing::kAllAtOnce;
  double step = 1;                    // share moved at first (canary) or each time (linear)
  base::Millis wait = 0;              // after each shift, the last one included
  base::Millis termination_wait = 0;  // with the old fleet alive after the end
  base::Millis timeout = 0;           // 0: none; then the update is rolled back
  std::vector<std::string> alarms;    // any in ALARM while traffic moves: rolled back
};

struct Deployment {
  DeploymentPolicy policy;
  base::Millis started = 0;
  double share = 0;             // of the requests that go to the new fleet
  base::Millis shifted_at = 0;  // of the last change of `share`
  bool is_update = false;       // false: the endpoint is being created
};

// A change of weights and counts under way, and what to go back to.
struct Scaling {
  struct Before {
    std::string variant;
    double weight = 1;
    int count = 1;
  };
  std::vector<Before> before;
  base::Millis started = 0;
};

struct Endpoint {
  std::string account;
  std::string name;
  std::string arn;
  std::string id;  // random; the same name may be created again later
  Status status = Status::kCreating;
  base::Millis created = 0;
  base::Millis modified = 0;
  std::string config;  // of the live fleet; before there is one, the configuration asked for
  std::string failure_reason;
  std::optional<Fleet> live;  // serves
  std::optional<Fleet> next;  // is being started, or takes over
  std::vector<Fleet> old;     // on their way out
  std::optional<Deployment> deployment;
  std::optional<Scaling> scaling;
  Json last_deployment_config;  // as given, or null
  int next_replica = 1;
  int next_generation = 1;
};

// "ep-<endpoint id>-<number>": the container, and the replica's name in the logs.
std::string replica_id(const Endpoint& endpoint, int number);

std::string_view text_of(Status status);
std::optional<Status> status_of(std::string_view text);

}  // namespace slipway::endpoints
