#include "pipelines/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "pipelines/simulation_for_test.h"

namespace slipway::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using What = Observation::What;
using namespace testing_parts;

Json with(Json step, const char* member, Json value) {
  step[member] = std::move(value);
  return step;
}

Json retries(const char* exception, Json more) {
  more["ExceptionType"] = {exception};
  return Json::array({std::move(more)});
}

TEST(Decide, StartsWhatDependsOnNothingAndThenTheRest) {
  Simulation run(Steps{training("A"), training("B"), training("C", {"A", "B"})});

  run.decide();
  EXPECT_THAT(run.take_effects(), ElementsAre("start A", "start B"));

  run.started("A");
  EXPECT_THAT(run.take_effects(), ElementsAre("look A"));
  run.succeed("A");
  EXPECT_THAT(run.take_effects(), IsEmpty());

  run.started("B");
  run.now += 500;
  run.succeed("B");
  EXPECT_THAT(run.take_effects(), ElementsAre("look B", "start C"));
  EXPECT_EQ(run.state("C").ready, kStart + 500);

  run.succeed("C");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_EQ(run.run->ended, run.now);
}

TEST(Decide, RecordsAStartBeforeItIsMade) {
  Simulation run(Steps{training("A")});

  run.decide();

  ASSERT_EQ(run.effects.size(), 1u);
  const HistoryEvent& event = run.history.back();
  EXPECT_EQ(event.what, Happening::kStepStarting);
  EXPECT_EQ(event.detail["Token"], run.effects[0].token);
  EXPECT_EQ(event.detail["Name"], run.effects[0].name);
  EXPECT_THAT(run.effects[0].name, testing::MatchesRegex("pipelines-abcdefghijkl-A-[a-z0-9]+"));
}

TEST(Decide, StartsAgainUnderTheSameNameAfterACrash) {
  Simulation run(Steps{training("A")});
  run.decide();
  const Effect before = run.effects[0];

  run.restart();
  run.decide();

  ASSERT_EQ(run.effects.size(), 1u);
  EXPECT_EQ(run.effects[0].name, before.name);
  EXPECT_EQ(run.effects[0].token, before.token);
  EXPECT_EQ(run.history.size(), 2u);
}

TEST(Decide, LooksAgainAtWhatRunsAfterACrash) {
  Simulation run(Steps{training("A")});
  run.decide();
  run.started("A");

  run.restart();
  run.decide();

  EXPECT_THAT(run.take_effects(), ElementsAre("look A"));
}

TEST(Decide, LooksOnceMoreAtWhatChangedWhileItLooked) {
  Simulation run(Steps{training("A")});
  run.decide();
  run.started("A");
  run.take_effects();

  run.decide({run.seen("A", What::kCall)});
  EXPECT_THAT(run.take_effects(), IsEmpty());
  run.decide({run.seen("A", What::kRunning)});
  EXPECT_THAT(run.take_effects(), ElementsAre("look A"));

  run.decide({run.seen("A", What::kRunning)});
  run.decide({run.seen("A", What::kCall)});
  EXPECT_THAT(run.take_effects(), ElementsAre("look A"));
}

TEST(Decide, TakesOneBranchOfACondition) {
  Simulation run(
      Steps{condition("C", {{"Get", "Parameters.Count"}}, "2", {training("Yes")}, {training("No")}),
            training("After", {"C"})});

  run.decide();

  EXPECT_THAT(run.take_effects(), ElementsAre("start Yes", "start After"));
  EXPECT_EQ(run.state("C").metadata["Condition"]["Outcome"], "True");
  run.succeed("Yes");
  run.succeed("After");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_EQ(run.phase("No"), Phase::kWaiting);
}

TEST(Decide, SkipsConditionsInABranchThatIsNotTaken) {
  Simulation run(Steps{condition("C", 1, 2, {condition("Inner", 1, 1, {training("Deep")})},
                                 {condition("Other", 1, 1, {training("Taken")})})});

  run.decide();

  EXPECT_THAT(run.take_effects(), ElementsAre("start Taken"));
  run.succeed("Taken");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_EQ(run.phase("Inner"), Phase::kWaiting);
}

TEST(Decide, RecordsEachStepOfAChainOfConditionsByItself) {
  Simulation run(Steps{condition("C1", 1, 1), condition("C2", 1, 1, {}, {}, {"C1"}),
                       condition("C3", 1, 1, {}, {}, {"C2"})});
  const int before = run.decisions;

  run.decide();

  EXPECT_EQ(run.decisions - before, 3);
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_TRUE(run.state("C2").ready && run.state("C2").started && run.state("C2").ended);
}

TEST(Decide, PassesPropertiesOn) {
  Json next = training("B");
  next["Arguments"]["Input"] = {{"Get", "Steps.A.ModelArtifacts.S3ModelArtifacts"}};
  next["Arguments"]["Run"] = {{"Get", "Execution.PipelineExecutionId"}};
  Simulation run(Steps{training("A"), next});
  run.decide();
  run.effects.clear();

  run.succeed("A", {{"ModelArtifacts", {{"S3ModelArtifacts", "s3://lab/m"}}}});

  ASSERT_EQ(run.effects.size(), 1u);
  EXPECT_EQ(run.effects[0].arguments["Input"], "s3://lab/m");
  EXPECT_EQ(run.effects[0].arguments["Run"], "abcdefghijkl");
}

TEST(Decide, FailsAStepWhoseArgumentsHaveNoValue) {
  Json next = training("B");
  next["Arguments"]["Input"] = {{"Get", "Steps.A.Missing"}};
  Simulation run(Steps{training("A"), next});
  run.decide();

  run.succeed("A");

  EXPECT_EQ(run.phase("B"), Phase::kFailed);
  EXPECT_THAT(run.state("B").reason, HasSubstr("the properties of step A lack Missing"));
  EXPECT_EQ(run.run->status, RunStatus::kFailed);
}

TEST(Decide, FailsTheExecutionOnceWhatRunsHasEnded) {
  Simulation run(Steps{training("A"), training("B"), training("C", {"B"})});
  run.decide();
  run.take_effects();

  run.fail_with("A", "AlgorithmError: no data");
  EXPECT_EQ(run.run->status, RunStatus::kExecuting);
  run.succeed("B");

  EXPECT_THAT(run.take_effects(), IsEmpty());
  EXPECT_EQ(run.run->status, RunStatus::kFailed);
  EXPECT_EQ(run.run->failure_reason,
            "Step failure: One or multiple steps failed. A: AlgorithmError: no data");
  EXPECT_EQ(run.phase("C"), Phase::kWaiting);
}

TEST(Decide, EndsWithTheMessageOfAFailStep) {
  Simulation run(Steps{fail(
      "F", {{"Std:Join", {{"On", " "}, {"Values", {"count", {{"Get", "Parameters.Count"}}}}}}})});

  run.decide();

  EXPECT_EQ(run.run->status, RunStatus::kFailed);
  EXPECT_EQ(run.state("F").reason, "count 2");
  EXPECT_EQ(run.state("F").metadata["Fail"]["ErrorMessage"], "count 2");
}

TEST(Decide, KeepsToTheNumberOfStepsAtATime) {
  Simulation run(Steps{training("A"), training("B"), training("C"), condition("D", 1, 1)}, 2);

  run.decide();
  EXPECT_THAT(run.take_effects(), ElementsAre("start A", "start B"));
  EXPECT_EQ(run.phase("D"), Phase::kSucceeded);  // takes no place

  run.succeed("B");
  EXPECT_THAT(run.take_effects(), ElementsAre("start C"));
}

TEST(Decide, RetriesByThePolicyWithGrowingPauses) {
  Simulation run(Steps{with(
      training("A"), "RetryPolicies",
      retries("SageMaker.JOB_INTERNAL_ERROR", {{"IntervalSeconds", 10}, {"MaxAttempts", 2}}))});
  run.decide();
  const std::string first = run.state("A").name;
  run.effects.clear();

  run.fail_with("A", "InternalServerError: x", "SageMaker.JOB_INTERNAL_ERROR");
  EXPECT_EQ(run.phase("A"), Phase::kRetrying);
  EXPECT_EQ(run.wake_at, kStart + 10'000);
  run.now += 9'999;
  run.decide();
  EXPECT_THAT(run.take_effects(), IsEmpty());
  run.now += 1;
  run.decide();
  EXPECT_THAT(run.take_effects(), ElementsAre("start A"));
  EXPECT_NE(run.state("A").name, first);
  EXPECT_EQ(run.state("A").attempt, 2);

  run.fail_with("A", "InternalServerError: x", "SageMaker.JOB_INTERNAL_ERROR");
  EXPECT_EQ(run.wake_at, run.now + 20'000);
  run.now += 20'000;
  run.decide();
  run.fail_with("A", "InternalServerError: x", "SageMaker.JOB_INTERNAL_ERROR");
  EXPECT_EQ(run.run->status, RunStatus::kFailed);
  EXPECT_EQ(run.state("A").attempt, 3);
}

TEST(Decide, RetriesUntilThePolicyExpires) {
  Simulation run(
      Steps{with(training("A"), "RetryPolicies",
                 retries("SageMaker.CAPACITY_ERROR",
                         {{"IntervalSeconds", 40}, {"BackoffRate", 1}, {"ExpireAfterMin", 1}}))});
  run.decide();

  run.fail_with("A", "CapacityError", "SageMaker.CAPACITY_ERROR");
  EXPECT_EQ(run.phase("A"), Phase::kRetrying);
  run.now += 40'000;
  run.decide();
  run.fail_with("A", "CapacityError", "SageMaker.CAPACITY_ERROR");

  EXPECT_EQ(run.phase("A"), Phase::kFailed);
}

TEST(Decide, RetriesThrottlingUnasked) {
  Simulation run(Steps{training("A")});
  run.decide();

  run.fail_with("A", "slow down", "Step.THROTTLING");

  EXPECT_EQ(run.phase("A"), Phase::kRetrying);
}

TEST(Decide, DoesNotRetryWhatNoPolicyNames) {
  Simulation run(Steps{with(training("A"), "RetryPolicies",
                            retries("SageMaker.CAPACITY_ERROR", {{"MaxAttempts", 2}}))});
  run.decide();

  run.fail_with("A", "InternalServerError", "SageMaker.JOB_INTERNAL_ERROR");

  EXPECT_EQ(run.phase("A"), Phase::kFailed);
}

TEST(Decide, WaitsForARetryAcrossACrash) {
  Simulation run(Steps{training("A")});
  run.decide();
  run.fail_with("A", "slow down", "Step.THROTTLING");

  run.restart();
  run.decide();

  EXPECT_THAT(run.take_effects(), IsEmpty());
  EXPECT_EQ(run.wake_at, kStart + 1000);
}

TEST(Decide, IgnoresWhatAnEarlierAttemptSays) {
  Simulation run(Steps{training("A")});
  run.decide();
  const Observation late = run.seen("A", What::kSucceeded);
  run.fail_with("A", "slow down", "Step.THROTTLING");
  run.now += 1000;
  run.decide();

  run.decide({late});

  EXPECT_EQ(run.phase("A"), Phase::kStarting);
}

TEST(Decide, StopsJobsAndStartsNothingMore) {
  Simulation run(Steps{training("A"), training("B"), training("C", {"A"})});
  run.decide();
  run.started("A");
  run.decide({run.seen("A", What::kRunning)});
  run.take_effects();

  Decision decision;
  request_stop(*run.run, run.now, decision);
  advance(*run.run, {}, run.now, decision);
  run.keep(decision);
  EXPECT_EQ(run.run->status, RunStatus::kStopping);
  EXPECT_THAT(run.take_effects(), ElementsAre("stop A"));  // B is being started

  run.started("B");
  EXPECT_THAT(run.take_effects(), ElementsAre("stop B"));
  run.decide({run.seen("A", What::kStopped)});
  run.decide({run.seen("B", What::kStopped)});

  EXPECT_EQ(run.run->status, RunStatus::kStopped);
  EXPECT_EQ(run.phase("A"), Phase::kStopped);
  EXPECT_EQ(run.phase("C"), Phase::kWaiting);
}

TEST(Decide, RefusesToStopWhatDoesNotExecute) {
  Simulation run(Steps{condition("C", 1, 1)});
  run.decide();
  Decision decision;

  try {
    request_stop(*run.run, run.now, decision);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    EXPECT_THAT(error.message(),
                HasSubstr("Only pipelines with 'Executing' status can be stopped"));
  }
  EXPECT_THAT(decision.events, IsEmpty());
}

TEST(Decide, CallsAJobThatSomebodyElseStoppedAFailure) {
  Simulation run(Steps{training("A")});
  run.decide();
  run.started("A");

  run.decide({run.seen("A", What::kStopped)});

  EXPECT_EQ(run.run->status, RunStatus::kFailed);
}

TEST(Decide, RetriesAnExecutionFromWhatFailed) {
  Simulation run(
      Steps{training("A"), training("B", {"A"}), condition("C", 1, 1, {training("D", {"B"})})});
  run.decide();
  run.succeed("A");
  run.fail_with("B", "broken");
  const std::string first = run.state("B").name;
  run.take_effects();
  ASSERT_EQ(run.run->status, RunStatus::kFailed);

  Decision decision;
  request_retry(*run.run, 3, run.now, decision);
  advance(*run.run, {}, run.now, decision);
  run.keep(decision);

  EXPECT_THAT(run.take_effects(), ElementsAre("start B"));
  EXPECT_NE(run.state("B").name, first);
  EXPECT_EQ(run.run->info.parallelism, 3);
  EXPECT_EQ(run.run->status, RunStatus::kExecuting);
  run.succeed("B");
  run.succeed("D");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_THROW(request_retry(*run.run, 0, run.now, decision), Error);
}

TEST(Decide, EndsACallbackWithItsValues) {
  Simulation run(
      Steps{Json{{"Name", "Ask"},
                 {"Type", "Callback"},
                 {"SqsQueueUrl", "q"},
                 {"OutputParameters", {{{"OutputName", "n"}, {"OutputType", "Integer"}}}}}});
  run.decide();
  run.started("Ask");
  Decision decision;

  EXPECT_THROW(answer_callback(*run.run, 0, Json::array(), "", run.now, decision), Error);
  const Json outputs = Json::array({{{"Name", "n"}, {"Value", "5"}}});
  answer_callback(*run.run, 0, outputs, "", run.now, decision);

  EXPECT_EQ(run.state("Ask").output["OutputParameters"]["n"], 5);
  EXPECT_EQ(run.state("Ask").metadata["Callback"]["OutputParameters"], outputs);
  EXPECT_THROW(answer_callback(*run.run, 0, outputs, "", run.now, decision), Error);
}

TEST(Decide, GivesUpACallbackAfterAWeek) {
  Simulation run(Steps{Json{{"Name", "Ask"}, {"Type", "Callback"}, {"SqsQueueUrl", "q"}}});
  run.decide();
  run.started("Ask");
  EXPECT_EQ(run.wake_at, kStart + kCallbackPatience);

  run.now = kStart + kCallbackPatience;
  run.decide();

  EXPECT_EQ(run.run->status, RunStatus::kFailed);
}

TEST(Decide, RunsTheSelectedStepsOnResultsOfAnotherExecution) {
  Json last = training("C", {"B"});
  last["Arguments"]["Input"] = {{"Get", "Steps.A.Uri"}};
  const std::vector<Json> steps{training("A"), training("B"), last};
  Simulation source(steps);
  source.decide();
  source.succeed("A", {{"Uri", "s3://lab/a"}});
  Simulation run(steps, 0, {"C"});
  Decision decision;

  EXPECT_THROW(reuse_steps(*run.run, nullptr, run.now, decision), Error);
  reuse_steps(*run.run, source.run.get(), run.now, decision);
  run.keep(decision);
  run.effects.clear();
  run.decide();

  ASSERT_EQ(run.effects.size(), 1u);
  EXPECT_EQ(run.effects[0].arguments["Input"], "s3://lab/a");
  EXPECT_EQ(run.phase("A"), Phase::kReused);
  EXPECT_EQ(run.phase("B"), Phase::kWaiting);
  run.succeed("C");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
}

TEST(Decide, RefusesASelectionWithAHole) {
  Simulation run(Steps{training("A"), training("B", {"A"}), training("C", {"B"})}, 0, {"A", "C"});
  Decision decision;
  EXPECT_THROW(reuse_steps(*run.run, nullptr, run.now, decision), Error);

  Simulation unknown(Steps{training("A")}, 0, {"Z"});
  EXPECT_THROW(reuse_steps(*unknown.run, nullptr, run.now, decision), Error);
}

TEST(Decide, NamesFitAJob) {
  const std::string name =
      generated_name("pipelines", "abcdefghijkl", "A_step-with-a-name-of-sixty-four-characters", 1);
  EXPECT_LE(name.size(), 63u);
  EXPECT_THAT(name, testing::StartsWith("pipelines-abcdefghijkl-A-step-with"));
  EXPECT_NE(name, generated_name("pipelines", "abcdefghijkl",
                                 "A_step-with-a-name-of-sixty-four-characterz", 1));
  EXPECT_EQ(callback_token("abcdefghijkl", "A", 1).size(), 10u);
}

}  // namespace
}  // namespace slipway::pipelines
