// Lambda steps: what is decided around an invocation that must not happen twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipelines/simulation_for_test.h"

namespace slipway::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using What = Observation::What;
using namespace testing_parts;

Json retried(Json step) {
  step["RetryPolicies"].push_back({{"ExceptionType", {"Step.SERVICE_FAULT"}}, {"MaxAttempts", 1}});
  return step;
}

Observation interrupted(const Simulation& run, const std::string& step) {
  Observation seen = run.seen(step, What::kFailed);
  seen.reason = "The server ended while the function ran";
  seen.exception = "Step.SERVICE_FAULT";
  seen.may_have_run = true;
  return seen;
}

TEST(DecideFunctions, AsksAgainWithTheSameTokenAfterACrash) {
  Simulation run(Steps{function("F")});
  run.decide();
  const std::string token = run.effects[0].token;

  run.restart();
  run.decide();

  ASSERT_EQ(run.effects.size(), 1u);
  EXPECT_EQ(run.effects[0].token, token);
  EXPECT_FALSE(token.empty());
}

TEST(DecideFunctions, ForgetsAnInvocationOnceItsEndIsRecorded) {
  Simulation run(Steps{function("F"), function("G", {"F"})});
  run.decide();
  const std::string token = run.effects[0].token;
  run.take_effects();

  run.succeed("F");

  ASSERT_FALSE(run.effects.empty());
  EXPECT_EQ(run.effects[0].token, token);
  EXPECT_THAT(run.take_effects(), ElementsAre("forget F", "start G"));
  run.fail_with("G", "ValueError");
  EXPECT_THAT(run.take_effects(), ElementsAre("forget G"));
}

TEST(DecideFunctions, DoesNotInvokeUnaskedWhatMayHaveRun) {
  Simulation run(Steps{function("F")});
  run.decide();

  run.decide({interrupted(run, "F")});

  EXPECT_EQ(run.run->status, RunStatus::kFailed);
  EXPECT_THAT(run.run->failure_reason, HasSubstr("F: The server ended while the function ran"));
}

TEST(DecideFunctions, RetriesWhatMayHaveRunWhereThePolicyNamesIt) {
  Simulation run(Steps{retried(function("F"))});
  run.decide();
  const std::string token = run.effects[0].token;
  run.take_effects();

  run.decide({interrupted(run, "F")});
  EXPECT_EQ(run.phase("F"), Phase::kRetrying);
  EXPECT_THAT(run.take_effects(), ElementsAre("forget F"));
  run.now += 1000;
  run.decide();

  EXPECT_EQ(run.state("F").attempt, 2);
  ASSERT_EQ(run.effects.size(), 1u);
  EXPECT_NE(run.effects[0].token, token) << "a new attempt is another invocation";
  run.decide({interrupted(run, "F")});
  EXPECT_EQ(run.run->status, RunStatus::kFailed);
}

TEST(DecideFunctions, InvokesNothingForAnExecutionThatStops) {
  Simulation run(Steps{function("F")});
  run.decide();
  Decision decision;
  request_stop(*run.run, run.now, decision);
  run.keep(decision);

  run.restart();
  run.decide();

  EXPECT_THAT(run.take_effects(), ElementsAre("forget F"));
  EXPECT_EQ(run.run->status, RunStatus::kStopped);
}

}  // namespace
}  // namespace slipway::pipelines
