#pragma once

// Endpoint configurations and endpoints of SageMaker, and the gateway that serves
// invocations. README.md tells an endpoint's states and promises.
//
// Needs the tables of store/resources.h and store/outbox.h. Writes the events
// Endpoint.Creating, .InService, .Failed, .Updating, .RolledBack and .Deleted, whose detail is
// {EndpointName, EndpointArn, EndpointStatus, EndpointConfigName, FailureReason}.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "endpoints/gateway.h"
#include "images/images.h"
#include "models/models.h"
#include "net/loop_handler.h"
#include "objects/objects.h"
#include "observe/logs.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::endpoints {

class ReplicaRuntime;

struct EndpointsOptions {
  std::filesystem::path directory;  // <data>/endpoints
  std::string region = "us-east-1";
  int replicas_per_endpoint = 16;  // of all variants together; then ResourceLimitExceeded
  GatewayOptions gateway;          // its region is set from above
  // Whether the named alarm is in ALARM; nothing where there is no such alarm. Without it there are
  // no alarms. Called with no lock of the caller's choice held; must not block for long.
  std::function<std::optional<bool>(const std::string& account, const std::string& name)> alarm;
  std::function<void()> events_written;  // e.g. EventPump::wake
};

// As models::Models::containers_of().
using ModelContainers = std::function<std::vector<models::ServedContainer>(
    const std::string& account, const std::string& model_name)>;

// Thread-safe. Rest: start() before the server serves; the server stops before the object ends.
class Endpoints {
 public:
  Endpoints(store::Database& database, const base::Clock& clock, objects::Objects& objects,
            images::Images& images, containers::Engine& engine, containers::LogPump& log_pump,
            observe::Logs& logs, const wire::Credentials& credentials, ModelContainers models,
            EndpointsOptions options);
  ~Endpoints();  // stop()

  // Finds the replicas that run, starts those that are missing and goes on with every deployment.
  void start();
  // Replicas go on running; the next start finds them.
  void stop();

  net::LoopHandler& gateway();
  // Invocations since the process started, for metrics.
  std::vector<VariantMetrics> metrics() const;

  // The operations: input and output of the service model.
  Json create_config(const std::string& account, const Json& input);
  Json describe_config(const std::string& account, const Json& input) const;
  void delete_config(const std::string& account, const Json& input);
  Json list_configs(const std::string& account, const Json& input) const;

  Json create(const std::string& account, const Json& input);
  Json describe(const std::string& account, const Json& input) const;
  Json update(const std::string& account, const Json& input);
  Json update_weights_and_capacities(const std::string& account, const Json& input);
  void remove(const std::string& account, const Json& input);
  Json list(const std::string& account, const Json& input) const;

  // The same on another runtime, images and models.
  struct TestParts;
  Endpoints(store::Database& database, const base::Clock& clock,
            const wire::Credentials& credentials, TestParts parts, EndpointsOptions options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// CreateEndpointConfig, DescribeEndpointConfig, DeleteEndpointConfig, ListEndpointConfigs,
// CreateEndpoint, DescribeEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities,
// DeleteEndpoint, ListEndpoints. Invocations are not operations of the Api but the gateway's.
void register_endpoints_api(wire::Api& api, Endpoints& endpoints);

}  // namespace slipway::endpoints
