#include "models/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::models {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kArn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/tumour/3";
constexpr base::Millis kNow = 1'700'000'000'000;

wire::Caller caller(const std::string& user = "ana") {
  return {.account = "123456789012",
          .arn = "arn:aws:iam::123456789012:user/" + user,
          .user_id = "AIDA" + user,
          .access_key = "AKIA"};
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    return error.message();
  }
  return "";
}

Json package(const Json& members = Json::object()) {
  Json input = {{"ModelPackageGroupName", "tumour"},
                {"InferenceSpecification",
                 {{"Containers", {{{"Image", "repo:1"}, {"ModelDataUrl", "s3://b/m.tar.gz"}}}}}}};
  input.update(members);
  return package_document(input, PackageId{"tumour", 3, ""}, kArn, caller(), kNow);
}

struct Given {
  const char* text;
  const char* path;
  const char* resource_name;
};

class PackageIds : public testing::TestWithParam<Given> {};

TEST_P(PackageIds, ReadNamesVersionsAndArns) {
  const PackageId id = package_id(GetParam().text);

  EXPECT_EQ(id.path(), GetParam().path);
  EXPECT_EQ(id.resource_name(), GetParam().resource_name);
}

INSTANTIATE_TEST_SUITE_P(
    All, PackageIds,
    testing::Values(Given{"plain", "plain", "plain"},
                    Given{"tumour/3", "tumour/3", "tumour/0000000003"},
                    Given{kArn, "tumour/3", "tumour/0000000003"},
                    Given{"arn:aws:sagemaker:us-east-1:123456789012:model-package/plain", "plain",
                          "plain"}));

TEST(PackageIds, RefuseVersionsThatAreNoNumbers) {
  for (const char* text : {"a/0", "a/-1", "a/x", "a/1/2", "a/99999999999"}) {
    EXPECT_NE(refusal([&] { package_id(text); }), "") << text;
  }
}

TEST(ModelDocument, EchoesTheInputAndFillsTheDefaults) {
  const Json document = model_document(
      {{"ModelName", "m"}, {"PrimaryContainer", {{"Image", "repo:1"}}}, {"Tags", Json::array()}},
      "arn", kNow);

  EXPECT_EQ(document, (Json{{"ModelName", "m"},
                            {"ModelArn", "arn"},
                            {"CreationTime", 1'700'000'000.0},
                            {"EnableNetworkIsolation", false},
                            {"PrimaryContainer", {{"Image", "repo:1"}, {"Mode", "SingleModel"}}}}));
}

TEST(ModelDocument, RefusesContainersThatCannotBeRun) {
  const Json image = {{"Image", "repo:1"}};
  const Json both = {{"Image", "repo:1"}, {"ModelPackageName", "p"}};
  const Json two_sources = {{"Image", "repo:1"},
                            {"ModelDataUrl", "s3://b/m"},
                            {"ModelDataSource", {{"S3DataSource", {{"S3Uri", "s3://b/m/"}}}}}};
  for (const Json& input : {
           Json{{"ModelName", "m"}},
           Json{{"PrimaryContainer", image}, {"Containers", {image}}},
           Json{{"PrimaryContainer", Json::object()}},
           Json{{"PrimaryContainer", both}},
           Json{{"Containers", {image, both}}},
           Json{{"PrimaryContainer", two_sources}},
           Json{{"PrimaryContainer", image}, {"InferenceExecutionConfig", {{"Mode", "Serial"}}}},
       }) {
    EXPECT_NE(refusal([&] { model_document(input, "arn", kNow); }), "") << input;
  }
}

TEST(Digests, AreWrittenWhereTheImageIsKnown) {
  Json specification = {{"Containers", {{{"Image", "known"}}, {{"Image", "elsewhere"}}}}};

  resolve_digests(specification, [](const std::string& image) -> std::optional<std::string> {
    if (image == "known") return "sha256:ab";
    return std::nullopt;
  });

  EXPECT_EQ(specification["Containers"][0]["ImageDigest"], "sha256:ab");
  EXPECT_FALSE(specification["Containers"][1].contains("ImageDigest"));
}

TEST(Digests, MustBeThoseThatTheClientNamed) {
  const auto known = [](const std::string&) { return std::optional<std::string>("sha256:ab"); };
  Json same = {{"Containers", {{{"Image", "a"}, {"ImageDigest", "SHA256:AB"}}}}};
  Json other = {{"Containers", {{{"Image", "a"}, {"ImageDigest", "sha256:cd"}}}}};

  EXPECT_EQ(refusal([&] { resolve_digests(same, known); }), "");
  EXPECT_EQ(refusal([&] { resolve_digests(other, known); }),
            "The image a has the digest sha256:ab, not sha256:cd.");
}

TEST(PackageDocument, AVersionWaitsForApproval) {
  const Json document = package({{"ModelMetrics", {{"Bias", Json::object()}}}});

  EXPECT_EQ(document["ModelApprovalStatus"], "PendingManualApproval");
  EXPECT_EQ(document["ModelPackageArn"], kArn);
  EXPECT_EQ(document["ModelPackageName"], "tumour");
  EXPECT_EQ(document["ModelPackageVersion"], 3);
  EXPECT_EQ(document["ModelPackageStatus"], "Completed");
  EXPECT_TRUE(document.contains("ModelMetrics"));
  EXPECT_EQ(document["CreatedBy"]["IamIdentity"]["Arn"], caller().arn);
  EXPECT_FALSE(described(document).contains("ApprovalHistory"));
}

TEST(PackageDocument, AnUnversionedPackageHasNoApproval) {
  const PackageId id{"", 0, "plain"};
  const Json document =
      package_document({{"ModelPackageName", "plain"}}, id, "arn", caller(), kNow);

  EXPECT_FALSE(document.contains("ModelApprovalStatus"));
  EXPECT_FALSE(document.contains("ModelPackageVersion"));
  EXPECT_TRUE(may_be_served(document));
  EXPECT_NE(refusal([&] {
              package_document({{"ModelApprovalStatus", "Approved"}}, id, "arn", caller(), kNow);
            }),
            "");
}

TEST(Approval, KeepsWhoDecidedWhatAndWhen) {
  Json document = package();

  update_package_document(
      document, {{"ModelApprovalStatus", "Rejected"}, {"ApprovalDescription", "recall too low"}},
      caller("bo"), kNow + 1000);
  update_package_document(document, {{"ModelApprovalStatus", "Approved"}}, caller("cy"),
                          kNow + 2000);

  EXPECT_EQ(document["ModelApprovalStatus"], "Approved");
  EXPECT_FALSE(document.contains("ApprovalDescription")) << "it was the reason for the rejection";
  EXPECT_EQ(document["LastModifiedBy"]["IamIdentity"]["Arn"], caller("cy").arn);
  EXPECT_EQ(document["CreatedBy"]["IamIdentity"]["Arn"], caller().arn);
  const Json& history = document["ApprovalHistory"];
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0]["ModelApprovalStatus"], "PendingManualApproval");
  EXPECT_EQ(history[1], (Json{{"At", 1'700'000'001.0},
                              {"By", caller("bo").arn},
                              {"ModelApprovalStatus", "Rejected"},
                              {"ApprovalDescription", "recall too low"}}));
  EXPECT_EQ(history[2]["By"], caller("cy").arn);
}

TEST(Approval, OtherChangesAreNoDecisions) {
  Json document = package();

  update_package_document(document, {{"SourceUri", "s3://b"}}, caller("bo"), kNow + 1000);

  EXPECT_EQ(document["ApprovalHistory"].size(), 1u);
  EXPECT_EQ(document["SourceUri"], "s3://b");
  EXPECT_EQ(document["LastModifiedTime"], 1'700'000'001.0);
}

TEST(Approval, WhatWasApprovedStaysAsItIs) {
  Json document = package({{"ModelApprovalStatus", "Approved"}});
  const Json other = {{"InferenceSpecification", {{"Containers", {{{"Image", "repo:2"}}}}}}};

  EXPECT_THAT(refusal([&] { update_package_document(document, other, caller(), kNow); }),
              HasSubstr("is approved as it is"));

  document["ModelApprovalStatus"] = "PendingManualApproval";
  update_package_document(document, other, caller(), kNow);
  EXPECT_EQ(document["InferenceSpecification"]["Containers"][0]["Image"], "repo:2");
}

TEST(Approval, IsForVersionsOnly) {
  Json document = package_document({{"ModelPackageName", "plain"}}, PackageId{"", 0, "plain"},
                                   "arn", caller(), kNow);

  EXPECT_NE(
      refusal([&] {
        update_package_document(document, {{"ModelApprovalStatus", "Approved"}}, caller(), kNow);
      }),
      "");
}

TEST(Approval, EventsTellOfChangesOnly) {
  EXPECT_THAT(approval_events("", "PendingManualApproval"), ElementsAre());
  EXPECT_THAT(approval_events("", "Approved"), ElementsAre("ModelPackage.Approved"));
  EXPECT_THAT(approval_events("PendingManualApproval", "Rejected"),
              ElementsAre("ModelPackage.Rejected"));
  EXPECT_THAT(approval_events("Approved", "Approved"), ElementsAre());
  EXPECT_THAT(approval_events("Approved", "PendingManualApproval"), ElementsAre());
}

TEST(Update, MergesMetadata) {
  Json document = package({{"CustomerMetadataProperties", {{"a", "1"}, {"b", "1"}}}});

  update_package_document(document,
                          {{"CustomerMetadataProperties", {{"b", "2"}, {"c", "2"}}},
                           {"CustomerMetadataPropertiesToRemove", {"a", "unknown"}}},
                          caller(), kNow);

  EXPECT_EQ(document["CustomerMetadataProperties"], (Json{{"b", "2"}, {"c", "2"}}));
}

TEST(Update, AddsSpecificationsOfNewNames) {
  Json document = package();
  const Json added = {{"AdditionalInferenceSpecificationsToAdd",
                       {{{"Name", "gpu"}, {"Containers", {{{"Image", "repo:gpu"}}}}}}}};

  update_package_document(document, added, caller(), kNow);

  EXPECT_EQ(document["AdditionalInferenceSpecifications"].size(), 1u);
  EXPECT_NE(refusal([&] { update_package_document(document, added, caller(), kNow); }), "");
}

TEST(ServedContainers, OfAnImageAreItsDefinition) {
  const auto served = served_containers({{"Image", "repo:1"},
                                         {"ModelDataUrl", "s3://b/m.tar.gz"},
                                         {"ContainerHostname", "first"},
                                         {"Environment", {{"A", "1"}}}},
                                        std::nullopt, true);

  ASSERT_EQ(served.size(), 1u);
  EXPECT_EQ(served[0].image, "repo:1");
  EXPECT_EQ(served[0].model_data_url, "s3://b/m.tar.gz");
  EXPECT_EQ(served[0].hostname, "first");
  EXPECT_EQ(served[0].environment.at("A"), "1");
  EXPECT_TRUE(served[0].network);
}

TEST(ServedContainers, OfAPackageArePinnedAndTakeTheModelsEnvironment) {
  const Json document =
      package({{"InferenceSpecification",
                {{"Containers",
                  {{{"Image", "host:5000/repo:1"},
                    {"ImageDigest", "sha256:ab"},
                    {"ModelDataSource", {{"S3DataSource", {{"S3Uri", "s3://b/model/"}}}}},
                    {"Environment", {{"A", "package"}, {"B", "package"}}}}}}}}});

  const auto served = served_containers(
      {{"ModelPackageName", kArn}, {"Environment", {{"B", "model"}}}}, document, false);

  ASSERT_EQ(served.size(), 1u);
  EXPECT_EQ(served[0].image, "host:5000/repo@sha256:ab");
  EXPECT_EQ(served[0].model_data_url, "s3://b/model/");
  EXPECT_EQ(served[0].environment,
            (std::map<std::string, std::string>{{"A", "package"}, {"B", "model"}}));
  EXPECT_FALSE(served[0].network);
}

TEST(ServedContainers, OfANamedSpecificationAreThatOnes) {
  const Json document = package({{"AdditionalInferenceSpecifications",
                                  {{{"Name", "gpu"}, {"Containers", {{{"Image", "repo:gpu"}}}}}}}});
  Json definition = {{"ModelPackageName", kArn}, {"InferenceSpecificationName", "gpu"}};

  EXPECT_EQ(served_containers(definition, document, false)[0].image, "repo:gpu");

  definition["InferenceSpecificationName"] = "tpu";
  EXPECT_THAT(refusal([&] { served_containers(definition, document, false); }),
              HasSubstr("has no inference specification named tpu"));
}

TEST(ServedContainers, NeedAnImage) {
  const Json without =
      package({{"InferenceSpecification", {{"Containers", {{{"ModelDataUrl", "s3://b/m"}}}}}}});
  Json none = package();
  none.erase("InferenceSpecification");

  for (const Json& document : {without, none}) {
    EXPECT_NE(refusal([&] { served_containers(Json::object(), document, false); }), "");
  }
}

TEST(Pinned, ReplacesTagOrDigestAndKeepsThePort) {
  EXPECT_EQ(pinned("repo", "sha256:ab"), "repo@sha256:ab");
  EXPECT_EQ(pinned("repo:1", "sha256:ab"), "repo@sha256:ab");
  EXPECT_EQ(pinned("host:5000/a/b:1", "sha256:AB"), "host:5000/a/b@sha256:ab");
  EXPECT_EQ(pinned("host:5000/a/b", "sha256:ab"), "host:5000/a/b@sha256:ab");
  EXPECT_EQ(pinned("a/b@sha256:cd", "sha256:ab"), "a/b@sha256:ab");
}

}  // namespace
}  // namespace slipway::models
