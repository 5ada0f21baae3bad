#include "endpoints/route_table.h"

#include <gtest/gtest.h>

namespace slipway::endpoints {
namespace {

std::shared_ptr<ReplicaRoute> replica(const std::string& id, unsigned in_flight = 0) {
  auto made = std::make_shared<ReplicaRoute>(id, "A", std::make_shared<VariantMeter>(1), 1);
  made->in_flight = in_flight;
  return made;
}

EndpointRoute endpoint(std::vector<VariantRoute> variants) {
  EndpointRoute route;
  route.in_service = true;
  route.variants = std::move(variants);
  return route;
}

double share_of(const EndpointRoute& route, const VariantRoute* wanted) {
  constexpr int kDraws = 10'000;
  int hits = 0;
  for (int i = 0; i < kDraws; ++i) {
    hits += choose_variant(route, "", (i + 0.5) / kDraws) == wanted;
  }
  return static_cast<double>(hits) / kDraws;
}

TEST(ChooseVariant, SharesByWeight) {
  const EndpointRoute route =
      endpoint({{"A", 3, {replica("a")}}, {"B", 1, {replica("b")}}, {"C", 0, {replica("c")}}});

  EXPECT_NEAR(share_of(route, &route.variants[0]), 0.75, 0.001);
  EXPECT_NEAR(share_of(route, &route.variants[1]), 0.25, 0.001);
  EXPECT_EQ(share_of(route, &route.variants[2]), 0);
}

TEST(ChooseVariant, SharesAlikeWhereAllWeightsAreZero) {
  const EndpointRoute route = endpoint({{"A", 0, {replica("a")}}, {"B", 0, {replica("b")}}});

  EXPECT_NEAR(share_of(route, &route.variants[0]), 0.5, 0.001);
}

TEST(ChooseVariant, PassesOverAVariantWithoutReplicas) {
  const EndpointRoute route = endpoint({{"A", 9, {}}, {"B", 1, {replica("b")}}});

  EXPECT_EQ(share_of(route, &route.variants[1]), 1);
}

TEST(ChooseVariant, TakesTheNamedOneWhateverItsWeight) {
  const EndpointRoute route = endpoint({{"A", 1, {replica("a")}}, {"B", 0, {replica("b")}}});

  EXPECT_EQ(choose_variant(route, "B", 0.5), &route.variants[1]);
  EXPECT_EQ(choose_variant(route, "none", 0.5), nullptr);
}

TEST(ChooseVariant, SharesANameBetweenTheFleetsOfAnUpdate) {
  const EndpointRoute route =
      endpoint({{"A", 0.9, {replica("old")}}, {"A", 0.1, {replica("new")}}});

  EXPECT_EQ(choose_variant(route, "A", 0.5), &route.variants[0]);
  EXPECT_EQ(choose_variant(route, "A", 0.95), &route.variants[1]);
}

TEST(ChooseReplica, TakesTheOneWithFewestRequestsInFlight) {
  const VariantRoute variant{"A", 1, {replica("a", 3), replica("b", 1), replica("c", 2)}};

  const ReplicaRoute* chosen =
      choose_replica(variant, 2, [](const ReplicaRoute&) { return false; });

  EXPECT_EQ(chosen->id, "b");
}

TEST(ChooseReplica, StartsWhereItIsToldAmongEquals) {
  const VariantRoute variant{"A", 1, {replica("a"), replica("b"), replica("c")}};

  const ReplicaRoute* chosen =
      choose_replica(variant, 5, [](const ReplicaRoute&) { return false; });

  EXPECT_EQ(chosen->id, "c");
}

TEST(ChooseReplica, PassesOverTheUnreachableUnlessAllAre) {
  const VariantRoute variant{"A", 1, {replica("a"), replica("b", 9)}};

  EXPECT_EQ(choose_replica(variant, 0, [](const ReplicaRoute& r) { return r.id == "a"; })->id, "b");
  EXPECT_EQ(choose_replica(variant, 0, [](const ReplicaRoute&) { return true; })->id, "a");
}

TEST(VariantMeter, SumsOverTheLoops) {
  VariantMeter meter(3);
  VariantMeter::add(meter.on(0).invocations, 2);
  VariantMeter::add(meter.on(2).invocations, 5);

  EXPECT_EQ(meter.sum().invocations, 7u);
}

}  // namespace
}  // namespace slipway::endpoints
