#include "jobs/processing.h"

#include <algorithm>
#include <set>

#include "jobs/plan.h"
#include "jobs/requests.h"
#include "jobs/training.h"
#include "jobs/transfer.h"

namespace slipway::jobs {
namespace {

using base::array_or_empty;
using base::boolean_or;
using base::integer_or;
using base::object_or_empty;
using base::text_or;

const Json& outputs_of(const Json& request) {
  return array_or_empty(object_or_empty(request, "ProcessingOutputConfig"), "Outputs");
}

// Each local path once: two directories cannot lie at one place.
class LocalPaths {
 public:
  void take(const std::string& path, const std::string& place) {
    check_container_path(path, place + "LocalPath");
    std::string plain = path;
    while (plain.ends_with('/')) plain.pop_back();
    if (!plain.starts_with("/opt/ml/processing/")) {
      refuse(place + "LocalPath '" + path + "' must begin with /opt/ml/processing/");
    }
    if (!taken_.insert(plain).second) {
      refuse(place + "LocalPath '" + path + "' is used more than once");
    }
  }

 private:
  std::set<std::string> taken_;
};

void check_input(const Json& input, LocalPaths& paths) {
  const std::string place = "ProcessingInputs '" + text_or(input, "InputName") + "': ";
  const Json& source = object_or_empty(input, "S3Input");
  if (source.empty()) refuse(place + "only an S3Input is available here");
  const std::string type = text_or(source, "S3DataType");
  if (type != "S3Prefix") {
    refuse(place + "S3DataType " + type + " is not available here: use S3Prefix");
  }
  s3_location(text_or(source, "S3Uri"), place + "S3Uri");
  if (boolean_or(input, "AppManaged", false)) return;
  if (text_or(source, "S3InputMode", "File") != "File") {
    refuse(place + "S3InputMode Pipe is not available here: use File");
  }
  if (text_or(source, "S3CompressionType", "None") != "None") {
    refuse(place + "S3CompressionType Gzip belongs to Pipe mode, which is not available here");
  }
  paths.take(text_or(source, "LocalPath"), place);
}

void check_output(const Json& output, LocalPaths& paths) {
  const std::string place = "ProcessingOutputConfig '" + text_or(output, "OutputName") + "': ";
  const Json& target = object_or_empty(output, "S3Output");
  if (target.empty()) refuse(place + "only an S3Output is available here");
  s3_location(text_or(target, "S3Uri"), place + "S3Uri");
  if (!boolean_or(output, "AppManaged", false)) paths.take(text_or(target, "LocalPath"), place);
}

// The value of a member, or null where it is absent: the file spells out what was not given.
Json or_null(const Json& object, const char* key, Json otherwise = nullptr) {
  const auto member = object.find(key);
  return member == object.end() ? otherwise : *member;
}

Json input_for_file(const Json& input) {
  Json source = object_or_empty(input, "S3Input");
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"S3DataDistributionType", "FullyReplicated"},
           {"S3InputMode", "File"},
           {"S3CompressionType", "None"},
           {"S3DownloadMode", "StartOfJob"}}) {
    if (!source.contains(key)) source[key] = value;
  }
  return {{"InputName", or_null(input, "InputName")},
          {"AppManaged", boolean_or(input, "AppManaged", false)},
          {"S3Input", std::move(source)},
          {"DatasetDefinitionInput", nullptr}};
}

Json processing_job_config(const Json& document) {
  const Json& application = object_or_empty(document, "AppSpecification");
  const Json& cluster =
      object_or_empty(object_or_empty(document, "ProcessingResources"), "ClusterConfig");
  Json inputs = Json::array();
  for (const Json& input : array_or_empty(document, "ProcessingInputs")) {
    inputs.push_back(input_for_file(input));
  }
  Json outputs = Json::array();
  for (const Json& output : outputs_of(document)) {
    outputs.push_back({{"OutputName", or_null(output, "OutputName")},
                       {"AppManaged", boolean_or(output, "AppManaged", false)},
                       {"S3Output", or_null(output, "S3Output")},
                       {"FeatureStoreOutput", nullptr}});
  }
  return {
      {"ProcessingJobArn", or_null(document, "ProcessingJobArn")},
      {"ProcessingJobName", or_null(document, "ProcessingJobName")},
      {"AppSpecification",
       {{"ImageUri", or_null(application, "ImageUri")},
        {"ContainerEntrypoint", or_null(application, "ContainerEntrypoint")},
        {"ContainerArguments", or_null(application, "ContainerArguments")}}},
      {"Environment", or_null(document, "Environment", Json::object())},
      {"ProcessingInputs", std::move(inputs)},
      {"ProcessingOutputConfig",
       {{"Outputs", std::move(outputs)},
        {"KmsKeyId", or_null(object_or_empty(document, "ProcessingOutputConfig"), "KmsKeyId")}}},
      {"ProcessingResources",
       {{"ClusterConfig",
         {{"InstanceCount", or_null(cluster, "InstanceCount")},
          {"InstanceType", or_null(cluster, "InstanceType")},
          {"VolumeSizeInGB", or_null(cluster, "VolumeSizeInGB")},
          {"VolumeKmsKeyId", or_null(cluster, "VolumeKmsKeyId")}}}}},
      {"NetworkConfig", or_null(document, "NetworkConfig")},
      {"RoleArn", or_null(document, "RoleArn")},
      {"StoppingCondition", or_null(document, "StoppingCondition")}};
}

void plan_inputs(const Json& document, RunPlan& plan) {
  int number = 0;
  for (const Json& input : array_or_empty(document, "ProcessingInputs")) {
    if (boolean_or(input, "AppManaged", false)) continue;
    const Json& source = object_or_empty(input, "S3Input");
    const std::string uri = text_or(source, "S3Uri");
    const std::filesystem::path into = "inputs/" + std::to_string(number++);
    plan.inputs.push_back({.name = text_or(input, "InputName"),
                           .uri = uri,
                           .from = s3_location(uri, "S3Uri"),
                           .into = into});
    plan.mounts.push_back({into, text_or(source, "LocalPath"), containers::Access::kReadWrite});
  }
}

void plan_outputs(const Json& document, RunPlan& plan) {
  using When = PlannedUpload::When;
  int number = 0;
  for (const Json& output : outputs_of(document)) {
    if (boolean_or(output, "AppManaged", false)) continue;
    const Json& target = object_or_empty(output, "S3Output");
    const std::filesystem::path from = "outputs/" + std::to_string(number++);
    const bool continuous = text_or(target, "S3UploadMode") == "Continuous";
    plan.directories.push_back(from);
    plan.mounts.push_back({from, text_or(target, "LocalPath"), containers::Access::kReadWrite});
    // What Continuous would have carried over before a failure is carried over after it.
    plan.uploads.push_back({.from = from,
                            .to = s3_location(text_or(target, "S3Uri"), "S3Uri"),
                            .when = continuous ? When::kAlways : When::kCompleted});
  }
}

}  // namespace

void validate_processing(const std::string& account, const Json& request) {
  const Json& cluster =
      object_or_empty(object_or_empty(request, "ProcessingResources"), "ClusterConfig");
  check_instance_count(integer_or(cluster, "InstanceCount", 0),
                       "ProcessingResources.ClusterConfig.InstanceCount");
  check_role(account, text_or(request, "RoleArn"));
  LocalPaths paths;
  std::set<std::string> names;
  for (const Json& input : array_or_empty(request, "ProcessingInputs")) {
    check_input(input, paths);
    if (!names.insert(text_or(input, "InputName")).second) {
      refuse("ProcessingInputs has more than one input '" + text_or(input, "InputName") + "'");
    }
  }
  names.clear();
  for (const Json& output : outputs_of(request)) {
    check_output(output, paths);
    if (!names.insert(text_or(output, "OutputName")).second) {
      refuse("ProcessingOutputConfig has more than one output '" + text_or(output, "OutputName") +
             "'");
    }
  }
}

Json processing_document(const Json& request, const std::string& arn) {
  Json document = request;
  document.erase("Tags");
  document["ProcessingJobArn"] = arn;
  if (!document.contains("StoppingCondition")) {
    document["StoppingCondition"] = {{"MaxRuntimeInSeconds", kDefaultMaxRuntimeSeconds}};
  }
  return document;
}

RunPlan plan_processing(const Json& document) {
  const Json& application = object_or_empty(document, "AppSpecification");
  RunPlan plan;
  plan.entrypoint = texts_of(application, "ContainerEntrypoint");
  plan.arguments = texts_of(application, "ContainerArguments");
  for (const auto& [name, value] : object_or_empty(document, "Environment").items()) {
    plan.environment[name] = value.get<std::string>();
  }
  plan.environment["PROCESSING_JOB_NAME"] = text_or(document, "ProcessingJobName");
  plan.environment["PROCESSING_JOB_ARN"] = text_or(document, "ProcessingJobArn");
  plan.files["config/processingjobconfig.json"] = base::dump_json(processing_job_config(document));
  plan.files["config/resourceconfig.json"] = base::dump_json({{"current_host", "algo-1"},
                                                              {"hosts", Json::array({"algo-1"})},
                                                              {"network_interface_name", "lo"}});
  plan.directories = {"output"};
  plan.mounts = {{"config", "/opt/ml/config", containers::Access::kReadOnly},
                 {"output", "/opt/ml/output", containers::Access::kReadWrite}};
  plan_inputs(document, plan);
  plan_outputs(document, plan);
  // Outer before inner: a path sorts before those below it.
  std::stable_sort(plan.mounts.begin(), plan.mounts.end(),
                   [](const auto& a, const auto& b) { return a.target < b.target; });
  plan.message = "output/message";
  plan.message_is_exit_message = true;
  const Json& network = object_or_empty(document, "NetworkConfig");
  if (network.contains("VpcConfig") && !boolean_or(network, "EnableNetworkIsolation", false)) {
    plan.network = containers::Network::kHost;
  }
  plan.instance_type =
      text_or(object_or_empty(object_or_empty(document, "ProcessingResources"), "ClusterConfig"),
              "InstanceType");
  plan.max_runtime_seconds = integer_or(object_or_empty(document, "StoppingCondition"),
                                        "MaxRuntimeInSeconds", kDefaultMaxRuntimeSeconds);
  return plan;
}

}  // namespace slipway::jobs
