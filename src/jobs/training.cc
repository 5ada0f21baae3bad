#include "jobs/training.h"

#include <set>

#include "base/json.h"
#include "jobs/metrics.h"
#include "jobs/plan.h"
#include "jobs/requests.h"
#include "jobs/transfer.h"

namespace slipway::jobs {
namespace {

using base::array_or_empty;
using base::boolean_or;
using base::integer_or;
using base::object_or_empty;
using base::text_or;

std::string input_mode_of(const Json& specification, const Json& channel) {
  return text_or(channel, "InputMode", text_or(specification, "TrainingInputMode", "File"));
}

void check_input_mode(const std::string& mode) {
  if (mode == "Pipe") {
    refuse("TrainingInputMode Pipe is not available here: use File or FastFile");
  }
}

void check_channel(const Json& specification, const Json& channel) {
  const std::string name = text_or(channel, "ChannelName");
  const std::string place = "InputDataConfig channel '" + name + "': ";
  // Where the name becomes a directory, these two would be another one.
  if (name == "." || name == "..") refuse(place + "the name is not usable");
  const Json& source = object_or_empty(object_or_empty(channel, "DataSource"), "S3DataSource");
  if (source.empty()) refuse(place + "only an S3DataSource is available here");
  const std::string type = text_or(source, "S3DataType");
  if (type != "S3Prefix") {
    refuse(place + "S3DataType " + type + " is not available here: use S3Prefix");
  }
  s3_location(text_or(source, "S3Uri"), place + "S3Uri");
  check_input_mode(input_mode_of(specification, channel));
  if (text_or(channel, "CompressionType", "None") != "None") {
    refuse(place + "CompressionType Gzip belongs to Pipe mode, which is not available here");
  }
  if (text_or(channel, "RecordWrapperType", "None") != "None") {
    refuse(place + "RecordWrapperType RecordIO belongs to Pipe mode, which is not available here");
  }
}

std::vector<MetricDefinition> metric_definitions(const Json& specification) {
  std::vector<MetricDefinition> definitions;
  for (const Json& each : array_or_empty(specification, "MetricDefinitions")) {
    definitions.push_back({text_or(each, "Name"), text_or(each, "Regex")});
  }
  return definitions;
}

void check_algorithm(const Json& specification) {
  if (text_or(specification, "TrainingImage").empty()) {
    refuse(
        "AlgorithmSpecification needs a TrainingImage: algorithms by AlgorithmName are not "
        "available here");
  }
  check_input_mode(text_or(specification, "TrainingInputMode", "File"));
  MetricScanner compiled(metric_definitions(specification));
}

void check_resources(const Json& request) {
  const Json& resources = object_or_empty(request, "ResourceConfig");
  if (resources.contains("InstanceGroups")) {
    refuse("ResourceConfig.InstanceGroups is not available here: give InstanceType");
  }
  if (text_or(resources, "InstanceType").empty()) {
    refuse("ResourceConfig.InstanceType is required");
  }
  check_instance_count(integer_or(resources, "InstanceCount", 0), "ResourceConfig.InstanceCount");
}

void check_stopping(const Json& request) {
  const Json& stopping = object_or_empty(request, "StoppingCondition");
  const std::int64_t longest = integer_or(stopping, "MaxWaitTimeInSeconds", 0);
  if (boolean_or(request, "EnableManagedSpotTraining", false) &&
      longest < integer_or(stopping, "MaxRuntimeInSeconds", kDefaultMaxRuntimeSeconds)) {
    refuse(
        "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
        "MaxRuntimeInSeconds for managed spot training");
  }
}

std::string checkpoint_path(const Json& checkpoints) {
  return text_or(checkpoints, "LocalPath", "/opt/ml/checkpoints");
}

bool is_uncompressed(const Json& document) {
  return text_or(object_or_empty(document, "OutputDataConfig"), "CompressionType") == "NONE";
}

std::string output_uri(const Json& document) {
  const std::string base = text_or(object_or_empty(document, "OutputDataConfig"), "S3OutputPath");
  return join_s3(base, text_or(document, "TrainingJobName") + "/output");
}

std::string model_uri(const Json& document) {
  return output_uri(document) + (is_uncompressed(document) ? "/model/" : "/model.tar.gz");
}

Json input_data_config(const Json& document) {
  const Json& specification = object_or_empty(document, "AlgorithmSpecification");
  Json channels = Json::object();
  for (const Json& channel : array_or_empty(document, "InputDataConfig")) {
    const Json& source = object_or_empty(object_or_empty(channel, "DataSource"), "S3DataSource");
    Json entry{{"TrainingInputMode", input_mode_of(specification, channel)},
               {"S3DistributionType", text_or(source, "S3DataDistributionType", "FullyReplicated")},
               {"RecordWrapperType", text_or(channel, "RecordWrapperType", "None")}};
    if (channel.contains("ContentType")) entry["ContentType"] = channel["ContentType"];
    channels[text_or(channel, "ChannelName")] = std::move(entry);
  }
  return channels;
}

Json resource_config(const Json& document) {
  const std::string type = text_or(object_or_empty(document, "ResourceConfig"), "InstanceType");
  const Json hosts = Json::array({"algo-1"});
  const std::string group = "homogeneousCluster";
  return {
      {"current_host", "algo-1"},
      {"current_instance_type", type},
      {"current_group_name", group},
      {"hosts", hosts},
      {"instance_groups",
       Json::array({{{"instance_group_name", group}, {"instance_type", type}, {"hosts", hosts}}})},
      // The one interface that exists with and without network.
      {"network_interface_name", "lo"}};
}

void plan_data(const Json& document, RunPlan& plan) {
  const Json& specification = object_or_empty(document, "AlgorithmSpecification");
  for (const Json& channel : array_or_empty(document, "InputDataConfig")) {
    const Json& source = object_or_empty(object_or_empty(channel, "DataSource"), "S3DataSource");
    const std::string name = text_or(channel, "ChannelName");
    const std::string uri = text_or(source, "S3Uri");
    const std::filesystem::path into = "input/data/" + name;
    plan.inputs.push_back(
        {.name = name, .uri = uri, .from = s3_location(uri, "S3Uri"), .into = into});
    if (input_mode_of(specification, channel) == "FastFile") {
      plan.mounts.push_back({into, "/opt/ml/input/data/" + name, containers::Access::kReadOnly});
    }
  }
  const Json& checkpoints = object_or_empty(document, "CheckpointConfig");
  if (checkpoints.empty()) return;
  const std::string uri = text_or(checkpoints, "S3Uri");
  plan.inputs.push_back({.name = "checkpoints",
                         .uri = uri,
                         // With the final "/": a job's checkpoints, not those of one that has a
                         // longer name.
                         .from = s3_location(join_s3(uri, ""), "CheckpointConfig.S3Uri"),
                         .into = "checkpoints",
                         .presence = PlannedInput::Presence::kOptional});
  plan.uploads.push_back({.from = "checkpoints", .to = s3_location(uri, "CheckpointConfig.S3Uri")});
}

void plan_outputs(const Json& document, RunPlan& plan) {
  using Upload = PlannedUpload;
  const auto form = is_uncompressed(document) ? Upload::Form::kFiles : Upload::Form::kArchive;
  const std::string data =
      output_uri(document) + (is_uncompressed(document) ? "/data/" : "/output.tar.gz");
  plan.uploads.push_back({.from = "model",
                          .to = s3_location(model_uri(document), "OutputDataConfig.S3OutputPath"),
                          .form = form,
                          .when = Upload::When::kUnlessFailed});
  plan.uploads.push_back({.from = "output/data",
                          .to = s3_location(data, "OutputDataConfig.S3OutputPath"),
                          .form = form});
}

}  // namespace

void validate_training(const std::string& account, const Json& request) {
  const Json& specification = object_or_empty(request, "AlgorithmSpecification");
  check_algorithm(specification);
  check_role(account, text_or(request, "RoleArn"));
  check_resources(request);
  check_stopping(request);
  s3_location(text_or(object_or_empty(request, "OutputDataConfig"), "S3OutputPath"),
              "OutputDataConfig.S3OutputPath");
  std::set<std::string> names;
  for (const Json& channel : array_or_empty(request, "InputDataConfig")) {
    const std::string name = text_or(channel, "ChannelName");
    check_channel(specification, channel);
    if (!names.insert(name).second) {
      refuse("InputDataConfig has more than one channel '" + name + "'");
    }
  }
  const Json& checkpoints = object_or_empty(request, "CheckpointConfig");
  if (!checkpoints.empty()) {
    s3_location(text_or(checkpoints, "S3Uri"), "CheckpointConfig.S3Uri");
    check_container_path(checkpoint_path(checkpoints), "CheckpointConfig.LocalPath");
  }
}

Json training_document(const Json& request, const std::string& arn) {
  Json document = request;
  document.erase("Tags");
  document["TrainingJobArn"] = arn;
  document["ModelArtifacts"] = {{"S3ModelArtifacts", model_uri(request)}};
  for (const char* flag : {"EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
                           "EnableManagedSpotTraining"}) {
    if (!document.contains(flag)) document[flag] = false;
  }
  Json& stopping = document["StoppingCondition"];
  if (!stopping.contains("MaxRuntimeInSeconds")) {
    stopping["MaxRuntimeInSeconds"] = kDefaultMaxRuntimeSeconds;
  }
  return document;
}

RunPlan plan_training(const Json& document) {
  const Json& specification = object_or_empty(document, "AlgorithmSpecification");
  RunPlan plan;
  plan.entrypoint = texts_of(specification, "ContainerEntrypoint");
  plan.arguments = texts_of(specification, "ContainerArguments");
  // `docker run <image> train`, unless the request says otherwise.
  if (!plan.entrypoint && !plan.arguments) plan.arguments = {"train"};
  for (const auto& [name, value] : object_or_empty(document, "Environment").items()) {
    plan.environment[name] = value.get<std::string>();
  }
  plan.environment["TRAINING_JOB_NAME"] = text_or(document, "TrainingJobName");
  plan.environment["TRAINING_JOB_ARN"] = text_or(document, "TrainingJobArn");

  plan.files["input/config/hyperparameters.json"] =
      base::dump_json(object_or_empty(document, "HyperParameters"));
  plan.files["input/config/inputdataconfig.json"] = base::dump_json(input_data_config(document));
  plan.files["input/config/resourceconfig.json"] = base::dump_json(resource_config(document));
  plan.directories = {"input/data", "model", "output", "output/data", "checkpoints"};
  plan.mounts = {{"input", "/opt/ml/input", containers::Access::kReadWrite},
                 {"model", "/opt/ml/model", containers::Access::kReadWrite},
                 {"output", "/opt/ml/output", containers::Access::kReadWrite},
                 {"checkpoints", checkpoint_path(object_or_empty(document, "CheckpointConfig")),
                  containers::Access::kReadWrite}};
  plan_data(document, plan);
  plan_outputs(document, plan);
  plan.message = "output/failure";
  const bool isolated = boolean_or(document, "EnableNetworkIsolation", false);
  if (document.contains("VpcConfig") && !isolated) plan.network = containers::Network::kHost;
  plan.instance_type = text_or(object_or_empty(document, "ResourceConfig"), "InstanceType");
  plan.max_runtime_seconds = integer_or(object_or_empty(document, "StoppingCondition"),
                                        "MaxRuntimeInSeconds", kDefaultMaxRuntimeSeconds);
  plan.metrics = metric_definitions(specification);
  return plan;
}

bool PlannedUpload::due(Ending ending) const {
  switch (when) {
    case When::kAlways:
      return true;
    case When::kUnlessFailed:
      return ending != Ending::kFailed;
    case When::kCompleted:
      break;
  }
  return ending == Ending::kCompleted;
}

}  // namespace slipway::jobs
