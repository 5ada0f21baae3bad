// From the trained model to the live endpoint: register, approve, deploy, smoke.

#include <cstdio>

#include "base/error.h"
#include "base/strings.h"
#include "ship/definitions.h"
#include "ship/pipeline_run.h"
#include "ship/stages.h"

namespace slipway::ship {
namespace {

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

// The version itself says its figures and how they differ from the live version's, for whoever
// lists versions without opening their reports.
void carry_figures(ShipContext& context) {
  const ShipState& state = context.state;
  Json metadata = to_metadata(state.metrics);
  for (const Difference& difference : compare(state.metrics, state.live_metrics))
    if (difference.live)
      metadata["difference." + difference.metric] = figure(difference.now - *difference.live);
  if (!state.live_version.empty()) metadata["comparedWith"] = state.live_version;
  context.services.call(
      "sagemaker", "UpdateModelPackage",
      {{"ModelPackageArn", state.model_package}, {"CustomerMetadataProperties", metadata}});
}

}  // namespace

std::optional<Json> live_package(wire::ServiceClient& services, const std::string& name) {
  const auto endpoint = services.call_if_exists("sagemaker", "DescribeEndpoint",
                                                {{"EndpointName", name}}, "Could not find");
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

std::optional<Metrics> metrics_of_package(wire::ServiceClient& services, const Json& package) {
  const Json& quality =
      base::object_or_empty(base::object_or_empty(package, "ModelMetrics"), "ModelQuality");
  const std::string report = base::text_or(base::object_or_empty(quality, "Statistics"), "S3Uri");
  if (report.starts_with("s3://")) return metrics_at(services, report);
  Metrics metrics = from_metadata(base::object_or_empty(package, "CustomerMetadataProperties"));
  if (metrics.empty()) return std::nullopt;
  return metrics;
}

std::string register_stage(ShipContext& context) {
  ShipState& state = context.state;
  if (const auto live = live_package(context.services, context.spec.name)) {
    state.live_metrics = metrics_of_package(context.services, *live);
    state.live_version =
        base::text_or(base::object_or_empty(*live, "CustomerMetadataProperties"), "version", "?");
  }
  const Json step =
      wait_for_step(context, state.training_execution, "Register", std::chrono::minutes(10));
  state.model_package = base::text_or(step["Metadata"]["RegisterModel"], "Arn");
  carry_figures(context);
  return context.spec.name + " version " + package_number(state.model_package);
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
        throw Error(
            "NotApproved",
            "nobody could be asked; the version waits as PendingManualApproval. Decide: slipway "
            "approve " +
                context.spec.name + " " + state.version.text() +
                ". Or ship with --approve, with --approve-if-better, or from a terminal",
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
  state.deployment_execution = start_pipeline(
      context.services, deployment_pipeline_name(context.spec.name),
      {{deployment_parameters::kModelPackage, state.model_package}},
      deployment_token(state.model_package), "deploy-v" + package_number(state.model_package));
  state.endpoint = context.spec.name;
  try {
    wait_for_step(context, state.deployment_execution, "Endpoint", std::chrono::minutes(40));
  } catch (const Error& error) {
    throw Error("DeployFailed", error.message(), 400,
                Json{{"log", "slipway logs endpoint/" + state.endpoint}});
  }
  return "endpoint " + state.endpoint;
}

std::string smoke_stage(ShipContext& context) {
  if (context.spec.smoke_request.empty()) return "no smoke test is configured";
  try {
    const Json step = wait_for_step(context, context.state.deployment_execution, "Smoke",
                                    std::chrono::minutes(5));
    const Json& outputs = base::array_or_empty(
        base::object_or_empty(base::object_or_empty(step, "Metadata"), "Lambda"),
        "OutputParameters");
    return "200" + (outputs.empty() ? "" : ", " + base::text_or(outputs[0], "Value").substr(0, 60));
  } catch (const Error& error) {
    throw Error("SmokeFailed", error.message(), 400,
                Json{{"log", "slipway logs endpoint/" + context.state.endpoint}});
  }
}

}  // namespace slipway::ship
