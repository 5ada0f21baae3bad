#include "endpoints/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "endpoints/record.h"
#include "endpoints/simulated_endpoint_for_test.h"

namespace slipway::endpoints {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Fate = SimulatedEndpoint::Fate;

DeploymentPolicy canary(double step, base::Millis wait) {
  DeploymentPolicy policy;
  policy.routing = Routing::kCanary;
  policy.step = step;
  policy.wait = wait;
  return policy;
}

TEST(Decide, BringsANewEndpointIntoServiceOnceEveryReplicaAnswers) {
  SimulatedEndpoint world;

  world.create(3);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.ready(), 3);
  EXPECT_EQ(world.endpoint.config, "first");
  EXPECT_THAT(world.events, ElementsAre("Endpoint.InService"));
}

TEST(Decide, SaysInServiceOnlyOnceTheLoopsRouteTheNewEndpoint) {
  SimulatedEndpoint world;
  world.routed = false;
  world.create();

  EXPECT_EQ(world.endpoint.status, Status::kCreating);
  EXPECT_EQ(shares_of(world.endpoint).next, 1);
  EXPECT_EQ(world.look_again, world.now + world.limits.look_again_routing);
  world.routed = true;
  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kInService);
}

TEST(Decide, EndsAnUpdateOnlyOnceTheLoopsRouteTheNewFleet) {
  SimulatedEndpoint world;
  world.create();
  world.routed = false;

  world.update(Fate::kAnswers);
  world.pass(1000);

  EXPECT_EQ(world.endpoint.status, Status::kUpdating);
  EXPECT_EQ(shares_of(world.endpoint).next, 1);
  EXPECT_EQ(shares_of(world.endpoint).live, 0);
  world.routed = true;
  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.config, "second");
}

TEST(Decide, WaitsForTheLastReplica) {
  SimulatedEndpoint world;
  begin_update(world.endpoint, SimulatedEndpoint::fleet("first", 2), {}, world.now);
  world.fate[1] = Fate::kStaysSilent;
  world.settle();
  world.containers.begin()->second.answers = true;

  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kCreating);
  EXPECT_EQ(count_in(*world.endpoint.next, "AllTraffic", ReplicaPhase::kReady), 1);
}

TEST(Decide, FetchesDataBeforeItStartsAReplica) {
  SimulatedEndpoint world;
  begin_update(world.endpoint, SimulatedEndpoint::fleet("first", 1), {}, world.now);
  world.data_of[1].data = FleetSeen::Data::kBusy;

  world.settle();

  EXPECT_TRUE(world.started.empty());
}

TEST(Decide, FailsACreationWhoseDataCannotBeFetched) {
  SimulatedEndpoint world;
  begin_update(world.endpoint, SimulatedEndpoint::fleet("first", 1), {}, world.now);
  world.data_of[1] = {FleetSeen::Data::kFailed, "Could not find model data at s3://a/b"};

  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kFailed);
  EXPECT_EQ(world.endpoint.failure_reason, "Could not find model data at s3://a/b");
}

TEST(Decide, FailsACreationAfterSoManyExits) {
  SimulatedEndpoint world;
  world.fate[1] = Fate::kExits;
  world.create();

  world.pass(60'000);

  EXPECT_EQ(world.endpoint.status, Status::kFailed);
  EXPECT_EQ(world.started.size(), 3u);
  EXPECT_THAT(world.events, ElementsAre("Endpoint.Failed"));
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("exit code 3"));
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("no such file: model.json"));
  EXPECT_THAT(world.endpoint.failure_reason,
              HasSubstr("aws logs tail /aws/sagemaker/Endpoints/tumour"));
  EXPECT_TRUE(world.containers.empty());
  EXPECT_TRUE(world.endpoint.old.empty());
}

TEST(Decide, FailsACreationThatDoesNotAnswerPingsInTime) {
  SimulatedEndpoint world;
  world.fate[1] = Fate::kStaysSilent;
  world.create();

  world.pass(239'999);
  EXPECT_EQ(world.endpoint.status, Status::kCreating);
  world.pass(1);

  EXPECT_EQ(world.endpoint.status, Status::kFailed);
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("did not answer GET /ping"));
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("240 s"));
}

TEST(Decide, UpdatesInOneStepAndRemovesTheOldFleet) {
  SimulatedEndpoint world;
  world.create(2);

  world.update(Fate::kAnswers, {}, 2);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.config, "second");
  EXPECT_EQ(world.ready(), 2);
  EXPECT_EQ(world.containers.size(), 2u);
  EXPECT_TRUE(world.endpoint.old.empty());
  EXPECT_THAT(world.removed_fleets, ElementsAre(1));
}

TEST(Decide, LeavesTheTrafficWhereItIsUntilTheNewFleetIsComplete) {
  SimulatedEndpoint world;
  world.create();

  world.update(Fate::kStaysSilent);

  EXPECT_EQ(world.endpoint.status, Status::kUpdating);
  EXPECT_EQ(shares_of(world.endpoint).live, 1);
  EXPECT_EQ(world.endpoint.config, "first");
  EXPECT_EQ(world.ready(), 1);
}

TEST(Decide, RollsBackAnUpdateThatDoesNotStart) {
  SimulatedEndpoint world;
  world.create();
  world.update(Fate::kExits);

  world.pass(60'000);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.config, "first");
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("exit code 3"));
  EXPECT_TRUE(world.happened("Endpoint.RolledBack"));
  EXPECT_EQ(world.ready(), 1);
  EXPECT_EQ(world.containers.size(), 1u);
}

TEST(Decide, ShiftsACanaryFirstAndTheRestAfterTheWait) {
  SimulatedEndpoint world;
  world.create();
  world.update(Fate::kAnswers, canary(0.1, 30'000));

  EXPECT_DOUBLE_EQ(shares_of(world.endpoint).next, 0.1);
  world.pass(30'000);
  EXPECT_DOUBLE_EQ(shares_of(world.endpoint).next, 1);
  EXPECT_EQ(world.endpoint.status, Status::kUpdating);
  world.pass(30'000);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.config, "second");
}

TEST(Decide, ShiftsLinearlyStepByStep) {
  SimulatedEndpoint world;
  world.create();
  DeploymentPolicy policy = canary(0.4, 1'000);
  policy.routing = Routing::kLinear;
  world.update(Fate::kAnswers, policy);

  EXPECT_DOUBLE_EQ(shares_of(world.endpoint).next, 0.4);
  world.pass(1'000);
  EXPECT_DOUBLE_EQ(shares_of(world.endpoint).next, 0.8);
  world.pass(1'000);
  EXPECT_DOUBLE_EQ(shares_of(world.endpoint).next, 1);
}

TEST(Decide, RollsBackOnAnAlarmWhileTrafficMoves) {
  SimulatedEndpoint world;
  world.create();
  world.update(Fate::kAnswers, canary(0.1, 30'000));
  world.alarm = true;

  world.settle();

  EXPECT_EQ(world.endpoint.config, "first");
  EXPECT_EQ(shares_of(world.endpoint).live, 1);
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("ALARM"));
}

TEST(Decide, RollsBackAnUpdateThatTakesTooLong) {
  SimulatedEndpoint world;
  world.create();
  DeploymentPolicy policy;
  policy.timeout = 100'000;
  world.update(Fate::kStaysSilent, policy);

  world.pass(100'000);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("100 s"));
}

TEST(Decide, KeepsTheOldFleetForTheTerminationWait) {
  SimulatedEndpoint world;
  world.create();
  DeploymentPolicy policy;
  policy.termination_wait = 60'000;
  world.update(Fate::kAnswers, policy);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  world.pass(59'999);
  EXPECT_EQ(world.containers.size(), 2u);
  world.pass(1);
  EXPECT_EQ(world.containers.size(), 1u);
}

TEST(Decide, StopsNoReplicaWithRequestsInFlight) {
  SimulatedEndpoint world;
  world.create();
  world.containers.begin()->second.in_flight = 1;
  world.update(Fate::kAnswers);

  world.pass(10'000);
  EXPECT_TRUE(world.containers.begin()->second.running);
  world.containers.begin()->second.in_flight = 0;
  world.pass(100);

  EXPECT_EQ(world.containers.size(), 1u);
  EXPECT_EQ(world.ready(), 1);
}

TEST(Decide, DrainsForSoLongAndNoLonger) {
  SimulatedEndpoint world;
  world.create();
  world.containers.begin()->second.in_flight = 1;
  world.update(Fate::kAnswers);

  world.pass(world.limits.drain_at_most);

  EXPECT_EQ(world.containers.size(), 1u);
}

TEST(Decide, ReplacesACrashedReplicaAtOnceTheFirstTime) {
  SimulatedEndpoint world;
  world.create(2);
  world.containers[1].running = false;

  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.ready(), 2);
  EXPECT_FALSE(world.containers.contains(1));
  EXPECT_THAT(world.started, ElementsAre(1, 2, 3));
}

TEST(Decide, WaitsLongerEachTimeAReplicaCrashesAgain) {
  SimulatedEndpoint world;
  world.create();
  world.fate[1] = Fate::kExits;
  world.containers[1].running = false;

  world.settle();
  const std::size_t at_once = world.started.size();
  world.pass(499);
  const std::size_t before = world.started.size();
  world.pass(1);
  const std::size_t second = world.started.size();
  world.pass(600'000);

  EXPECT_EQ(at_once, 2u);
  EXPECT_EQ(before, 2u);
  EXPECT_EQ(second, 3u);
  // 0, 0.5, 1, 2, 4, 8, 16, 32 s, then one a minute.
  EXPECT_NEAR(static_cast<double>(world.started.size()), 18, 2);
  EXPECT_EQ(world.endpoint.status, Status::kInService);
}

TEST(Decide, ForgetsOldFailuresOfAReplicaThatWasStable) {
  SimulatedEndpoint world;
  world.create();
  world.endpoint.live->replicas[0].failures = 7;
  world.now += world.limits.stable_after;
  world.containers[1].running = false;

  world.settle();

  EXPECT_EQ(world.ready(), 1);
  EXPECT_EQ(world.endpoint.live->replicas[0].failures, 1);
}

TEST(Decide, ReplacesAReplicaThatStopsAnsweringPings) {
  SimulatedEndpoint world;
  world.create();
  world.containers[1].bad_pings = 2;
  world.settle();
  EXPECT_TRUE(world.containers.contains(1));

  world.containers[1].bad_pings = 3;
  world.settle();

  EXPECT_FALSE(world.containers.contains(1));
  EXPECT_EQ(world.ready(), 1);
}

TEST(Decide, LeavesAReplicaAloneOfWhichNothingIsKnownYet) {
  SimulatedEndpoint world;
  world.create();
  Observations nothing;  // every replica kBusy
  nothing.fleets[1].data = FleetSeen::Data::kReady;

  const Decision decision = decide(world.endpoint, nothing, world.limits, world.now + 10'000'000);

  EXPECT_FALSE(decision.changed);
  EXPECT_TRUE(decision.actions.empty());
}

TEST(Decide, ScalesUpAndSaysUpdatingMeanwhile) {
  SimulatedEndpoint world;
  world.create();
  world.fate[1] = Fate::kStaysSilent;
  begin_scaling(world.endpoint, {{"AllTraffic", 5, 3}}, world.now);
  world.settle();
  EXPECT_EQ(world.endpoint.status, Status::kUpdating);
  EXPECT_EQ(world.endpoint.live->variants[0].current_weight, 1);

  for (auto& [number, container] : world.containers) container.answers = true;
  world.settle();

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.ready(), 3);
  EXPECT_EQ(world.endpoint.live->variants[0].current_weight, 5);
}

TEST(Decide, ScalesDownByDraining) {
  SimulatedEndpoint world;
  world.create(3);
  begin_scaling(world.endpoint, {{"AllTraffic", 1, 1}}, world.now);
  world.containers[3].in_flight = 1;

  world.settle();
  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.ready(), 1);
  EXPECT_TRUE(world.containers.contains(3));
  world.containers[3].in_flight = 0;
  world.settle();

  EXPECT_EQ(world.containers.size(), 1u);
}

TEST(Decide, GoesBackWhenScalingUpFails) {
  SimulatedEndpoint world;
  world.create();
  world.fate[1] = Fate::kExits;
  begin_scaling(world.endpoint, {{"AllTraffic", 1, 2}}, world.now);

  world.pass(60'000);

  EXPECT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.live->variants[0].desired_count, 1);
  EXPECT_THAT(world.endpoint.failure_reason, HasSubstr("exit code 3"));
  EXPECT_EQ(world.ready(), 1);
  EXPECT_EQ(world.containers.size(), 1u);
}

TEST(Decide, DeletesEverythingInTheEnd) {
  SimulatedEndpoint world;
  world.create(2);
  begin_delete(world.endpoint, world.now);

  world.settle();

  EXPECT_TRUE(world.gone);
  EXPECT_TRUE(world.containers.empty());
  EXPECT_THAT(world.removed_fleets, ElementsAre(1));
  EXPECT_TRUE(world.happened("Endpoint.Deleted"));
}

TEST(Decide, DeletesAFailedEndpoint) {
  SimulatedEndpoint world;
  world.fate[1] = Fate::kExits;
  world.create();
  world.pass(60'000);
  begin_delete(world.endpoint, world.now);

  world.settle();

  EXPECT_TRUE(world.gone);
}

// The server dies after the decision was recorded and before any action of it was done, at each
// step in turn; what it knew of the machine beside the record is lost.
class DecideAfterACrash : public testing::TestWithParam<int> {
 protected:
  // Runs until nothing happens, with a crash at the parameter's step.
  void settle_with_crash(SimulatedEndpoint& world) {
    for (int i = 0; i < 200 && !world.gone; ++i) {
      const bool crash = steps_++ == GetParam();
      const bool did = world.step(crash ? SimulatedEndpoint::Crash::kBeforeActions
                                        : SimulatedEndpoint::Crash::kNo);
      if (crash) world.endpoint = endpoint_of(resource_of(world.endpoint, 1));
      if (!did) return;
    }
  }

 private:
  int steps_ = 0;
};

TEST_P(DecideAfterACrash, CreatesUpdatesAndDeletesAllTheSame) {
  SimulatedEndpoint world;
  begin_update(world.endpoint, SimulatedEndpoint::fleet("first", 2), {}, world.now);
  settle_with_crash(world);
  ASSERT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.containers.size(), 2u);

  begin_update(world.endpoint, SimulatedEndpoint::fleet("second", 1), {}, world.now);
  settle_with_crash(world);
  ASSERT_EQ(world.endpoint.status, Status::kInService);
  EXPECT_EQ(world.endpoint.config, "second");
  EXPECT_EQ(world.containers.size(), 1u);
  EXPECT_EQ(world.started.size(), 3u);  // none twice, none in vain

  begin_delete(world.endpoint, world.now);
  settle_with_crash(world);
  EXPECT_TRUE(world.gone);
  EXPECT_TRUE(world.containers.empty());
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, DecideAfterACrash, testing::Range(0, 24));

TEST(EndpointRecord, KeepsEverythingThatDecisionsNeed) {
  SimulatedEndpoint world;
  world.create(2);
  world.endpoint.last_deployment_config = {{"BlueGreenUpdatePolicy", Json::object()}};
  DeploymentPolicy policy = canary(0.25, 30'000);
  policy.alarms = {"errors"};
  policy.timeout = 600'000;
  world.update(Fate::kAnswers, policy);
  begin_scaling(world.endpoint, {{"AllTraffic", 2, 3}}, world.now);

  const store::Resource resource = resource_of(world.endpoint, 4);

  EXPECT_EQ(resource.status, "Updating");
  EXPECT_EQ(document_of(endpoint_of(resource)), resource.document);
  const Endpoint again = endpoint_of(resource);
  EXPECT_EQ(again.deployment->policy.alarms, policy.alarms);
  EXPECT_DOUBLE_EQ(again.deployment->share, 0.25);
  EXPECT_EQ(again.live->replicas.size(), world.endpoint.live->replicas.size());
  EXPECT_EQ(again.scaling->before.at(0).count, 2);
}

TEST(EndpointRecord, DescribesAPendingDeployment) {
  SimulatedEndpoint world;
  world.create();
  world.update(Fate::kAnswers, canary(0.25, 30'000));

  const Json described = describe(world.endpoint);

  EXPECT_EQ(described["EndpointStatus"], "Updating");
  EXPECT_EQ(described["EndpointConfigName"], "first");
  EXPECT_EQ(described["PendingDeploymentSummary"]["EndpointConfigName"], "second");
  EXPECT_EQ(
      described["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"],
      "ActivatingTraffic");
  EXPECT_DOUBLE_EQ(described["ProductionVariants"][0]["CurrentWeight"].get<double>(), 0.75);
}

}  // namespace
}  // namespace slipway::endpoints
