#include "jobs/processing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "jobs/plan.h"

namespace slipway::jobs {
namespace {

using testing::HasSubstr;

constexpr const char* kArn = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/eval";

Json a_request() {
  return Json::parse(R"({
    "ProcessingJobName": "eval",
    "RoleArn": "arn:aws:iam::123456789012:role/trainer",
    "AppSpecification": {"ImageUri": "health/eval:1", "ContainerEntrypoint": ["python3", "e.py"]},
    "ProcessingInputs": [
      {"InputName": "model", "S3Input": {"S3Uri": "s3://models/m", "S3DataType": "S3Prefix",
        "LocalPath": "/opt/ml/processing/model"}}],
    "ProcessingOutputConfig": {"Outputs": [
      {"OutputName": "report", "S3Output": {"S3Uri": "s3://reports/r", "S3UploadMode": "EndOfJob",
        "LocalPath": "/opt/ml/processing/report"}},
      {"OutputName": "live", "S3Output": {"S3Uri": "s3://reports/l", "S3UploadMode": "Continuous",
        "LocalPath": "/opt/ml/processing/live"}}]},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large",
                                              "VolumeSizeInGB": 1}}})");
}

RunPlan plan_of(const Json& request) { return plan_processing(processing_document(request, kArn)); }

std::string refusal_of(const Json& request) {
  try {
    validate_processing("123456789012", request);
  } catch (const Error& error) {
    return error.message();
  }
  return "accepted";
}

TEST(ProcessingPlan, EchoesTheRequestWithNullsIntoItsConfiguration) {
  const Json config = Json::parse(plan_of(a_request()).files["config/processingjobconfig.json"]);

  EXPECT_EQ(config["ProcessingJobArn"], kArn);
  EXPECT_EQ(config["AppSpecification"]["ContainerEntrypoint"], Json({"python3", "e.py"}));
  EXPECT_TRUE(config["AppSpecification"].at("ContainerArguments").is_null());
  EXPECT_TRUE(config.at("NetworkConfig").is_null());
  EXPECT_EQ(config["Environment"], Json::object());
  EXPECT_EQ(config["ProcessingInputs"][0]["S3Input"]["S3InputMode"], "File");
  EXPECT_EQ(config["ProcessingInputs"][0]["AppManaged"], false);
  EXPECT_EQ(config["ProcessingOutputConfig"]["Outputs"].size(), 2u);
  EXPECT_EQ(config["StoppingCondition"]["MaxRuntimeInSeconds"], 86400);
}

TEST(ProcessingPlan, WritesTheHosts) {
  EXPECT_EQ(Json::parse(plan_of(a_request()).files["config/resourceconfig.json"]),
            Json::parse(R"({"current_host": "algo-1", "hosts": ["algo-1"],
                            "network_interface_name": "lo"})"));
}

TEST(ProcessingPlan, UploadsEndOfJobOnlyWhenTheJobCompleted) {
  const RunPlan plan = plan_of(a_request());

  ASSERT_EQ(plan.uploads.size(), 2u);
  EXPECT_TRUE(plan.uploads[0].due(Ending::kCompleted));
  EXPECT_FALSE(plan.uploads[0].due(Ending::kFailed));
  EXPECT_FALSE(plan.uploads[0].due(Ending::kStopped));
  EXPECT_TRUE(plan.uploads[1].due(Ending::kFailed));
}

TEST(ProcessingPlan, LeavesWhatTheApplicationManagesAlone) {
  Json request = a_request();
  request["ProcessingOutputConfig"]["Outputs"][0]["AppManaged"] = true;
  request["ProcessingInputs"][0]["AppManaged"] = true;
  const RunPlan plan = plan_of(request);

  EXPECT_TRUE(plan.inputs.empty());
  EXPECT_EQ(plan.uploads.size(), 1u);
}

TEST(ProcessingPlan, AppendsNothingToTheCommand) {
  Json request = a_request();
  request["AppSpecification"].erase("ContainerEntrypoint");

  EXPECT_EQ(plan_of(request).entrypoint, std::nullopt);
  EXPECT_EQ(plan_of(request).arguments, std::nullopt);
}

TEST(ProcessingPlan, IsolatesFromAGrantedNetwork) {
  Json request = a_request();
  request["NetworkConfig"] =
      Json::parse(R"({"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}})");
  EXPECT_EQ(plan_of(request).network, containers::Network::kHost);

  request["NetworkConfig"]["EnableNetworkIsolation"] = true;
  EXPECT_EQ(plan_of(request).network, containers::Network::kNone);
}

TEST(ProcessingValidation, AcceptsAGoodRequest) { EXPECT_EQ(refusal_of(a_request()), "accepted"); }

TEST(ProcessingValidation, RefusesAPathOutsideOfProcessing) {
  Json request = a_request();
  request["ProcessingInputs"][0]["S3Input"]["LocalPath"] = "/opt/ml/model";
  EXPECT_THAT(refusal_of(request), HasSubstr("must begin with /opt/ml/processing/"));
}

TEST(ProcessingValidation, RefusesOnePathForTwoThings) {
  Json request = a_request();
  request["ProcessingInputs"][0]["S3Input"]["LocalPath"] = "/opt/ml/processing/report/";
  EXPECT_THAT(refusal_of(request), HasSubstr("used more than once"));
}

TEST(ProcessingValidation, RefusesMoreInstances) {
  Json request = a_request();
  request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 3;
  EXPECT_THAT(refusal_of(request), HasSubstr("InstanceCount is 3"));
}

TEST(ProcessingValidation, RefusesADatasetDefinition) {
  Json request = a_request();
  request["ProcessingInputs"][0].erase("S3Input");
  EXPECT_THAT(refusal_of(request), HasSubstr("only an S3Input"));
}

}  // namespace
}  // namespace slipway::jobs
