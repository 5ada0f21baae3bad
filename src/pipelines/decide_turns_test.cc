// Steps that wait until others have changed what they are to change themselves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipelines/simulation_for_test.h"

namespace slipway::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using What = Observation::What;
using namespace testing_parts;

Json endpoint() {
  return {{"Name", "E"},
          {"Type", "Endpoint"},
          {"Arguments", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}}}};
}

Observation not_yet(const Simulation& run) {
  Observation seen = run.seen("E", What::kNotYet);
  seen.reason = "the endpoint was Updating";
  return seen;
}

TEST(DecideTurns, AsksAgainUntilItIsItsTurn) {
  Simulation run(Steps{endpoint()});
  run.decide();
  EXPECT_THAT(run.take_effects(), ElementsAre("start E"));

  run.decide({not_yet(run)});
  EXPECT_THAT(run.take_effects(), IsEmpty());
  EXPECT_EQ(run.wake_at, run.now + kTurnPause);
  run.decide();
  EXPECT_THAT(run.take_effects(), IsEmpty()) << "not before its time";

  run.now += kTurnPause;
  run.decide();
  EXPECT_THAT(run.take_effects(), ElementsAre("start E"));
  run.started("E");
  run.succeed("E");
  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  EXPECT_EQ(run.state("E").attempt, 1);
}

TEST(DecideTurns, AsksAgainAfterACrash) {
  Simulation run(Steps{endpoint()});
  run.decide();
  run.decide({not_yet(run)});

  run.restart();
  run.decide();

  EXPECT_THAT(run.take_effects(), ElementsAre("start E"));
}

TEST(DecideTurns, GivesUpAtLast) {
  Simulation run(Steps{endpoint()});
  run.decide();
  run.now += kTurnPatience - 1;
  run.decide({not_yet(run)});
  EXPECT_EQ(run.phase("E"), Phase::kStarting);
  run.now += kTurnPause;
  run.decide();

  run.decide({not_yet(run)});

  EXPECT_EQ(run.run->status, RunStatus::kFailed);
  EXPECT_THAT(run.run->failure_reason,
              HasSubstr("not this step's turn within 8 hours: the endpoint was Updating"));
}

TEST(DecideTurns, StopsWhatOnlyWaitsForItsTurn) {
  Simulation run(Steps{endpoint()});
  run.decide();
  run.decide({not_yet(run)});
  run.take_effects();

  Decision decision;
  request_stop(*run.run, run.now, decision);
  run.keep(decision);
  run.decide();

  EXPECT_THAT(run.take_effects(), IsEmpty());
  EXPECT_EQ(run.run->status, RunStatus::kStopped);
}

TEST(DecideTurns, NamesWhatItStartsByTheTimeOfTheStart) {
  Json step = endpoint();
  step["Arguments"]["EndpointConfigName"] = {
      {"Std:Join", {{"On", "-"}, {"Values", {"c", {{"Get", "Execution.CurrentDateTime"}}}}}}};
  Simulation run(Steps{step});
  run.decide();
  const Json asked = run.effects.back().arguments;

  run.restart();
  run.now += 60'000;
  run.decide();
  EXPECT_EQ(run.effects.back().arguments, asked) << "the start that a crash repeats";
  run.started("E");
  EXPECT_EQ(run.effects.back().what, Effect::What::kLook);
  EXPECT_EQ(run.effects.back().arguments, asked) << "the look at what it started";
}

}  // namespace
}  // namespace slipway::pipelines
