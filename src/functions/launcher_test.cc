#include "functions/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "functions/output_tail.h"

namespace slipway::functions {
namespace {

using testing::ElementsAre;

Target python() {
  return {.account = "123456789012",
          .name = "f",
          .version = "3",
          .arn = "",
          .revision = "r",
          .configuration = {{"PackageType", "Zip"},
                            {"Runtime", "python3.11"},
                            {"Handler", "app.handler"},
                            {"MemorySize", 256}},
          .code = nullptr,
          .reserved = std::nullopt};
}

LaunchFacts facts() {
  LaunchFacts facts;
  facts.region = "eu-west-1";
  facts.url = "http://127.0.0.1:4700";
  facts.runtime_port = 4711;
  facts.token = "cafe";
  facts.python = "/usr/bin/python3.11";
  return facts;
}

TEST(PlanLaunch, TrustsTheMountedBundleUnlessToldOtherwise) {
  Target target = python();
  LaunchFacts with = facts();
  with.ca_bundle = true;
  with.image.environment = {"AWS_CA_BUNDLE=/image.pem", "SSL_CERT_FILE_OTHER=x"};
  target.configuration["Environment"] = {{"Variables", {{"REQUESTS_CA_BUNDLE", "/own.pem"}}}};

  const LaunchPlan plan = plan_launch(target, with);

  EXPECT_EQ(plan.environment.at("SSL_CERT_FILE"), "/opt/slipway/ca-bundle.pem");
  EXPECT_EQ(plan.environment.at("REQUESTS_CA_BUNDLE"), "/own.pem");
  EXPECT_EQ(plan.environment.count("AWS_CA_BUNDLE"), 0u);
  EXPECT_EQ(plan_launch(target, facts()).environment.count("SSL_CERT_FILE"), 0u);
}

TEST(PlanLaunch, RunsPythonByTheBootstrap) {
  const LaunchPlan plan = plan_launch(python(), facts());

  EXPECT_THAT(plan.arguments,
              ElementsAre("/usr/bin/python3.11", "/var/runtime/slipway_bootstrap.py"));
  EXPECT_EQ(plan.working_directory, "/var/task");
  EXPECT_EQ(plan.environment.at("AWS_LAMBDA_RUNTIME_API"), "127.0.0.1:4711/cafe");
  EXPECT_EQ(plan.environment.at("AWS_ENDPOINT_URL"), "http://127.0.0.1:4700");
  EXPECT_EQ(plan.environment.at("AWS_DISABLE_HOST_PREFIX_INJECTION"), "true");
  EXPECT_EQ(plan.environment.at("AWS_LAMBDA_FUNCTION_VERSION"), "3");
  EXPECT_EQ(plan.environment.at("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "256");
}

TEST(PlanLaunch, RunsABootstrapAsItIs) {
  Target target = python();
  target.configuration["Runtime"] = "provided.al2";

  EXPECT_THAT(plan_launch(target, facts()).arguments, ElementsAre("/var/task/bootstrap"));
}

TEST(PlanLaunch, RelaysForABootstrapWithoutNetwork) {
  Target target = python();
  target.configuration["Runtime"] = "provided";
  target.configuration["Environment"]["Variables"] = {{"SLIPWAY_NETWORK", "none"}};

  const LaunchPlan plan = plan_launch(target, facts());

  EXPECT_THAT(plan.arguments,
              ElementsAre("python3", "/var/runtime/slipway_relay.py", "/var/task/bootstrap"));
  EXPECT_EQ(plan.environment.at("AWS_LAMBDA_RUNTIME_API"), "127.0.0.1:9001/cafe");
  EXPECT_FALSE(plan.environment.contains("AWS_ENDPOINT_URL")) << "it cannot reach the server";
}

TEST(PlanLaunch, LaysImageConfigOverTheImage) {
  Target target = python();
  target.configuration = {
      {"PackageType", "Image"},
      {"ImageConfigResponse",
       {{"ImageConfig", {{"Command", {"app.other"}}, {"WorkingDirectory", "/work"}}}}}};
  LaunchFacts given = facts();
  given.image.entrypoint = {"/entry"};
  given.image.command = {"app.handler"};

  const LaunchPlan plan = plan_launch(target, given);

  EXPECT_THAT(plan.arguments, ElementsAre("/entry", "app.other"));
  EXPECT_EQ(plan.working_directory, "/work");
  EXPECT_EQ(plan.environment.at("_HANDLER"), "app.other");
  EXPECT_FALSE(plan.environment.contains("PATH")) << "the image's own";
}

TEST(PlanLaunch, LetsTheFunctionsVariablesWin) {
  Target target = python();
  target.configuration["Environment"]["Variables"] = {{"AWS_ENDPOINT_URL", "http://other"}};

  EXPECT_EQ(plan_launch(target, facts()).environment.at("AWS_ENDPOINT_URL"), "http://other");
}

TEST(SessionName, IsLongEnoughForStsWhateverTheFunctionsName) {
  EXPECT_EQ(session_name("trigger-dag"), "trigger-dag");
  EXPECT_EQ(session_name("f"), "f-lambda");
}

TEST(OutputTail, ShowsTheTextsOfALog) {
  EXPECT_EQ(texts_of_log("1700000000000 O one\n1700000000001 E two words\nodd\n"),
            "one\ntwo words\nodd\n");
  EXPECT_EQ(texts_of_log(""), "");
}

}  // namespace
}  // namespace slipway::functions
