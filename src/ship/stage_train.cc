// Training and evaluation as jobs of the server.

#include <set>
#include <thread>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "ship/stages.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

std::string bucket_of(const ShipContext& context) {
  return "slipway-" + context.state.account + "-" + context.spec.project;
}

std::string prefix_of(const ShipContext& context) {
  return context.spec.name + "/" + context.state.version.text();
}

// Files of the repository go to the object store under the digest of what they hold, so the
// same data is one object and its address is evidence.
std::string upload_channel(ShipContext& context, const std::string& source) {
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
  const std::string bucket = bucket_of(context);
  for (const auto& [name, file] : files)
    if (!context.services.has_object(bucket, prefix + name))
      context.services.put_object(bucket, prefix + name, file);
  return "s3://" + bucket + "/" + prefix;
}

Json channel(const std::string& name, const std::string& uri) {
  return {{"ChannelName", name},
          {"DataSource",
           {{"S3DataSource",
             {{"S3DataType", "S3Prefix"},
              {"S3Uri", uri},
              {"S3DataDistributionType", "FullyReplicated"}}}}}};
}

Json cluster(const StageResources& resources) {
  return {{"InstanceType", resources.instance}, {"InstanceCount", 1}, {"VolumeSizeInGB", 10}};
}

// Shows a job's new log lines.
class JobLog {
 public:
  JobLog(ShipContext& context, std::string group, const std::string& job)
      : context_(context), group_(std::move(group)), prefix_(job + "/") {}

  void show() {
    if (stream_.empty()) {
      const auto streams = context_.services.call_if_exists(
          "logs", "DescribeLogStreams",
          {{"logGroupName", group_}, {"logStreamNamePrefix", prefix_}}, "does not exist");
      if (!streams || base::array_or_empty(*streams, "logStreams").empty()) return;
      stream_ = base::text_or((*streams)["logStreams"][0], "logStreamName");
    }
    for (;;) {
      Json input{{"logGroupName", group_}, {"logStreamName", stream_}, {"startFromHead", true}};
      if (!token_.empty()) input["nextToken"] = token_;
      const Json page = context_.services.call("logs", "GetLogEvents", input);
      for (const Json& event : base::array_or_empty(page, "events"))
        context_.observer.line(base::text_or(event, "message"));
      const std::string next = base::text_or(page, "nextForwardToken");
      if (next == token_ || next.empty()) return;
      token_ = next;
    }
  }

 private:
  ShipContext& context_;
  const std::string group_;
  const std::string prefix_;
  std::string stream_;
  std::string token_;
};

// Waits for the end of a job; throws with its reason where it did not complete.
Json wait_for_job(ShipContext& context, const std::string& kind, const std::string& job,
                  int max_runtime_seconds) {
  JobLog log(context, "/aws/sagemaker/" + kind + "Jobs", job);
  // The job's own limit, and as long again for waiting, downloads and uploads.
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(2 * max_runtime_seconds + 600);
  std::chrono::milliseconds pause{50};
  for (;;) {
    const Json description =
        context.services.call("sagemaker", "Describe" + kind + "Job", {{kind + "JobName", job}});
    log.show();
    const std::string status = base::text_or(description, kind + "JobStatus");
    if (status == "Completed") return description;
    const Json show_log{{"log", "slipway logs " + job}};
    if (status == "Failed" || status == "Stopped")
      throw Error("JobFailed", base::text_or(description, "FailureReason", "the job was " + status),
                  400, show_log);
    if (std::chrono::steady_clock::now() > deadline)
      throw Error("Timeout", "job " + job + " is still " + status, 400, show_log);
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 5 / 4, std::chrono::milliseconds(1000));
  }
}

// A name that no job had: the version, readable, and this run's own mark.
std::string job_name(const ShipContext& context, const std::string& what) {
  std::string version = base::replace_all(context.state.version.text(), ".", "-");
  version = base::replace_all(version, "+", "-");
  return context.spec.name.substr(0, 24) + "-" + version + "-" + what + "-" + context.run;
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

std::string train_stage(ShipContext& context) {
  ShipState& state = context.state;
  number_retraining(context);
  context.services.ensure_bucket(bucket_of(context));
  Json channels = Json::array();
  std::string data;
  for (const auto& [name, source] : context.spec.channels) {
    const std::string uri = source.starts_with("s3://") ? source : upload_channel(context, source);
    channels.push_back(channel(name, uri));
    data += name + "=" + uri + "\n";
  }
  state.data_digest = "sha256:" + base::sha256_hex(data);
  Json metrics = Json::array();
  for (const MetricDefinition& metric : context.spec.metrics)
    metrics.push_back({{"Name", metric.name}, {"Regex", metric.regex}});
  Json algorithm{{"TrainingImage", context.registry_host + "/" + context.spec.repository() + "@" +
                                       state.image_digest},
                 {"TrainingInputMode", "File"}};
  if (!metrics.empty()) algorithm["MetricDefinitions"] = metrics;
  state.training_job = job_name(context, "train");
  Json request{
      {"TrainingJobName", state.training_job},
      {"AlgorithmSpecification", algorithm},
      {"RoleArn", state.role},
      {"OutputDataConfig",
       {{"S3OutputPath", "s3://" + bucket_of(context) + "/" + prefix_of(context)}}},
      {"ResourceConfig", cluster(context.spec.training)},
      {"StoppingCondition", {{"MaxRuntimeInSeconds", context.spec.training.max_runtime_seconds}}},
      {"Tags", Json::array({{{"Key", "commit"}, {"Value", context.repository.head().id}},
                            {{"Key", "version"}, {"Value", state.version.text()}}})}};
  if (!channels.empty()) request["InputDataConfig"] = channels;
  if (!context.spec.hyperparameters.empty())
    request["HyperParameters"] = context.spec.hyperparameters;
  context.services.call("sagemaker", "CreateTrainingJob", request);
  const Json done = wait_for_job(context, "Training", state.training_job,
                                 context.spec.training.max_runtime_seconds);
  state.model_data =
      base::text_or(base::object_or_empty(done, "ModelArtifacts"), "S3ModelArtifacts");
  std::string note = state.training_job;
  for (const Json& metric : base::array_or_empty(done, "FinalMetricDataList"))
    note += ", " + base::text_or(metric, "MetricName") + " " + metric["Value"].dump();
  return note;
}

std::string evaluate_stage(ShipContext& context) {
  ShipState& state = context.state;
  const auto input = [](const std::string& name, const std::string& uri) {
    return Json{{"InputName", name},
                {"S3Input",
                 {{"S3Uri", uri},
                  {"LocalPath", "/opt/ml/processing/input/" + name},
                  {"S3DataType", "S3Prefix"},
                  {"S3InputMode", "File"}}}};
  };
  Json inputs = Json::array({input("model", state.model_data)});
  for (const auto& [name, source] : context.spec.channels)
    if (name != "training")
      inputs.push_back(
          input(name, source.starts_with("s3://") ? source : upload_channel(context, source)));
  state.evaluation_job = job_name(context, "eval");
  const std::string output =
      "s3://" + bucket_of(context) + "/" + prefix_of(context) + "/" + state.evaluation_job;
  context.services.call(
      "sagemaker", "CreateProcessingJob",
      {{"ProcessingJobName", state.evaluation_job},
       {"RoleArn", state.role},
       {"AppSpecification",
        {{"ImageUri",
          context.registry_host + "/" + context.spec.repository() + "@" + state.image_digest},
         {"ContainerEntrypoint", {"/opt/slipway/entrypoint", "evaluate"}}}},
       {"ProcessingInputs", inputs},
       {"ProcessingOutputConfig",
        {{"Outputs", Json::array({{{"OutputName", "evaluation"},
                                   {"S3Output",
                                    {{"S3Uri", output},
                                     {"LocalPath", "/opt/ml/processing/output/evaluation"},
                                     {"S3UploadMode", "EndOfJob"}}}}})}}},
       {"ProcessingResources", {{"ClusterConfig", cluster(context.spec.evaluation)}}},
       {"StoppingCondition",
        {{"MaxRuntimeInSeconds", context.spec.evaluation.max_runtime_seconds}}}});
  wait_for_job(context, "Processing", state.evaluation_job,
               context.spec.evaluation.max_runtime_seconds);
  state.report_uri = output + "/evaluation.json";
  const Json log{{"log", "slipway logs " + state.evaluation_job}};
  std::string report;
  try {
    report = context.services.get_object(
        bucket_of(context), prefix_of(context) + "/" + state.evaluation_job + "/evaluation.json");
  } catch (const Error& error) {
    throw Error("NoReport",
                "the evaluation wrote no /opt/ml/processing/output/evaluation/evaluation.json: " +
                    error.message(),
                400, log);
  }
  state.metrics = metrics_of(base::parse_json(report, "evaluation.json"));
  const auto decisive = state.metrics.find(context.spec.decide_metric);
  if (decisive == state.metrics.end())
    throw Error("NoReport",
                "evaluation.json has no figure '" + context.spec.decide_metric +
                    "', by which slipway.yaml decides",
                400, log);
  return context.spec.decide_metric + " " + std::to_string(decisive->second);
}

}  // namespace slipway::ship
