#include "jobs/training.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "jobs/plan.h"

namespace slipway::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

constexpr const char* kAccount = "123456789012";
constexpr const char* kArn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/iris";

Json a_request() {
  return Json::parse(R"({
    "TrainingJobName": "iris",
    "RoleArn": "arn:aws:iam::123456789012:role/trainer",
    "AlgorithmSpecification": {"TrainingImage": "health/iris:1.0.0", "TrainingInputMode": "File"},
    "HyperParameters": {"depth": "3"},
    "InputDataConfig": [
      {"ChannelName": "train", "ContentType": "text/csv",
       "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/iris/train"}}},
      {"ChannelName": "test", "InputMode": "FastFile",
       "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/iris/test",
                                       "S3DataDistributionType": "ShardedByS3Key"}}}],
    "OutputDataConfig": {"S3OutputPath": "s3://models/out/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "Environment": {"LEVEL": "debug"},
    "Tags": [{"Key": "team", "Value": "sec"}]})");
}

RunPlan plan_of(const Json& request) { return plan_training(training_document(request, kArn)); }

std::string refusal_of(const Json& request) {
  try {
    validate_training(kAccount, request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    return error.message();
  }
  return "accepted";
}

const PlannedUpload* upload_from(const RunPlan& plan, const std::string& from) {
  const auto found = std::find_if(plan.uploads.begin(), plan.uploads.end(),
                                  [&](const PlannedUpload& each) { return each.from == from; });
  return found == plan.uploads.end() ? nullptr : &*found;
}

TEST(TrainingDocument, EchoesTheRequestWithDefaults) {
  const Json document = training_document(a_request(), kArn);

  EXPECT_EQ(document["HyperParameters"]["depth"], "3");
  EXPECT_EQ(document["ModelArtifacts"]["S3ModelArtifacts"],
            "s3://models/out/iris/output/model.tar.gz");
  EXPECT_EQ(document["StoppingCondition"]["MaxRuntimeInSeconds"], 86400);
  EXPECT_EQ(document["EnableNetworkIsolation"], false);
  EXPECT_FALSE(document.contains("Tags"));
}

TEST(TrainingPlan, WritesHyperparametersAsTheyWereGiven) {
  EXPECT_EQ(Json::parse(plan_of(a_request()).files["input/config/hyperparameters.json"]),
            Json::parse(R"({"depth": "3"})"));
}

TEST(TrainingPlan, WritesAnEmptyObjectWithoutHyperparameters) {
  Json request = a_request();
  request.erase("HyperParameters");

  EXPECT_EQ(plan_of(request).files["input/config/hyperparameters.json"], "{}");
}

TEST(TrainingPlan, WritesTheChannels) {
  EXPECT_EQ(Json::parse(plan_of(a_request()).files["input/config/inputdataconfig.json"]),
            Json::parse(R"({
              "train": {"ContentType": "text/csv", "TrainingInputMode": "File",
                        "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"},
              "test": {"TrainingInputMode": "FastFile", "S3DistributionType": "ShardedByS3Key",
                       "RecordWrapperType": "None"}})"));
}

TEST(TrainingPlan, WritesTheHosts) {
  EXPECT_EQ(Json::parse(plan_of(a_request()).files["input/config/resourceconfig.json"]),
            Json::parse(R"({
              "current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo",
              "current_instance_type": "ml.m5.large", "current_group_name": "homogeneousCluster",
              "instance_groups": [{"instance_group_name": "homogeneousCluster",
                                   "instance_type": "ml.m5.large", "hosts": ["algo-1"]}]})"));
}

TEST(TrainingPlan, RunsTheImageWithTrain) {
  const RunPlan plan = plan_of(a_request());
  EXPECT_EQ(plan.entrypoint, std::nullopt);
  EXPECT_THAT(plan.arguments, Optional(ElementsAre("train")));
}

TEST(TrainingPlan, AppendsNothingToAGivenEntrypoint) {
  Json request = a_request();
  request["AlgorithmSpecification"]["ContainerEntrypoint"] = {"python3", "train.py"};

  const RunPlan plan = plan_of(request);
  EXPECT_THAT(plan.entrypoint, Optional(ElementsAre("python3", "train.py")));
  EXPECT_EQ(plan.arguments, std::nullopt);
}

TEST(TrainingPlan, GivesArgumentsAloneToTheImagesEntrypoint) {
  Json request = a_request();
  request["AlgorithmSpecification"]["ContainerArguments"] = {"--fast"};

  const RunPlan plan = plan_of(request);
  EXPECT_EQ(plan.entrypoint, std::nullopt);
  EXPECT_THAT(plan.arguments, Optional(ElementsAre("--fast")));
}

TEST(TrainingPlan, TellsTheContainerItsJob) {
  const RunPlan plan = plan_of(a_request());
  EXPECT_EQ(plan.environment.at("LEVEL"), "debug");
  EXPECT_EQ(plan.environment.at("TRAINING_JOB_NAME"), "iris");
  EXPECT_EQ(plan.environment.at("TRAINING_JOB_ARN"), kArn);
}

TEST(TrainingPlan, MountsAFastFileChannelReadOnlyWithinTheInput) {
  const auto mounts = plan_of(a_request()).mounts;

  const auto input = std::find_if(mounts.begin(), mounts.end(), [](const PlannedMount& each) {
    return each.target == "/opt/ml/input" && each.access == containers::Access::kReadWrite;
  });
  const auto channel = std::find_if(mounts.begin(), mounts.end(), [](const PlannedMount& each) {
    return each.target == "/opt/ml/input/data/test" && each.source == "input/data/test" &&
           each.access == containers::Access::kReadOnly;
  });
  ASSERT_NE(channel, mounts.end());
  EXPECT_LT(input, channel);
}

TEST(TrainingPlan, UploadsTheModelUnlessTheJobFailed) {
  const RunPlan plan = plan_of(a_request());
  const PlannedUpload* model = upload_from(plan, "model");

  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->to.bucket, "models");
  EXPECT_EQ(model->to.key, "out/iris/output/model.tar.gz");
  EXPECT_EQ(model->form, PlannedUpload::Form::kArchive);
  EXPECT_TRUE(model->due(Ending::kCompleted));
  EXPECT_TRUE(model->due(Ending::kStopped));
  EXPECT_TRUE(model->due(Ending::kMaxRuntimeExceeded));
  EXPECT_FALSE(model->due(Ending::kFailed));
}

TEST(TrainingPlan, UploadsOutputDataAlways) {
  const RunPlan plan = plan_of(a_request());
  const PlannedUpload* data = upload_from(plan, "output/data");

  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data->to.key, "out/iris/output/output.tar.gz");
  EXPECT_TRUE(data->due(Ending::kFailed));
}

TEST(TrainingPlan, UploadsFilesWhereCompressionIsNone) {
  Json request = a_request();
  request["OutputDataConfig"]["CompressionType"] = "NONE";
  const RunPlan plan = plan_of(request);

  ASSERT_NE(upload_from(plan, "model"), nullptr);
  EXPECT_EQ(upload_from(plan, "model")->to.key, "out/iris/output/model/");
  EXPECT_EQ(upload_from(plan, "model")->form, PlannedUpload::Form::kFiles);
}

TEST(TrainingPlan, RestoresAndSavesCheckpoints) {
  Json request = a_request();
  request["CheckpointConfig"] = {{"S3Uri", "s3://models/checkpoints"}};
  const RunPlan plan = plan_of(request);

  ASSERT_NE(upload_from(plan, "checkpoints"), nullptr);
  EXPECT_EQ(upload_from(plan, "checkpoints")->to.key, "checkpoints");
  EXPECT_EQ(plan.inputs.back().from.key, "checkpoints/");
  EXPECT_EQ(plan.inputs.back().presence, PlannedInput::Presence::kOptional);
}

TEST(TrainingPlan, GivesNetworkOnlyWithAVpcConfig) {
  Json request = a_request();
  EXPECT_EQ(plan_of(request).network, containers::Network::kNone);

  request["VpcConfig"] = {{"Subnets", {"subnet-1"}}, {"SecurityGroupIds", {"sg-1"}}};
  EXPECT_EQ(plan_of(request).network, containers::Network::kHost);

  request["EnableNetworkIsolation"] = true;
  EXPECT_EQ(plan_of(request).network, containers::Network::kNone);
}

TEST(TrainingValidation, AcceptsAGoodRequest) { EXPECT_EQ(refusal_of(a_request()), "accepted"); }

struct Refusal {
  std::string name;
  std::string change;  // a JSON merge patch
  std::string says;
};
std::string name_of_refusal(const testing::TestParamInfo<Refusal>& each) { return each.param.name; }

class TrainingRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(TrainingRefusal, SaysWhy) {
  Json request = a_request();
  request.merge_patch(Json::parse(GetParam().change));
  EXPECT_THAT(refusal_of(request), HasSubstr(GetParam().says));
}

constexpr const char* kPipeChannel = R"({"InputDataConfig": [{"ChannelName": "a",
  "InputMode": "Pipe", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix",
  "S3Uri": "s3://b/k"}}}]})";
constexpr const char* kManifest = R"({"InputDataConfig": [{"ChannelName": "a",
  "DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://b/k"}}}]})";
constexpr const char* kSameTwice = R"({"InputDataConfig": [
  {"ChannelName": "a", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix",
   "S3Uri": "s3://b/k"}}},
  {"ChannelName": "a", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix",
   "S3Uri": "s3://b/k"}}}]})";
constexpr const char* kBadRegex =
    R"({"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "f1", "Regex": "(["}]}})";

INSTANTIATE_TEST_SUITE_P(
    Each, TrainingRefusal,
    testing::Values(
        Refusal{"Pipe", R"({"AlgorithmSpecification": {"TrainingInputMode": "Pipe"}})",
                "Pipe is not available"},
        Refusal{"PipeChannel", kPipeChannel, "Pipe is not available"},
        Refusal{"Manifest", kManifest, "S3DataType ManifestFile is not available"},
        Refusal{"SameChannelTwice", kSameTwice, "more than one channel 'a'"},
        Refusal{"MoreInstances", R"({"ResourceConfig": {"InstanceCount": 2}})",
                "ResourceConfig.InstanceCount is 2"},
        Refusal{"NoImage", R"({"AlgorithmSpecification": {"TrainingImage": null}})",
                "needs a TrainingImage"},
        Refusal{"OtherAccount", R"({"RoleArn": "arn:aws:iam::999999999999:role/trainer"})",
                "Cross-account pass role"},
        Refusal{"OutputNotInS3",
                R"({"OutputDataConfig": {"S3OutputPath": "https://example.com/x"}})",
                "OutputDataConfig.S3OutputPath"},
        Refusal{"BadMetric", kBadRegex, "the Regex of 'f1' is not valid"},
        Refusal{"CheckpointPath",
                R"({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/opt/../etc"}})",
                "CheckpointConfig.LocalPath"},
        Refusal{"SpotWithoutWait", R"({"EnableManagedSpotTraining": true})",
                "MaxWaitTimeInSeconds"}),
    name_of_refusal);

}  // namespace
}  // namespace slipway::jobs
