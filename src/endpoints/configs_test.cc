#include "endpoints/configs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::endpoints {
namespace {

Json blue_green(const char* routing, const char* more = "") {
  return Json::parse(std::string(R"({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": )") +
                     routing + more + "}}");
}

std::string refusal(const Json& config, int replicas) {
  try {
    (void)make_policy(config, replicas);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(MakePolicy, IsAllAtOnceWithoutAConfig) {
  const DeploymentPolicy policy = make_policy(Json(), 3);

  EXPECT_EQ(policy.routing, Routing::kAllAtOnce);
  EXPECT_EQ(policy.step, 1);
  EXPECT_EQ(policy.wait, 0);
}

TEST(MakePolicy, TurnsSizesIntoShares) {
  const DeploymentPolicy percent =
      make_policy(blue_green(R"({"Type": "CANARY", "WaitIntervalInSeconds": 30,
                     "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}})"),
                  4);
  const DeploymentPolicy count =
      make_policy(blue_green(R"({"Type": "LINEAR", "WaitIntervalInSeconds": 5,
                     "LinearStepSize": {"Type": "INSTANCE_COUNT", "Value": 1}})",
                             R"(, "TerminationWaitInSeconds": 7)"),
                  4);

  EXPECT_EQ(percent.routing, Routing::kCanary);
  EXPECT_DOUBLE_EQ(percent.step, 0.1);
  EXPECT_EQ(percent.wait, 30'000);
  EXPECT_EQ(count.routing, Routing::kLinear);
  EXPECT_DOUBLE_EQ(count.step, 0.25);
  EXPECT_EQ(count.termination_wait, 7'000);
}

TEST(MakePolicy, CarriesARollingUpdateOutLinearly) {
  const DeploymentPolicy policy =
      make_policy(Json::parse(R"({"RollingUpdatePolicy": {"MaximumBatchSize":
          {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 9}})"),
                  4);

  EXPECT_EQ(policy.routing, Routing::kLinear);
  EXPECT_DOUBLE_EQ(policy.step, 0.5);
  EXPECT_EQ(policy.wait, 9'000);
}

TEST(MakePolicy, RefusesSizesOutOfRange) {
  EXPECT_THAT(refusal(blue_green(R"({"Type": "CANARY", "WaitIntervalInSeconds": 0, "CanarySize":
                  {"Type": "CAPACITY_PERCENT", "Value": 51}})"),
                      4),
              testing::HasSubstr("50 %"));
  EXPECT_THAT(refusal(blue_green(R"({"Type": "CANARY", "WaitIntervalInSeconds": 0})"), 4),
              testing::HasSubstr("CanarySize"));
  EXPECT_THAT(refusal(blue_green(R"({"Type": "LINEAR", "WaitIntervalInSeconds": 0,
                  "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 5}})"),
                      4),
              testing::HasSubstr("10 %"));
}

TEST(MakePolicy, RefusesATimeoutShorterThanTheWaits) {
  EXPECT_THAT(refusal(blue_green(R"({"Type": "CANARY", "WaitIntervalInSeconds": 300, "CanarySize":
                  {"Type": "CAPACITY_PERCENT", "Value": 10}})",
                                 R"(, "MaximumExecutionTimeoutInSeconds": 600)"),
                      4),
              testing::HasSubstr("600 s"));
}

TEST(RetainProperties, KeepsWhatIsNotExcluded) {
  Fleet live;
  live.variants.resize(1);
  live.variants[0].name = "A";
  live.variants[0].desired_count = 5;
  live.variants[0].desired_weight = 3;
  Fleet next = live;
  next.variants[0].desired_count = 1;
  next.variants[0].desired_weight = 1;

  retain_properties(next, live, {"DesiredWeight"});

  EXPECT_EQ(next.variants[0].desired_count, 5);
  EXPECT_EQ(next.variants[0].desired_weight, 1);
}

}  // namespace
}  // namespace slipway::endpoints
