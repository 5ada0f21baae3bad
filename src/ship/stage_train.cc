// Training and evaluation by the training pipeline of the server.

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "ship/definitions.h"
#include "ship/pipeline_run.h"
#include "ship/stages.h"

namespace slipway::ship {
namespace {

// Files of the repository go to the object store under the digest of what they hold, so the
// same data is one object and its address is evidence.
std::string upload_channel(ShipContext& context, const std::string& bucket,
                           const std::string& source) {
  const std::filesystem::path path = context.source / source;
  if (!std::filesystem::exists(path))
    throw Error("InvalidSpecification",
                "slipway.yaml: a channel names " + source + ", which is not in the commit");
  std::map<std::string, std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file())
        files[std::filesystem::relative(entry.path(), path).generic_string()] = entry.path();
  } else {
    files[path.filename().string()] = path;
  }
  std::string listing;
  for (const auto& [name, file] : files)
    listing += base::sha256_hex_of_file(file) + " " + name + "\n";
  const std::string prefix = "data/" + base::sha256_hex(listing).substr(0, 32) + "/";
  for (const auto& [name, file] : files)
    if (!context.services.has_object(bucket, prefix + name))
      context.services.put_object(bucket, prefix + name, file);
  return "s3://" + bucket + "/" + prefix;
}

// A job's own limit, and as long again for waiting, downloads and uploads.
std::chrono::seconds patience(const StageResources& resources) {
  return std::chrono::seconds(2 * resources.max_runtime_seconds + 600);
}

// Trained before from this commit: the same version with the next "+rN".
void number_retraining(ShipContext& context) {
  if (context.state.image_is_new) return;
  int highest = -1;
  std::string token;
  do {
    Json input{{"ModelPackageGroupName", context.spec.name}, {"MaxResults", 100}};
    if (!token.empty()) input["NextToken"] = token;
    const auto page =
        context.services.call_if_exists("sagemaker", "ListModelPackages", input, "does not exist");
    if (!page) return;
    for (const Json& item : base::array_or_empty(*page, "ModelPackageSummaryList")) {
      const Json package =
          context.services.call("sagemaker", "DescribeModelPackage",
                                {{"ModelPackageName", base::text_or(item, "ModelPackageArn")}});
      const auto version = parse_version(
          base::text_or(base::object_or_empty(package, "CustomerMetadataProperties"), "version"));
      if (version && version->image() == context.state.version.image())
        highest = std::max(highest, version->retraining);
    }
    token = base::text_or(*page, "NextToken");
  } while (!token.empty());
  context.state.version.retraining = highest + 1;
}

}  // namespace

void prepare_pipelines(ShipContext& context) {
  ShipState& state = context.state;
  number_retraining(context);
  Placement placement{state.account, state.role, bucket_of(state.account, context.spec), {}, {}};
  context.services.ensure_bucket(placement.bucket);
  std::string data;
  for (const auto& [name, source] : context.spec.channels) {
    const std::string uri =
        source.starts_with("s3://") ? source : upload_channel(context, placement.bucket, source);
    placement.channels[name] = uri;
    data += name + "=" + uri + "\n";
  }
  state.data_digest = "sha256:" + base::sha256_hex(data);
  placement.smoke =
      ensure_smoke_check(context.services, context.spec, context.source, state.account, state.role);
  const std::string& model = context.spec.name;
  if (!context.services.call_if_exists("sagemaker", "DescribeModelPackageGroup",
                                       {{"ModelPackageGroupName", model}}, "does not exist"))
    context.services.call("sagemaker", "CreateModelPackageGroup",
                          {{"ModelPackageGroupName", model},
                           {"ModelPackageGroupDescription", context.spec.repository()}});
  put_pipeline(context.services, training_pipeline_name(model),
               training_definition(context.spec, placement), state.role);
  put_pipeline(context.services, deployment_pipeline_name(model),
               deployment_definition(context.spec, placement), state.role);
}

std::map<std::string, std::string> training_parameters_of(const ShipContext& context) {
  using namespace training_parameters;  // NOLINT: only here
  const ShipState& state = context.state;
  return {{kImage, context.registry_access.host + "/" + context.spec.repository() + "@" +
                       state.image_digest},
          {kImageDigest, state.image_digest},
          {kVersion, state.version.text()},
          {kCommit, context.repository.head().id},
          {kDataDigest, state.data_digest},
          {kMessage, context.repository.head().subject.substr(0, 1000)}};
}

std::string train_stage(ShipContext& context) {
  ShipState& state = context.state;
  prepare_pipelines(context);
  state.training_execution =
      start_pipeline(context.services, training_pipeline_name(context.spec.name),
                     training_parameters_of(context), base::random_hex(32), context.run);
  const Json step =
      wait_for_step(context, state.training_execution, "Train", patience(context.spec.training));
  state.training_job = base::name_of(base::text_or(step["Metadata"]["TrainingJob"], "Arn"));
  const Json job = context.services.call("sagemaker", "DescribeTrainingJob",
                                         {{"TrainingJobName", state.training_job}});
  state.model_data =
      base::text_or(base::object_or_empty(job, "ModelArtifacts"), "S3ModelArtifacts");
  std::string note = state.training_job;
  for (const Json& metric : base::array_or_empty(job, "FinalMetricDataList"))
    note += ", " + base::text_or(metric, "MetricName") + " " + metric["Value"].dump();
  return note;
}

std::string evaluate_stage(ShipContext& context) {
  ShipState& state = context.state;
  const Json step = wait_for_step(context, state.training_execution, "Evaluate",
                                  patience(context.spec.evaluation));
  state.evaluation_job = base::name_of(base::text_or(step["Metadata"]["ProcessingJob"], "Arn"));
  const Json job = context.services.call("sagemaker", "DescribeProcessingJob",
                                         {{"ProcessingJobName", state.evaluation_job}});
  const Json& output = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"];
  state.report_uri = base::text_or(output, "S3Uri") + "/evaluation.json";
  const Json log{{"log", "slipway logs " + state.evaluation_job}};
  try {
    state.metrics = metrics_at(context.services, state.report_uri);
  } catch (const Error& error) {
    throw Error("NoReport",
                "the evaluation wrote no /opt/ml/processing/output/evaluation/evaluation.json: " +
                    error.message(),
                400, log);
  }
  const auto decisive = state.metrics.find(context.spec.decide_metric);
  if (decisive == state.metrics.end())
    throw Error("NoReport",
                "evaluation.json has no figure '" + context.spec.decide_metric +
                    "', by which slipway.yaml decides",
                400, log);
  return context.spec.decide_metric + " " + std::to_string(decisive->second);
}

Metrics metrics_at(wire::ServiceClient& services, const std::string& report_uri) {
  const std::string_view path = std::string_view(report_uri).substr(5);  // "s3://"
  const auto slash = path.find('/');
  return metrics_of(base::parse_json(
      services.get_object(std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))),
      report_uri));
}

}  // namespace slipway::ship
