#include "ship/definitions.h"

namespace slipway::ship {
namespace {

constexpr const char* kVersionOfDefinitions = "2020-12-01";
constexpr const char* kProcessingInput = "/opt/ml/processing/input/";
constexpr const char* kEvaluationOutput = "/opt/ml/processing/output/evaluation";

Json get(const std::string& path) { return {{"Get", path}}; }
Json parameter(const char* name) { return get(std::string("Parameters.") + name); }
Json joined(const std::string& with, Json values) {
  return {{"Std:Join", {{"On", with}, {"Values", std::move(values)}}}};
}

Json text_parameter(const char* name) { return {{"Name", name}, {"Type", "String"}}; }

Json cluster(const StageResources& resources) {
  return {{"InstanceType", resources.instance}, {"InstanceCount", 1}, {"VolumeSizeInGB", 10}};
}

Json channel(const std::string& name, const std::string& uri) {
  return {{"ChannelName", name},
          {"DataSource",
           {{"S3DataSource",
             {{"S3DataType", "S3Prefix"},
              {"S3Uri", uri},
              {"S3DataDistributionType", "FullyReplicated"}}}}}};
}

Json processing_input(const std::string& name, Json uri) {
  return {{"InputName", name},
          {"S3Input",
           {{"S3Uri", std::move(uri)},
            {"LocalPath", kProcessingInput + name},
            {"S3DataType", "S3Prefix"},
            {"S3InputMode", "File"}}}};
}

// s3://bucket/model/1.2.0/<execution>: an execution writes where no other does.
Json output_prefix(const ModelSpec& spec, const Placement& placement) {
  return joined("/", Json::array({"s3://" + placement.bucket + "/" + spec.name,
                                  parameter(training_parameters::kVersion),
                                  get("Execution.PipelineExecutionId")}));
}

Json evaluation_prefix(const ModelSpec& spec, const Placement& placement) {
  return joined("/", Json::array({output_prefix(spec, placement), "evaluation"}));
}

Json train_step(const ModelSpec& spec, const Placement& placement) {
  Json algorithm{{"TrainingImage", parameter(training_parameters::kImage)},
                 {"TrainingInputMode", "File"}};
  Json metrics = Json::array();
  for (const MetricDefinition& metric : spec.metrics)
    metrics.push_back({{"Name", metric.name}, {"Regex", metric.regex}});
  if (!metrics.empty()) algorithm["MetricDefinitions"] = metrics;
  Json arguments{
      {"AlgorithmSpecification", algorithm},
      {"RoleArn", placement.role},
      {"OutputDataConfig", {{"S3OutputPath", output_prefix(spec, placement)}}},
      {"ResourceConfig", cluster(spec.training)},
      {"StoppingCondition", {{"MaxRuntimeInSeconds", spec.training.max_runtime_seconds}}},
      {"Tags",
       Json::array({{{"Key", "commit"}, {"Value", parameter(training_parameters::kCommit)}},
                    {{"Key", "version"}, {"Value", parameter(training_parameters::kVersion)}}})}};
  Json channels = Json::array();
  for (const auto& [name, uri] : placement.channels) channels.push_back(channel(name, uri));
  if (!channels.empty()) arguments["InputDataConfig"] = channels;
  if (!spec.hyperparameters.empty()) arguments["HyperParameters"] = spec.hyperparameters;
  return {{"Name", "Train"}, {"Type", "Training"}, {"Arguments", arguments}};
}

Json evaluate_step(const ModelSpec& spec, const Placement& placement) {
  Json inputs =
      Json::array({processing_input("model", get("Steps.Train.ModelArtifacts.S3ModelArtifacts"))});
  for (const auto& [name, uri] : placement.channels)
    if (name != "training") inputs.push_back(processing_input(name, uri));
  const Json output{{"OutputName", "evaluation"},
                    {"S3Output",
                     {{"S3Uri", evaluation_prefix(spec, placement)},
                      {"LocalPath", kEvaluationOutput},
                      {"S3UploadMode", "EndOfJob"}}}};
  return {{"Name", "Evaluate"},
          {"Type", "Processing"},
          {"Arguments",
           {{"RoleArn", placement.role},
            {"AppSpecification",
             {{"ImageUri", parameter(training_parameters::kImage)},
              // As `train` and `serve` come to it: by the image's own entrypoint.
              {"ContainerArguments", {"evaluate"}}}},
            {"ProcessingInputs", inputs},
            {"ProcessingOutputConfig", {{"Outputs", Json::array({output})}}},
            {"ProcessingResources", {{"ClusterConfig", cluster(spec.evaluation)}}},
            {"StoppingCondition", {{"MaxRuntimeInSeconds", spec.evaluation.max_runtime_seconds}}}}},
          {"PropertyFiles", Json::array({{{"PropertyFileName", "Evaluation"},
                                          {"OutputName", "evaluation"},
                                          {"FilePath", "evaluation.json"}}})}};
}

Json register_step(const ModelSpec& spec, const Placement& placement) {
  const Json report =
      joined("/", Json::array({evaluation_prefix(spec, placement), "evaluation.json"}));
  const Json content_types{"text/csv", "application/json"};
  return {
      {"Name", "Register"},
      {"Type", "RegisterModel"},
      // The report must have been written; nothing else of the step says so.
      {"DependsOn", {"Evaluate"}},
      {"Arguments",
       {{"ModelPackageGroupName", spec.name},
        {"ModelPackageDescription", parameter(training_parameters::kMessage)},
        {"ModelApprovalStatus", "PendingManualApproval"},
        {"InferenceSpecification",
         {{"Containers",
           Json::array({{{"Image", parameter(training_parameters::kImage)},
                         {"ImageDigest", parameter(training_parameters::kImageDigest)},
                         {"ModelDataUrl", get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}}})},
          {"SupportedContentTypes", content_types},
          {"SupportedResponseMIMETypes", content_types}}},
        {"ModelMetrics",
         {{"ModelQuality",
           {{"Statistics", {{"ContentType", "application/json"}, {"S3Uri", report}}}}}}},
        {"CustomerMetadataProperties",
         {{"version", parameter(training_parameters::kVersion)},
          {"commit", parameter(training_parameters::kCommit)},
          {"imageDigest", parameter(training_parameters::kImageDigest)},
          {"dataDigest", parameter(training_parameters::kDataDigest)},
          {"decide", spec.decide_metric},
          {"direction", spec.direction == Direction::kMaximize ? "maximize" : "minimize"},
          {"trainingJob", get("Steps.Train.TrainingJobName")},
          {"execution", get("Execution.PipelineExecutionArn")}}}}}};
}

Json definition(Json parameters, Json steps) {
  return {{"Version", kVersionOfDefinitions},
          {"Metadata", Json::object()},
          {"Parameters", std::move(parameters)},
          {"Steps", std::move(steps)}};
}

}  // namespace

std::string bucket_of(const std::string& account, const ModelSpec& spec) {
  return "slipway-" + account + "-" + spec.project;
}

std::string training_pipeline_name(const std::string& model) { return model + "-training"; }
std::string deployment_pipeline_name(const std::string& model) { return model + "-deployment"; }

Json training_definition(const ModelSpec& spec, const Placement& placement) {
  using namespace training_parameters;  // NOLINT: only here
  Json message = text_parameter(kMessage);
  message["DefaultValue"] = "trained by a pipeline";
  return definition(
      Json::array({text_parameter(kImage), text_parameter(kImageDigest), text_parameter(kVersion),
                   text_parameter(kCommit), text_parameter(kDataDigest), message}),
      Json::array({train_step(spec, placement), evaluate_step(spec, placement),
                   register_step(spec, placement)}));
}

Json deployment_definition(const ModelSpec& spec, const Placement& placement) {
  const Json model{{"Name", "Model"},
                   {"Type", "Model"},
                   {"Arguments",
                    {{"PrimaryContainer",
                      {{"ModelPackageName", parameter(deployment_parameters::kModelPackage)}}},
                     {"ExecutionRoleArn", placement.role}}}};
  const Json config{
      {"Name", "EndpointConfig"},
      {"Type", "EndpointConfig"},
      {"Arguments",
       {{"ProductionVariants", Json::array({{{"VariantName", "AllTraffic"},
                                             {"ModelName", get("Steps.Model.ModelName")},
                                             {"InitialInstanceCount", spec.endpoint.replicas},
                                             {"InstanceType", spec.endpoint.instance},
                                             {"InitialVariantWeight", 1.0}}})}}}};
  const Json endpoint{{"Name", "Endpoint"},
                      {"Type", "Endpoint"},
                      {"Arguments",
                       {{"EndpointName", spec.name},
                        {"EndpointConfigName", get("Steps.EndpointConfig.EndpointConfigName")}}}};
  Json steps = Json::array({model, config, endpoint});
  if (placement.smoke) steps.push_back(smoke_step(*placement.smoke, spec.name));
  return definition(Json::array({text_parameter(deployment_parameters::kModelPackage)}),
                    std::move(steps));
}

}  // namespace slipway::ship
