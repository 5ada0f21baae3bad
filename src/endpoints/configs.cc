#include "endpoints/configs.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace slipway::endpoints {
namespace {

using base::Millis;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

int initial_count(const Json& variant) {
  return static_cast<int>(base::integer_or(variant, "InitialInstanceCount", 1));
}

void check_variant(const Json& variant, const std::string& account, const ModelSource& models) {
  const std::string name = base::text_or(variant, "VariantName");
  if (variant.contains("ServerlessConfig")) {
    refuse("Production variant " + name +
           " has a ServerlessConfig, which this server does not offer. Give InstanceType and "
           "InitialInstanceCount instead.");
  }
  const std::string model = base::text_or(variant, "ModelName");
  if (model.empty()) refuse("Production variant " + name + " names no model. Give ModelName.");
  const auto containers = models(account, model);
  if (containers.size() != 1) {
    refuse("Model " + model + " is a pipeline of " + std::to_string(containers.size()) +
           " containers; an endpoint of this server serves models of one container.");
  }
  if (containers.front().network && initial_count(variant) > 1) {
    refuse("Model " + model +
           " uses the machine's network (VpcConfig), where one replica alone can listen on port "
           "8080. Give InitialInstanceCount 1, or leave VpcConfig out.");
  }
}

// The share of the new fleet that a CapacitySize means.
double share_of(const Json& size, int replicas) {
  const auto value = static_cast<double>(base::integer_or(size, "Value", 1));
  if (base::text_or(size, "Type") == "CAPACITY_PERCENT") return std::min(1.0, value / 100);
  return std::min(1.0, value / std::max(1, replicas));
}

Millis seconds(const Json& object, std::string_view key, std::int64_t otherwise = 0) {
  return base::integer_or(object, key, otherwise) * 1000;
}

void read_blue_green(const Json& policy, int replicas, DeploymentPolicy& made) {
  const Json& routing = base::object_or_empty(policy, "TrafficRoutingConfiguration");
  const std::string type = base::text_or(routing, "Type", "ALL_AT_ONCE");
  made.wait = seconds(routing, "WaitIntervalInSeconds");
  made.termination_wait = seconds(policy, "TerminationWaitInSeconds");
  made.timeout = seconds(policy, "MaximumExecutionTimeoutInSeconds");
  if (type == "CANARY") {
    if (!routing.contains("CanarySize")) refuse("CANARY traffic routing needs a CanarySize.");
    made.routing = Routing::kCanary;
    made.step = share_of(routing["CanarySize"], replicas);
    if (made.step > 0.5) refuse("CanarySize must not be more than 50 % of the new fleet.");
  } else if (type == "LINEAR") {
    if (!routing.contains("LinearStepSize"))
      refuse("LINEAR traffic routing needs a LinearStepSize.");
    made.routing = Routing::kLinear;
    made.step = share_of(routing["LinearStepSize"], replicas);
    if (made.step < 0.1 || made.step > 0.5) {
      refuse("LinearStepSize must be 10 % to 50 % of the new fleet.");
    }
  }
}

// Done as a linear shift in steps of the batch, with the whole new fleet started before: more
// replicas for a while than a rolling update needs, and the same traffic.
void read_rolling(const Json& policy, int replicas, DeploymentPolicy& made) {
  made.routing = Routing::kLinear;
  made.step = share_of(base::object_or_empty(policy, "MaximumBatchSize"), replicas);
  made.wait = seconds(policy, "WaitIntervalInSeconds");
  made.timeout = seconds(policy, "MaximumExecutionTimeoutInSeconds");
  if (made.step < 0.05 || made.step > 0.5) {
    refuse("MaximumBatchSize must be 5 % to 50 % of the fleet.");
  }
}

}  // namespace

void check_config(const Json& config, const std::string& account, const ModelSource& models) {
  const Json& variants = base::array_or_empty(config, "ProductionVariants");
  if (variants.empty() || variants.size() > 10) {
    refuse("An endpoint configuration has 1 to 10 ProductionVariants.");
  }
  if (!base::array_or_empty(config, "ShadowProductionVariants").empty()) {
    refuse("ShadowProductionVariants are not offered by this server. Leave them out.");
  }
  std::set<std::string> names;
  for (const Json& variant : variants) {
    const std::string name = base::text_or(variant, "VariantName");
    if (!names.insert(name).second) refuse("Duplicate VariantName \"" + name + "\".");
    check_variant(variant, account, models);
  }
}

Fleet make_fleet(const Json& config, const std::string& account, const ModelSource& models,
                 const ImageSource& images, int most_replicas, Millis now) {
  check_config(config, account, models);
  Fleet fleet;
  fleet.config = base::text_or(config, "EndpointConfigName");
  if (config.contains("DataCaptureConfig")) fleet.data_capture = config["DataCaptureConfig"];
  if (config.contains("AsyncInferenceConfig")) {
    fleet.async_inference = config["AsyncInferenceConfig"];
  }
  int replicas = 0;
  for (const Json& given : base::array_or_empty(config, "ProductionVariants")) {
    Variant variant;
    variant.name = base::text_or(given, "VariantName");
    variant.model = base::text_or(given, "ModelName");
    variant.desired_weight = base::number_or(given, "InitialVariantWeight", 1);
    variant.current_weight = variant.desired_weight;
    variant.desired_count = initial_count(given);
    variant.startup_timeout = seconds(given, "ContainerStartupHealthCheckTimeoutInSeconds", 240);
    const auto containers = models(account, variant.model);
    const models::ServedContainer& container = containers.front();
    const images::ResolvedImage image = images(account, container.image);
    variant.specified_image = container.image;
    variant.resolved_image = image.uri;
    variant.image_digest = image.digest;
    variant.resolved_at = now;
    variant.model_data_url = container.model_data_url;
    variant.environment = container.environment;
    variant.hostname = container.hostname;
    variant.network = container.network;
    replicas += variant.desired_count;
    fleet.variants.push_back(std::move(variant));
  }
  if (replicas > most_replicas) {
    throw Error("ResourceLimitExceeded",
                "The account-level service limit 'instances per endpoint' is " +
                    std::to_string(most_replicas) + " Instances, with a request of " +
                    std::to_string(replicas) + " Instances.");
  }
  return fleet;
}

void retain_properties(Fleet& next, const Fleet& live, const std::vector<std::string>& excluded) {
  const auto retained = [&](std::string_view property) {
    return std::find(excluded.begin(), excluded.end(), property) == excluded.end();
  };
  for (Variant& variant : next.variants) {
    for (const Variant& before : live.variants) {
      if (before.name != variant.name) continue;
      if (retained("DesiredInstanceCount")) variant.desired_count = before.desired_count;
      if (retained("DesiredWeight")) {
        variant.desired_weight = variant.current_weight = before.desired_weight;
      }
    }
  }
  if (retained("DataCaptureConfig")) next.data_capture = live.data_capture;
}

DeploymentPolicy make_policy(const Json& deployment_config, int replicas) {
  DeploymentPolicy policy;
  if (deployment_config.is_null()) return policy;
  const bool blue_green = deployment_config.contains("BlueGreenUpdatePolicy");
  const bool rolling = deployment_config.contains("RollingUpdatePolicy");
  if (blue_green && rolling) {
    refuse("Give BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.");
  }
  if (blue_green) read_blue_green(deployment_config["BlueGreenUpdatePolicy"], replicas, policy);
  if (rolling) read_rolling(deployment_config["RollingUpdatePolicy"], replicas, policy);
  const Json& rollback = base::object_or_empty(deployment_config, "AutoRollbackConfiguration");
  for (const Json& alarm : base::array_or_empty(rollback, "Alarms")) {
    policy.alarms.push_back(base::text_or(alarm, "AlarmName"));
  }
  const auto steps = static_cast<Millis>(policy.routing == Routing::kAllAtOnce ? 1
                                         : policy.routing == Routing::kCanary
                                             ? 2
                                             : static_cast<int>(1 / policy.step + 0.999));
  const Millis waits = steps * policy.wait + policy.termination_wait;
  if (policy.timeout > 0 && policy.timeout <= waits) {
    refuse(
        "MaximumExecutionTimeoutInSeconds must be more than all waits of the deployment "
        "together, which are " +
        std::to_string(waits / 1000) + " s.");
  }
  return policy;
}

}  // namespace slipway::endpoints
