#include "pipelines/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "pipelines/fake_services_for_test.h"
#include "pipelines/requests.h"
#include "pipelines/simulation_for_test.h"
#include "store/outbox.h"

namespace slipway::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_parts;

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
  }

  static Json request(const std::string& name) {
    return {{"PipelineName", name},
            {"RoleArn", "arn:aws:iam::123456789012:role/r"},
            {"PipelineDefinition", text_of_definition({condition("C", 1, 1)})}};
  }

  Json create(const std::string& name, Json more = Json::object()) {
    Json input = request(name);
    input.update(more);
    return catalog_.create(caller(), input);
  }

  std::vector<std::string> names(const Json& query) const {
    std::vector<std::string> found;
    Json input = query;
    do {
      const Json page = catalog_.list(kAccount, input);
      for (const Json& each : page["PipelineSummaries"]) found.push_back(each["PipelineName"]);
      input["NextToken"] = base::text_or(page, "NextToken");
    } while (!base::text_or(input, "NextToken").empty());
    return found;
  }

  template <class Work>
  static std::string refusal(Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.code() + ": " + error.message();
    }
    return "accepted";
  }

  const std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  const base::SystemClock clock_;
  PipelineStore store_{*database_, clock_};
  FakeServices services_;
  Catalog catalog_{
      store_, clock_,
      [](const std::string&, const std::string&, const std::string& key, std::uint64_t) {
        if (key != "p.json") throw Error("NoSuchKey", "There is none", 404);
        return text_of_definition({condition("FromS3", 1, 1)});
      },
      "us-east-1"};
  Executor executor_{store_, clock_, services_, {}};
  Executions executions_{store_, clock_, catalog_, executor_, 50};
};

TEST_F(CatalogTest, DescribesWhatWasCreated) {
  const Json made = create("Demo", {{"PipelineDescription", "d"}});

  const Json found = catalog_.describe(kAccount, made.contains("PipelineArn")
                                                     ? Json{{"PipelineName", made["PipelineArn"]}}
                                                     : Json::object());

  EXPECT_EQ(made["PipelineArn"], "arn:aws:sagemaker:us-east-1:123456789012:pipeline/demo");
  EXPECT_EQ(found["PipelineName"], "Demo");
  EXPECT_EQ(found["PipelineDescription"], "d");
  EXPECT_EQ(found["PipelineStatus"], "Active");
  EXPECT_EQ(found["PipelineDefinition"], text_of_definition({condition("C", 1, 1)}));
}

TEST_F(CatalogTest, TellsAnExistingNameFromARepeatedRequest) {
  const Json token{{"ClientRequestToken", "one"}};
  const Json first = create("Demo", token);

  EXPECT_EQ(create("Demo", token), first);
  EXPECT_THAT(refusal([&] { create("Demo"); }),
              HasSubstr("ValidationException: Pipeline names must"));
  EXPECT_THAT(refusal([&] { create("demo"); }), HasSubstr("already exists"));
}

TEST_F(CatalogTest, SaysThatAPipelineDoesNotExist) {
  EXPECT_THAT(refusal([&] {
                catalog_.describe(kAccount, {{"PipelineName", "None"}});
              }),
              HasSubstr("ResourceNotFound: Pipeline 'arn:aws:sagemaker:us-east-1:123456789012:"
                        "pipeline/none' does not exist."));
}

TEST_F(CatalogTest, KeepsEachVersion) {
  create("Demo");
  const Json updated = catalog_.update(
      caller(), {{"PipelineName", "Demo"},
                 {"PipelineDefinitionS3Location", {{"Bucket", "lab"}, {"ObjectKey", "p.json"}}}});
  catalog_.update_version(kAccount, {{"PipelineArn", updated["PipelineArn"]},
                                     {"PipelineVersionId", 1},
                                     {"PipelineVersionDisplayName", "first"}});

  EXPECT_EQ(updated["PipelineVersionId"], 2);
  const Json old =
      catalog_.describe(kAccount, {{"PipelineName", "Demo"}, {"PipelineVersionId", 1}});
  EXPECT_EQ(old["PipelineVersionDisplayName"], "first");
  EXPECT_THAT(base::text_or(old, "PipelineDefinition"), HasSubstr("\"C\""));
  const Json latest = catalog_.describe(kAccount, {{"PipelineName", "Demo"}});
  EXPECT_THAT(base::text_or(latest, "PipelineDefinition"), HasSubstr("FromS3"));
  const Json page = catalog_.list_versions(kAccount, {{"PipelineName", "Demo"}, {"MaxResults", 1}});
  EXPECT_EQ(page["PipelineVersionSummaries"][0]["PipelineVersionId"], 2);
  const Json rest = catalog_.list_versions(
      kAccount, {{"PipelineName", "Demo"}, {"MaxResults", 1}, {"NextToken", page["NextToken"]}});
  EXPECT_EQ(rest["PipelineVersionSummaries"][0]["PipelineVersionId"], 1);
  EXPECT_FALSE(rest.contains("NextToken"));
}

TEST_F(CatalogTest, RefusesAnUpdateThatDoesNotParse) {
  create("Demo");

  EXPECT_THAT(refusal([&] {
                catalog_.update(caller(), {{"PipelineName", "Demo"}, {"PipelineDefinition", "{}"}});
              }),
              HasSubstr("Unable to parse pipeline definition"));
  EXPECT_THAT(refusal([&] {
                catalog_.update(caller(), {{"PipelineName", "Demo"},
                                           {"PipelineDefinitionS3Location",
                                            {{"Bucket", "lab"}, {"ObjectKey", "none"}}}});
              }),
              HasSubstr("Unable to read pipeline definition from S3"));
}

TEST_F(CatalogTest, ListsByPrefixPageByPage) {
  for (const char* name : {"train-a", "train-b", "deploy-train", "train-c"}) create(name);

  EXPECT_THAT(names({{"PipelineNamePrefix", "Train"},
                     {"SortBy", "Name"},
                     {"SortOrder", "Ascending"},
                     {"MaxResults", 2}}),
              ElementsAre("train-a", "train-b", "train-c"));
}

TEST_F(CatalogTest, DeletesAPipelineWithItsExecutionsOnceTheyEnded) {
  create("Demo");
  const std::string arn = base::text_or(
      executions_.start(kAccount, {{"PipelineName", "Demo"}}, nullptr), "PipelineExecutionArn");
  EXPECT_THAT(refusal([&] {
                catalog_.remove(kAccount, {{"PipelineName", "Demo"}});
              }),
              HasSubstr("ConflictException"));
  executor_.start();
  ASSERT_TRUE(services_.eventually(
      [&] { return executions_.summary(kAccount, arn)->status == "Succeeded"; }));

  catalog_.remove(kAccount, {{"PipelineName", "Demo"}});

  EXPECT_FALSE(executions_.summary(kAccount, arn));
  EXPECT_THAT(names(Json::object()), testing::IsEmpty());
  EXPECT_EQ(create("Demo")["PipelineArn"],
            "arn:aws:sagemaker:us-east-1:123456789012:pipeline/demo");
}

TEST(Requests, MakesOfParametersWhatTheModelAsksFor) {
  const Requests requests;

  const Json checked = requests.checked(
      "CreateModel", {{"ModelName", "m"},
                      {"ExecutionRoleArn", "arn:aws:iam::123456789012:role/r"},
                      {"PrimaryContainer", {{"Image", "i"}, {"Environment", {{"DEPTH", 3}}}}},
                      {"EnableNetworkIsolation", "True"},
                      {"NotInTheModel", 1}});

  EXPECT_EQ(checked["PrimaryContainer"]["Environment"]["DEPTH"], "3");
  EXPECT_EQ(checked["EnableNetworkIsolation"], true);
  EXPECT_FALSE(checked.contains("NotInTheModel"));
  EXPECT_THROW(requests.checked("CreateModel", Json::object()), Error);
}

TEST(Requests, FindsResultsByWhatMatters) {
  Step step;
  step.type = StepType::kProcessing;
  const auto key = [&](const char* image, const char* uri, const char* name) {
    return cache_key(step,
                     {{"ProcessingJobName", name},
                      {"AppSpecification", {{"ImageUri", image}}},
                      {"ProcessingOutputConfig",
                       {{"Outputs", {{{"OutputName", "o"}, {"S3Output", {{"S3Uri", uri}}}}}}}}},
                     nullptr);
  };

  EXPECT_EQ(key("i", "s3://a", "n"), key("i", "s3://b", "m"));
  EXPECT_NE(key("i", "s3://a", "n"), key("j", "s3://a", "n"));
}

}  // namespace
}  // namespace slipway::pipelines
