// From the trained model to the live endpoint: register, approve, deploy, smoke.

#include <cstdio>
#include <thread>

#include "base/error.h"
#include "base/strings.h"
#include "ship/stages.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

// The model package behind the endpoint that is live now.
std::optional<Json> live_package(ShipContext& context) {
  auto& services = context.services;
  const auto endpoint = services.call_if_exists(
      "sagemaker", "DescribeEndpoint", {{"EndpointName", context.spec.name}}, "Could not find");
  if (!endpoint || !endpoint->contains("EndpointConfigName")) return std::nullopt;
  const auto config = services.call_if_exists(
      "sagemaker", "DescribeEndpointConfig",
      {{"EndpointConfigName", (*endpoint)["EndpointConfigName"]}}, "Could not find");
  if (!config) return std::nullopt;
  const auto model = services.call_if_exists(
      "sagemaker", "DescribeModel",
      {{"ModelName", (*config)["ProductionVariants"][0]["ModelName"]}}, "Could not find");
  if (!model) return std::nullopt;
  const std::string package =
      base::text_or(base::object_or_empty(*model, "PrimaryContainer"), "ModelPackageName");
  if (package.empty()) return std::nullopt;
  return services.call_if_exists("sagemaker", "DescribeModelPackage",
                                 {{"ModelPackageName", package}}, "does not exist");
}

std::string figure(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

std::string evidence_text(const ShipContext& context) {
  const ShipState& state = context.state;
  std::string text = context.spec.repository() + " " + state.version.text() + "  commit " +
                     context.repository.head().id.substr(0, 12) + "  image " +
                     state.image_digest.substr(0, 19) + "\n";
  for (const Difference& difference : compare(state.metrics, state.live_metrics)) {
    std::string name = difference.metric;
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    text += "  " + name + figure(difference.now);
    if (difference.live) {
      const double change = difference.now - *difference.live;
      text += "   live " + figure(*difference.live) + " (" + state.live_version + ")   " +
              (change < 0 ? "" : "+") + figure(change);
    }
    if (difference.metric == context.spec.decide_metric) text += "   <- decides";
    text += "\n";
  }
  return text;
}

std::string package_number(const std::string& arn) { return arn.substr(arn.rfind('/') + 1); }

std::string wait_for_endpoint(ShipContext& context, const std::string& wanted_config) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(30);
  std::chrono::milliseconds pause{50};
  for (;;) {
    const Json endpoint = context.services.call("sagemaker", "DescribeEndpoint",
                                                {{"EndpointName", context.spec.name}});
    const std::string status = base::text_or(endpoint, "EndpointStatus");
    const Json log{{"log", "slipway logs endpoint/" + context.spec.name}};
    if (status == "InService") {
      // A rollback also ends InService, on the configuration before.
      if (base::text_or(endpoint, "EndpointConfigName") == wanted_config) return status;
      throw Error("DeployFailed",
                  base::text_or(endpoint, "FailureReason", "the update was rolled back"), 400, log);
    }
    if (status != "Creating" && status != "Updating")
      throw Error("DeployFailed",
                  base::text_or(endpoint, "FailureReason", "the endpoint is " + status), 400, log);
    if (std::chrono::steady_clock::now() > deadline)
      throw Error("Timeout", "the endpoint is still " + status, 400, log);
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 5 / 4, std::chrono::milliseconds(500));
  }
}

}  // namespace

std::string register_stage(ShipContext& context) {
  ShipState& state = context.state;
  if (const auto live = live_package(context)) {
    const Json& metadata = base::object_or_empty(*live, "CustomerMetadataProperties");
    state.live_metrics = from_metadata(metadata);
    state.live_version = base::text_or(metadata, "version", "?");
  }
  const std::string group = context.spec.name;
  if (!context.services.call_if_exists("sagemaker", "DescribeModelPackageGroup",
                                       {{"ModelPackageGroupName", group}}, "does not exist"))
    context.services.call("sagemaker", "CreateModelPackageGroup",
                          {{"ModelPackageGroupName", group},
                           {"ModelPackageGroupDescription", context.spec.repository()}});
  Json metadata = to_metadata(state.metrics);
  metadata["version"] = state.version.text();
  metadata["commit"] = context.repository.head().id;
  metadata["imageDigest"] = state.image_digest;
  metadata["dataDigest"] = state.data_digest;
  metadata["trainingJob"] = state.training_job;
  for (const Difference& difference : compare(state.metrics, state.live_metrics))
    if (difference.live)
      metadata["difference." + difference.metric] = figure(difference.now - *difference.live);
  if (!state.live_version.empty()) metadata["comparedWith"] = state.live_version;
  const Json created = context.services.call(
      "sagemaker", "CreateModelPackage",
      {{"ModelPackageGroupName", group},
       {"ModelPackageDescription", context.repository.head().subject.substr(0, 1000)},
       {"ModelApprovalStatus", "PendingManualApproval"},
       {"InferenceSpecification",
        {{"Containers",
          Json::array({{{"Image", context.registry_host + "/" + context.spec.repository() + "@" +
                                      state.image_digest},
                        {"ImageDigest", state.image_digest},
                        {"ModelDataUrl", state.model_data}}})},
         {"SupportedContentTypes", {"text/csv", "application/json"}},
         {"SupportedResponseMIMETypes", {"text/csv", "application/json"}}}},
       {"ModelMetrics",
        {{"ModelQuality",
          {{"Statistics", {{"ContentType", "application/json"}, {"S3Uri", state.report_uri}}}}}}},
       {"CustomerMetadataProperties", metadata}});
  state.model_package = base::text_or(created, "ModelPackageArn");
  return group + " version " + package_number(state.model_package);
}

std::string approve_stage(ShipContext& context) {
  ShipState& state = context.state;
  const std::string evidence = evidence_text(context);
  const bool better = is_better(context.spec.decide_metric, context.spec.direction, state.metrics,
                                state.live_metrics);
  bool approved = true;
  std::string why;
  switch (context.approval) {
    case Approval::kYes:
      why = "approved by --approve";
      break;
    case Approval::kIfBetter:
      approved = better;
      why = std::string(better ? "better" : "not better") + " than the live version in " +
            context.spec.decide_metric;
      break;
    case Approval::kAsk: {
      const auto answer = context.observer.ask(evidence, "Deploy " + state.version.text() + "?");
      if (!answer)
        throw Error("NotApproved",
                    "nobody could be asked; the version waits as PendingManualApproval. Ship with "
                    "--approve or --approve-if-better, or from a terminal",
                    400, Json{{"evidence", evidence}});
      approved = *answer;
      why = approved ? "approved at the prompt" : "rejected at the prompt";
      break;
    }
  }
  context.services.call("sagemaker", "UpdateModelPackage",
                        {{"ModelPackageArn", state.model_package},
                         {"ModelApprovalStatus", approved ? "Approved" : "Rejected"},
                         {"ApprovalDescription", why}});
  if (!approved) throw Error("Rejected", why + "; nothing was deployed\n" + evidence);
  for (const std::string& line : base::split(evidence, '\n'))
    if (!line.empty()) context.observer.line(line);
  return why;
}

std::string deploy_stage(ShipContext& context) {
  ShipState& state = context.state;
  auto& services = context.services;
  std::string name =
      context.spec.name + "-" +
      base::replace_all(base::replace_all(state.version.text(), ".", "-"), "+", "-") + "-v" +
      package_number(state.model_package);
  services.call("sagemaker", "CreateModel",
                {{"ModelName", name},
                 {"PrimaryContainer", {{"ModelPackageName", state.model_package}}},
                 {"ExecutionRoleArn", state.role}});
  services.call("sagemaker", "CreateEndpointConfig",
                {{"EndpointConfigName", name},
                 {"ProductionVariants",
                  Json::array({{{"VariantName", "AllTraffic"},
                                {"ModelName", name},
                                {"InitialInstanceCount", context.spec.endpoint.replicas},
                                {"InstanceType", context.spec.endpoint.instance},
                                {"InitialVariantWeight", 1.0}}})}});
  state.endpoint = context.spec.name;
  const auto existing = services.call_if_exists(
      "sagemaker", "DescribeEndpoint", {{"EndpointName", state.endpoint}}, "Could not find");
  const Json request{{"EndpointName", state.endpoint}, {"EndpointConfigName", name}};
  const bool create = !existing || base::text_or(*existing, "EndpointStatus") == "Failed";
  if (existing && create)  // a failed endpoint can only be deleted
    services.call("sagemaker", "DeleteEndpoint", {{"EndpointName", state.endpoint}});
  for (int attempt = 0; existing && create && attempt < 600; ++attempt) {
    if (!services.call_if_exists("sagemaker", "DescribeEndpoint",
                                 {{"EndpointName", state.endpoint}}, "Could not find"))
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  services.call("sagemaker", create ? "CreateEndpoint" : "UpdateEndpoint", request);
  wait_for_endpoint(context, name);
  return std::string(create ? "created " : "updated ") + state.endpoint;
}

std::string smoke_stage(ShipContext& context) {
  const ModelSpec& spec = context.spec;
  if (spec.smoke_request.empty()) return "no smoke test is configured";
  const auto path = context.source / spec.smoke_request;
  if (!std::filesystem::is_regular_file(path))
    throw Error("InvalidSpecification", "slipway.yaml: 'smoke.request' names " +
                                            spec.smoke_request + ", which is not in the commit");
  const wire::InvokeResult result = context.services.invoke(
      context.state.endpoint, store::read_file(path, 25u << 20), spec.smoke_content_type, "");
  if (result.status != 200)
    throw Error("SmokeFailed",
                "the endpoint answered " + std::to_string(result.status) + ": " +
                    std::string(base::utf8_prefix(result.body, 300)),
                400, Json{{"log", "slipway logs endpoint/" + context.state.endpoint}});
  const std::string answer(base::trim(result.body));
  return "200, " + answer.substr(0, answer.find('\n')).substr(0, 60);
}

}  // namespace slipway::ship
