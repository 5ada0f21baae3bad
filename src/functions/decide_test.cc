#include "functions/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::functions {
namespace {

using namespace std::chrono_literals;

std::string parsed(const std::string& text) {
  const auto reference = parse_reference(text);
  if (!reference) return "none";
  return reference->account + "|" + reference->name + "|" + reference->qualifier;
}

TEST(Reference, IsANameAQualifiedNameOrAnArn) {
  EXPECT_EQ(parsed("a-b_1"), "|a-b_1|");
  EXPECT_EQ(parsed("a:live"), "|a|live");
  EXPECT_EQ(parsed("a:$LATEST"), "|a|$LATEST");
  EXPECT_EQ(parsed("function:a"), "|a|");
  EXPECT_EQ(parsed("123456789012:function:a"), "123456789012|a|");
  EXPECT_EQ(parsed("123456789012:function:a:3"), "123456789012|a|3");
  EXPECT_EQ(parsed("arn:aws:lambda:us-east-1:123456789012:function:a"), "123456789012|a|");
  EXPECT_EQ(parsed("arn:aws:lambda:us-east-1:123456789012:function:a:live"), "123456789012|a|live");
}

TEST(Reference, IsNotAnythingElse) {
  EXPECT_EQ(parsed(""), "none");
  EXPECT_EQ(parsed("a/b"), "none");
  EXPECT_EQ(parsed("a:b:c"), "none");
  EXPECT_EQ(parsed("12:function:a"), "none");
  EXPECT_EQ(parsed("arn:aws:lambda:us-east-1:123456789012:function:"), "none");
  EXPECT_EQ(parsed(std::string(65, 'a')), "none");
}

Load calm() { return {.limit_own = 10, .limit_containers = 64}; }

TEST(Place, ReusesAWarmContainer) {
  Load load = calm();
  load.warm = true;
  load.idle_own = load.live = 1;
  EXPECT_EQ(place(load), Placement::kReuse);
}

TEST(Place, StartsOneWhereNoneIsWarm) { EXPECT_EQ(place(calm()), Placement::kStart); }

TEST(Place, ThrottlesAFunctionAtItsLimit) {
  Load load = calm();
  load.busy_own = load.live = 10;
  EXPECT_EQ(place(load), Placement::kThrottleFunction);
}

TEST(Place, ThrottlesEvenAWarmOneAtReservedZero) {
  Load load = calm();
  load.limit_own = 0;
  load.warm = true;
  load.idle_own = load.live = 1;
  EXPECT_EQ(place(load), Placement::kThrottleFunction);
}

TEST(Place, ReplacesOldRevisionsWithinTheLimit) {
  Load load = calm();
  load.busy_own = 4;
  load.idle_own = 6;
  load.live = 10;
  EXPECT_EQ(place(load), Placement::kReplaceOwn);
}

TEST(Place, TakesTheContainerOfAnotherFunctionOnAFullServer) {
  Load load = calm();
  load.live = 64;
  load.idle_others = 1;
  EXPECT_EQ(place(load), Placement::kReplaceOther);
}

TEST(Place, ThrottlesWhereEverythingIsBusy) {
  Load load = calm();
  load.live = 64;
  EXPECT_EQ(place(load), Placement::kThrottleServer);
}

TEST(Retry, ComesTwiceAndThenNotAnyMore) {
  const std::vector<std::chrono::milliseconds> pauses = {60s, 120s};
  EXPECT_EQ(pause_after_failure(1, pauses), 60'000);
  EXPECT_EQ(pause_after_failure(2, pauses), 120'000);
  EXPECT_EQ(pause_after_failure(3, pauses), std::nullopt);
}

TEST(Retry, WaitsLongerForAContainerTheLongerItHasWaited) {
  EXPECT_EQ(pause_after_throttle(0), 1'000);
  EXPECT_EQ(pause_after_throttle(4'000), 4'000);
  EXPECT_EQ(pause_after_throttle(3'600'000), 300'000);
  EXPECT_EQ(pause_after_throttle(6 * 3'600'000), std::nullopt);
}

TEST(Alias, SplitsCallsByWeight) {
  const Json alias = {{"FunctionVersion", "1"},
                      {"RoutingConfig", {{"AdditionalVersionWeights", {{"2", 0.25}}}}}};
  EXPECT_EQ(version_of_alias(alias, 0.1), "2");
  EXPECT_EQ(version_of_alias(alias, 0.3), "1");
  EXPECT_EQ(version_of_alias({{"FunctionVersion", "7"}}, 0.0), "7");
}

TEST(Matches, KnowsStarsAndQuestionMarks) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("arn:aws:s3:::b*", "arn:aws:s3:::bucket"));
  EXPECT_TRUE(matches("a?c*d", "abcxxd"));
  EXPECT_TRUE(matches("*b*b", "aabab"));
  EXPECT_FALSE(matches("a", "ab"));
  EXPECT_FALSE(matches("a?", "a"));
  EXPECT_FALSE(matches("", "a"));
}

constexpr const char* kTopic = "arn:aws:sns:us-east-1:123456789012:done";

Json statements(const Json& request) {
  Json full = {{"StatementId", "s"}, {"Action", "lambda:InvokeFunction"}};
  full.update(request);
  return Json::array({statement_of(full, "arn:aws:lambda:us-east-1:123456789012:function:f")});
}

TEST(Permits, AServiceForItsSource) {
  const Json policy = statements({{"Principal", "sns.amazonaws.com"}, {"SourceArn", kTopic}});
  EXPECT_TRUE(permits(policy, "sns.amazonaws.com", kTopic));
  EXPECT_FALSE(permits(policy, "s3.amazonaws.com", kTopic));
  EXPECT_FALSE(permits(policy, "sns.amazonaws.com", std::string(kTopic) + "-other"));
  EXPECT_FALSE(permits(Json::array(), "sns.amazonaws.com", kTopic));
}

TEST(Permits, OnlySourcesOfTheAccount) {
  const Json policy =
      statements({{"Principal", "sns.amazonaws.com"}, {"SourceAccount", "111111111111"}});
  EXPECT_FALSE(permits(policy, "sns.amazonaws.com", kTopic));
  EXPECT_TRUE(permits(policy, "sns.amazonaws.com", "arn:aws:sns:us-east-1:111111111111:done"));
}

TEST(Permits, NothingByAConditionItCannotKnow) {
  const Json policy =
      statements({{"Principal", "sns.amazonaws.com"}, {"PrincipalOrgID", "o-1234567890"}});
  EXPECT_FALSE(permits(policy, "sns.amazonaws.com", kTopic));
}

TEST(Statement, NeedsAPrincipalThatIsOne) {
  EXPECT_EQ(statements({{"Principal", "123456789012"}})[0]["Principal"]["AWS"],
            "arn:aws:iam::123456789012:root");
  EXPECT_THROW(statements({{"Principal", "somebody"}}), Error);
}

TEST(Lines, AreLambdas) {
  EXPECT_EQ(timeout_text(3s), "Task timed out after 3.00 seconds");
  EXPECT_EQ(report_line("r", 12.345, 128, std::nullopt),
            "REPORT RequestId: r\tDuration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB");
  EXPECT_EQ(log_stream(1'700'000'000'000, "$LATEST", "ab"), "2023/11/14/[$LATEST]ab");
  EXPECT_EQ(last_modified(1'700'000'000'000), "2023-11-14T22:13:20.000+0000");
}

}  // namespace
}  // namespace slipway::functions
