#include "endpoints/record.h"

#include <array>
#include <utility>

#include "endpoints/decide.h"

namespace slipway::endpoints {
namespace {

using base::epoch_seconds;

constexpr std::array<std::pair<ReplicaPhase, std::string_view>, 5> kPhases = {{
    {ReplicaPhase::kPending, "Pending"},
    {ReplicaPhase::kStarting, "Starting"},
    {ReplicaPhase::kReady, "Ready"},
    {ReplicaPhase::kDraining, "Draining"},
    {ReplicaPhase::kStopping, "Stopping"},
}};

constexpr std::array<std::pair<Routing, std::string_view>, 3> kRoutings = {{
    {Routing::kAllAtOnce, "ALL_AT_ONCE"},
    {Routing::kCanary, "CANARY"},
    {Routing::kLinear, "LINEAR"},
}};

template <class Table, class Value>
std::string text_in(const Table& table, Value value) {
  for (const auto& [known, text] : table) {
    if (known == value) return std::string(text);
  }
  return "";
}

// What this server does not know it did not write: the first of the table will do.
template <class Table>
auto value_in(const Table& table, std::string_view text) {
  for (const auto& [value, known] : table) {
    if (known == text) return value;
  }
  return table.front().first;
}

Json to_json(const Variant& variant) {
  return {{"VariantName", variant.name},
          {"ModelName", variant.model},
          {"DesiredWeight", variant.desired_weight},
          {"CurrentWeight", variant.current_weight},
          {"DesiredInstanceCount", variant.desired_count},
          {"StartupTimeoutMillis", variant.startup_timeout},
          {"SpecifiedImage", variant.specified_image},
          {"ResolvedImage", variant.resolved_image},
          {"ImageDigest", variant.image_digest},
          {"ResolutionTime", epoch_seconds(variant.resolved_at)},
          {"ModelDataUrl", variant.model_data_url},
          {"Environment", variant.environment},
          {"ContainerHostname", variant.hostname},
          {"Network", variant.network}};
}

Variant variant_from(const Json& json) {
  Variant variant;
  variant.name = base::text_or(json, "VariantName");
  variant.model = base::text_or(json, "ModelName");
  variant.desired_weight = base::number_or(json, "DesiredWeight", 1);
  variant.current_weight = base::number_or(json, "CurrentWeight", 1);
  variant.desired_count = static_cast<int>(base::integer_or(json, "DesiredInstanceCount", 1));
  variant.startup_timeout = base::integer_or(json, "StartupTimeoutMillis", 240'000);
  variant.specified_image = base::text_or(json, "SpecifiedImage");
  variant.resolved_image = base::text_or(json, "ResolvedImage");
  variant.image_digest = base::text_or(json, "ImageDigest");
  variant.resolved_at = base::from_epoch_seconds(base::number_or(json, "ResolutionTime", 0));
  variant.model_data_url = base::text_or(json, "ModelDataUrl");
  variant.environment = base::object_or_empty(json, "Environment");
  variant.hostname = base::text_or(json, "ContainerHostname");
  variant.network = base::boolean_or(json, "Network", false);
  return variant;
}

Json to_json(const Replica& replica) {
  return {{"Number", replica.number},
          {"VariantName", replica.variant},
          {"Phase", text_in(kPhases, replica.phase)},
          {"SinceMillis", replica.since},
          {"NotBeforeMillis", replica.not_before},
          {"Failures", replica.failures}};
}

Replica replica_from(const Json& json) {
  Replica replica;
  replica.number = static_cast<int>(base::integer_or(json, "Number", 0));
  replica.variant = base::text_or(json, "VariantName");
  replica.phase = value_in(kPhases, base::text_or(json, "Phase"));
  replica.since = base::integer_or(json, "SinceMillis", 0);
  replica.not_before = base::integer_or(json, "NotBeforeMillis", 0);
  replica.failures = static_cast<int>(base::integer_or(json, "Failures", 0));
  return replica;
}

Json to_json(const Fleet& fleet) {
  Json json = {{"Generation", fleet.generation},
               {"EndpointConfigName", fleet.config},
               {"DrainAfterMillis", fleet.drain_after},
               {"Variants", Json::array()},
               {"Replicas", Json::array()}};
  for (const Variant& variant : fleet.variants) json["Variants"].push_back(to_json(variant));
  for (const Replica& replica : fleet.replicas) json["Replicas"].push_back(to_json(replica));
  if (!fleet.data_capture.is_null()) json["DataCaptureConfig"] = fleet.data_capture;
  if (!fleet.async_inference.is_null()) json["AsyncInferenceConfig"] = fleet.async_inference;
  return json;
}

Fleet fleet_from(const Json& json) {
  Fleet fleet;
  fleet.generation = static_cast<int>(base::integer_or(json, "Generation", 0));
  fleet.config = base::text_or(json, "EndpointConfigName");
  fleet.drain_after = base::integer_or(json, "DrainAfterMillis", 0);
  for (const Json& variant : base::array_or_empty(json, "Variants")) {
    fleet.variants.push_back(variant_from(variant));
  }
  for (const Json& replica : base::array_or_empty(json, "Replicas")) {
    fleet.replicas.push_back(replica_from(replica));
  }
  if (json.contains("DataCaptureConfig")) fleet.data_capture = json["DataCaptureConfig"];
  if (json.contains("AsyncInferenceConfig")) fleet.async_inference = json["AsyncInferenceConfig"];
  return fleet;
}

Json to_json(const Deployment& deployment) {
  return {{"Routing", text_in(kRoutings, deployment.policy.routing)},
          {"Step", deployment.policy.step},
          {"WaitMillis", deployment.policy.wait},
          {"TerminationWaitMillis", deployment.policy.termination_wait},
          {"TimeoutMillis", deployment.policy.timeout},
          {"Alarms", deployment.policy.alarms},
          {"StartedMillis", deployment.started},
          {"Share", deployment.share},
          {"ShiftedMillis", deployment.shifted_at},
          {"IsUpdate", deployment.is_update}};
}

Deployment deployment_from(const Json& json) {
  Deployment deployment;
  deployment.policy.routing = value_in(kRoutings, base::text_or(json, "Routing"));
  deployment.policy.step = base::number_or(json, "Step", 1);
  deployment.policy.wait = base::integer_or(json, "WaitMillis", 0);
  deployment.policy.termination_wait = base::integer_or(json, "TerminationWaitMillis", 0);
  deployment.policy.timeout = base::integer_or(json, "TimeoutMillis", 0);
  for (const Json& alarm : base::array_or_empty(json, "Alarms")) {
    if (alarm.is_string()) deployment.policy.alarms.push_back(alarm.get<std::string>());
  }
  deployment.started = base::integer_or(json, "StartedMillis", 0);
  deployment.share = base::number_or(json, "Share", 0);
  deployment.shifted_at = base::integer_or(json, "ShiftedMillis", 0);
  deployment.is_update = base::boolean_or(json, "IsUpdate", false);
  return deployment;
}

Json to_json(const Scaling& scaling) {
  Json before = Json::array();
  for (const Scaling::Before& variant : scaling.before) {
    before.push_back(
        {{"VariantName", variant.variant}, {"Weight", variant.weight}, {"Count", variant.count}});
  }
  return {{"Before", std::move(before)}, {"StartedMillis", scaling.started}};
}

Scaling scaling_from(const Json& json) {
  Scaling scaling;
  scaling.started = base::integer_or(json, "StartedMillis", 0);
  for (const Json& variant : base::array_or_empty(json, "Before")) {
    scaling.before.push_back({base::text_or(variant, "VariantName"),
                              base::number_or(variant, "Weight", 1),
                              static_cast<int>(base::integer_or(variant, "Count", 1))});
  }
  return scaling;
}

Json describe_variant(const Fleet& fleet, const Variant& variant, double share) {
  return {
      {"VariantName", variant.name},
      {"DeployedImages", Json::array({{{"SpecifiedImage", variant.specified_image},
                                       {"ResolvedImage", variant.resolved_image},
                                       {"ResolutionTime", epoch_seconds(variant.resolved_at)}}})},
      {"CurrentWeight", variant.current_weight * share},
      {"DesiredWeight", variant.desired_weight},
      {"CurrentInstanceCount", count_in(fleet, variant.name, ReplicaPhase::kReady)},
      {"DesiredInstanceCount", variant.desired_count}};
}

Json describe_pending(const Endpoint& endpoint) {
  const Deployment& deployment = *endpoint.deployment;
  Json variants = Json::array();
  for (const Variant& variant : endpoint.next->variants) {
    Json described = describe_variant(*endpoint.next, variant, deployment.share);
    std::string_view stage = "Creating";
    if (deployment.share > 0) stage = deployment.share < 1 ? "ActivatingTraffic" : "Baking";
    const base::Millis since = deployment.share > 0 ? deployment.shifted_at : deployment.started;
    described["VariantStatus"] =
        Json::array({{{"Status", stage}, {"StartTime", epoch_seconds(since)}}});
    variants.push_back(std::move(described));
  }
  return {{"EndpointConfigName", endpoint.next->config},
          {"ProductionVariants", std::move(variants)},
          {"StartTime", epoch_seconds(deployment.started)}};
}

// Capture itself is not done: what is configured is shown as stopped.
Json describe_capture(const Json& config) {
  Json summary = {
      {"EnableCapture", base::boolean_or(config, "EnableCapture", false)},
      {"CaptureStatus", "Stopped"},
      {"CurrentSamplingPercentage", base::integer_or(config, "InitialSamplingPercentage", 0)},
      {"DestinationS3Uri", base::text_or(config, "DestinationS3Uri")},
      {"KmsKeyId", base::text_or(config, "KmsKeyId")}};
  return summary;
}

}  // namespace

Json document_of(const Endpoint& endpoint) {
  Json json = {{"EndpointArn", endpoint.arn},
               {"Id", endpoint.id},
               {"EndpointConfigName", endpoint.config},
               {"NextReplica", endpoint.next_replica},
               {"NextGeneration", endpoint.next_generation}};
  if (!endpoint.failure_reason.empty()) json["FailureReason"] = endpoint.failure_reason;
  if (endpoint.live) json["Live"] = to_json(*endpoint.live);
  if (endpoint.next) json["Next"] = to_json(*endpoint.next);
  for (const Fleet& fleet : endpoint.old) json["Old"].push_back(to_json(fleet));
  if (endpoint.deployment) json["Deployment"] = to_json(*endpoint.deployment);
  if (endpoint.scaling) json["Scaling"] = to_json(*endpoint.scaling);
  if (!endpoint.last_deployment_config.is_null()) {
    json["LastDeploymentConfig"] = endpoint.last_deployment_config;
  }
  return json;
}

Endpoint endpoint_of(const store::Resource& resource) {
  const Json& json = resource.document;
  Endpoint endpoint;
  endpoint.account = resource.account;
  endpoint.name = resource.name;
  endpoint.status = status_of(resource.status).value_or(Status::kFailed);
  endpoint.created = resource.created;
  endpoint.modified = resource.modified;
  endpoint.arn = base::text_or(json, "EndpointArn");
  endpoint.id = base::text_or(json, "Id");
  endpoint.config = base::text_or(json, "EndpointConfigName");
  endpoint.failure_reason = base::text_or(json, "FailureReason");
  endpoint.next_replica = static_cast<int>(base::integer_or(json, "NextReplica", 1));
  endpoint.next_generation = static_cast<int>(base::integer_or(json, "NextGeneration", 1));
  if (json.contains("Live")) endpoint.live = fleet_from(json["Live"]);
  if (json.contains("Next")) endpoint.next = fleet_from(json["Next"]);
  for (const Json& fleet : base::array_or_empty(json, "Old")) {
    endpoint.old.push_back(fleet_from(fleet));
  }
  if (json.contains("Deployment")) endpoint.deployment = deployment_from(json["Deployment"]);
  if (json.contains("Scaling")) endpoint.scaling = scaling_from(json["Scaling"]);
  if (json.contains("LastDeploymentConfig")) {
    endpoint.last_deployment_config = json["LastDeploymentConfig"];
  }
  return endpoint;
}

store::Resource resource_of(const Endpoint& endpoint, std::int64_t version) {
  store::Resource resource;
  resource.account = endpoint.account;
  resource.kind = kEndpointKind;
  resource.name = endpoint.name;
  resource.status = text_of(endpoint.status);
  resource.created = endpoint.created;
  resource.modified = endpoint.modified;
  resource.version = version;
  resource.document = document_of(endpoint);
  return resource;
}

Json describe(const Endpoint& endpoint) {
  Json json = {{"EndpointName", endpoint.name},
               {"EndpointArn", endpoint.arn},
               {"EndpointStatus", text_of(endpoint.status)},
               {"EndpointConfigName", endpoint.config},
               {"CreationTime", epoch_seconds(endpoint.created)},
               {"LastModifiedTime", epoch_seconds(endpoint.modified)}};
  if (!endpoint.failure_reason.empty()) json["FailureReason"] = endpoint.failure_reason;
  if (endpoint.live) {
    json["ProductionVariants"] = Json::array();
    const double share = shares_of(endpoint).live;
    for (const Variant& variant : endpoint.live->variants) {
      json["ProductionVariants"].push_back(describe_variant(*endpoint.live, variant, share));
    }
    if (!endpoint.live->data_capture.is_null()) {
      json["DataCaptureConfig"] = describe_capture(endpoint.live->data_capture);
    }
    if (!endpoint.live->async_inference.is_null()) {
      json["AsyncInferenceConfig"] = endpoint.live->async_inference;
    }
  }
  if (endpoint.next && endpoint.deployment) {
    json["PendingDeploymentSummary"] = describe_pending(endpoint);
  }
  if (!endpoint.last_deployment_config.is_null()) {
    json["LastDeploymentConfig"] = endpoint.last_deployment_config;
  }
  return json;
}

}  // namespace slipway::endpoints
