#include "endpoints/endpoints.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "endpoints/decide.h"
#include "endpoints/endpoints_state.h"
#include "endpoints/record.h"
#include "store/resources.h"

namespace slipway::endpoints {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

GatewayOptions gateway_options(const EndpointsOptions& options) {
  GatewayOptions made = options.gateway;
  made.region = options.region;
  return made;
}

ReconcilerOptions reconciler_options(ReconcilerOptions made, const EndpointsOptions& options) {
  made.events_written = options.events_written;
  if (options.alarm) {
    made.alarm = [alarm = options.alarm](const std::string& account,
                                         const std::vector<std::string>& names) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return alarm(account, name).value_or(false);
      });
    };
  }
  return made;
}

Endpoints::TestParts container_parts(objects::Objects& objects, images::Images& images,
                                     containers::Engine& engine, containers::LogPump& log_pump,
                                     observe::Logs& logs, ModelContainers models,
                                     const EndpointsOptions& options) {
  ContainerRuntimeOptions runtime;
  runtime.directory = options.directory;
  runtime.region = options.region;
  Endpoints::TestParts parts;
  parts.runtime = std::make_unique<ContainerRuntime>(objects, images, engine, log_pump, logs,
                                                     std::move(runtime));
  parts.models = std::move(models);
  parts.images = [&images](const std::string& account, const std::string& reference) {
    return images.resolve(account, reference);
  };
  return parts;
}

// Nothing else may be done to an endpoint while something is under way.
void require_settled(const Endpoint& endpoint) {
  if (endpoint.status == Status::kInService || endpoint.status == Status::kFailed) return;
  refuse("Cannot update in-progress endpoint \"" + endpoint.arn + "\".");
}

void require_serving(const Endpoint& endpoint) {
  require_settled(endpoint);
  if (endpoint.live) return;
  refuse("Cannot update endpoint \"" + endpoint.arn +
         "\", which failed to be created. Delete it and create it again.");
}

std::map<std::string, std::string> tags_in(const Json& input) {
  std::map<std::string, std::string> tags;
  for (const Json& tag : base::array_or_empty(input, "Tags")) {
    tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  }
  return tags;
}

int replicas_of(const Fleet& fleet) {
  int replicas = 0;
  for (const Variant& variant : fleet.variants) replicas += variant.desired_count;
  return replicas;
}

}  // namespace

Endpoints::State::State(store::Database& used_database, const base::Clock& used_clock,
                        const wire::Credentials& credentials, TestParts parts,
                        EndpointsOptions given)
    : database(used_database),
      clock(used_clock),
      options(std::move(given)),
      models(std::move(parts.models)),
      images(std::move(parts.images)),
      runtime(std::move(parts.runtime)),
      gateway(credentials, clock, *runtime, gateway_options(options)),
      reconciler(database, clock, *runtime, gateway,
                 reconciler_options(std::move(parts.reconciler), options)) {}

std::string Endpoints::State::arn(const std::string& account, const std::string& resource) const {
  return base::Arn{"sagemaker", options.region, account, resource}.text();
}

std::string Endpoints::State::endpoint_arn(const std::string& account,
                                           const std::string& name) const {
  return arn(account, "endpoint/" + name);
}

std::string Endpoints::State::config_arn(const std::string& account,
                                         const std::string& name) const {
  return arn(account, "endpoint-config/" + name);
}

Json Endpoints::State::config(const std::string& account, const std::string& name) const {
  const auto found = database.read([&](store::Reader& reader) {
    return store::find(reader, account, kEndpointConfigKind, name);
  });
  if (!found) {
    refuse("Could not find endpoint configuration \"" + config_arn(account, name) + "\".");
  }
  return found->document;
}

Fleet Endpoints::State::fleet_for(const std::string& account,
                                  const std::string& config_name) const {
  return make_fleet(config(account, config_name), account, models, images,
                    options.replicas_per_endpoint, clock.now());
}

DeploymentPolicy Endpoints::State::policy_for(const std::string& account,
                                              const Json& deployment_config,
                                              const Fleet& fleet) const {
  DeploymentPolicy policy = make_policy(deployment_config, replicas_of(fleet));
  for (const std::string& alarm : policy.alarms) {
    if (options.alarm && options.alarm(account, alarm)) continue;
    refuse("Could not find alarm \"" + alarm + "\" of AutoRollbackConfiguration.");
  }
  return policy;
}

Endpoints::Endpoints(store::Database& database, const base::Clock& clock, objects::Objects& objects,
                     images::Images& images, containers::Engine& engine,
                     containers::LogPump& log_pump, observe::Logs& logs,
                     const wire::Credentials& credentials, ModelContainers models,
                     EndpointsOptions options)
    : Endpoints(
          database, clock, credentials,
          container_parts(objects, images, engine, log_pump, logs, std::move(models), options),
          options) {}

Endpoints::Endpoints(store::Database& database, const base::Clock& clock,
                     const wire::Credentials& credentials, TestParts parts,
                     EndpointsOptions options)
    : state_(std::make_unique<State>(database, clock, credentials, std::move(parts),
                                     std::move(options))) {}

Endpoints::~Endpoints() { stop(); }

void Endpoints::start() { state_->reconciler.start(); }

void Endpoints::stop() { state_->reconciler.stop(); }

net::LoopHandler& Endpoints::gateway() { return state_->gateway; }

std::vector<VariantMetrics> Endpoints::metrics() const { return state_->gateway.metrics(); }

Json Endpoints::create(const std::string& account, const Json& input) {
  Endpoint endpoint;
  endpoint.account = account;
  endpoint.name = base::text_or(input, "EndpointName");
  endpoint.arn = state_->endpoint_arn(account, endpoint.name);
  endpoint.id = base::random_hex(12);
  endpoint.created = state_->clock.now();
  const bool taken = state_->database.read([&](store::Reader& reader) {
    return store::find(reader, account, kEndpointKind, endpoint.name).has_value();
  });
  // Before the rest, so that who creates or updates learns it whatever else is wrong.
  if (taken) refuse("Cannot create already existing endpoint \"" + endpoint.arn + "\".");
  Fleet fleet = state_->fleet_for(account, base::text_or(input, "EndpointConfigName"));
  if (input.contains("DeploymentConfig")) {
    // Kept for the updates that retain it; there is no traffic yet to shift.
    endpoint.last_deployment_config = input["DeploymentConfig"];
    (void)state_->policy_for(account, endpoint.last_deployment_config, fleet);
  }
  begin_update(endpoint, std::move(fleet), {}, endpoint.created);
  state_->reconciler.create(endpoint, tags_in(input));
  return {{"EndpointArn", endpoint.arn}};
}

Json Endpoints::describe(const std::string& account, const Json& input) const {
  const std::string name = base::text_or(input, "EndpointName");
  const auto found = state_->database.read(
      [&](store::Reader& reader) { return store::find(reader, account, kEndpointKind, name); });
  if (!found) refuse("Could not find endpoint \"" + state_->endpoint_arn(account, name) + "\".");
  return endpoints::describe(endpoint_of(*found));
}

Json Endpoints::update(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "EndpointName");
  const std::string arn = state_->endpoint_arn(account, name);
  const std::string config = base::text_or(input, "EndpointConfigName");
  const bool retain_deployment = base::boolean_or(input, "RetainDeploymentConfig", false);
  const bool retain = base::boolean_or(input, "RetainAllVariantProperties", false);
  std::vector<std::string> excluded;
  for (const Json& property : base::array_or_empty(input, "ExcludeRetainedVariantProperties")) {
    excluded.push_back(base::text_or(property, "VariantPropertyType"));
  }
  const bool exists = state_->database.read([&](store::Reader& reader) {
    return store::find(reader, account, kEndpointKind, name).has_value();
  });
  if (!exists) refuse("Could not find endpoint \"" + arn + "\".");
  Fleet fleet = state_->fleet_for(account, config);
  state_->reconciler.change(account, arn, name, "Endpoint.Updating", [&](Endpoint& endpoint) {
    require_serving(endpoint);
    if (config == endpoint.config) {
      refuse("Endpoint \"" + arn + "\" already has the endpoint configuration \"" + config +
             "\". Create a new one for the update.");
    }
    if (retain) retain_properties(fleet, *endpoint.live, excluded);
    Json deployment;
    if (input.contains("DeploymentConfig")) {
      deployment = input["DeploymentConfig"];
    } else if (retain_deployment) {
      deployment = endpoint.last_deployment_config;
    }
    DeploymentPolicy policy = state_->policy_for(account, deployment, fleet);
    endpoint.last_deployment_config = std::move(deployment);
    begin_update(endpoint, std::move(fleet), std::move(policy), state_->clock.now());
  });
  return {{"EndpointArn", arn}};
}

Json Endpoints::update_weights_and_capacities(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "EndpointName");
  const std::string arn = state_->endpoint_arn(account, name);
  state_->reconciler.change(account, arn, name, "Endpoint.Updating", [&](Endpoint& endpoint) {
    require_serving(endpoint);
    const std::vector<Variant>& variants = endpoint.live->variants;
    std::vector<Scaling::Before> wanted;
    int replicas = replicas_of(*endpoint.live);
    for (const Json& given : base::array_or_empty(input, "DesiredWeightsAndCapacities")) {
      const std::string variant_name = base::text_or(given, "VariantName");
      const auto variant =
          std::find_if(variants.begin(), variants.end(),
                       [&](const Variant& known) { return known.name == variant_name; });
      if (variant == variants.end()) {
        refuse("The variant name(s) \"" + variant_name +
               "\" is/are not present within endpoint \"" + arn + "\".");
      }
      const auto count =
          static_cast<int>(base::integer_or(given, "DesiredInstanceCount", variant->desired_count));
      if (variant->network && count > 1) {
        refuse("Variant " + variant_name + " uses the machine's network: it can have one replica.");
      }
      replicas += count - variant->desired_count;
      wanted.push_back(
          {variant_name, base::number_or(given, "DesiredWeight", variant->desired_weight), count});
    }
    if (replicas > state_->options.replicas_per_endpoint) {
      throw Error("ResourceLimitExceeded",
                  "The account-level service limit 'instances per endpoint' is " +
                      std::to_string(state_->options.replicas_per_endpoint) +
                      " Instances, with a request of " + std::to_string(replicas) + " Instances.");
    }
    begin_scaling(endpoint, wanted, state_->clock.now());
  });
  return {{"EndpointArn", arn}};
}

void Endpoints::remove(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "EndpointName");
  state_->reconciler.change(account, state_->endpoint_arn(account, name), name, "",
                            [&](Endpoint& endpoint) {
                              require_settled(endpoint);
                              begin_delete(endpoint, state_->clock.now());
                            });
}

}  // namespace slipway::endpoints
