// Graphs of any shape, with crashes anywhere.

#include <random>

#include <gtest/gtest.h>

#include "pipelines/decide.h"
#include "pipelines/simulation_for_test.h"

namespace slipway::pipelines {
namespace {

using namespace testing_parts;

// Any graph: every step runs once, after everything that it depends on, whatever the order in
// which steps end and however often the server dies.
class AnyGraph : public testing::TestWithParam<unsigned> {};

TEST_P(AnyGraph, RunsEachStepOnceAfterItsDependencies) {
  std::mt19937 random(GetParam());
  const auto pick = [&](std::size_t below) { return random() % below; };
  std::vector<Json> steps;
  const std::size_t count = 3 + pick(25);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::string> after;
    for (std::size_t j = 0; j < i; ++j) {
      if (pick(4) == 0) after.push_back("S" + std::to_string(j));
    }
    const std::string name = "S" + std::to_string(i);
    steps.push_back(pick(4) == 0 ? condition(name, 1, 1, {}, {}, after) : training(name, after));
  }
  std::shuffle(steps.begin(), steps.end(), random);
  Simulation run(steps, static_cast<int>(pick(4)));
  std::map<std::string, int> started;  // by token
  std::map<std::size_t, std::string> token_of;
  std::vector<std::size_t> under_way;

  run.decide();
  for (int turns = 0; !run.run->has_ended(); ++turns) {
    ASSERT_LT(turns, 1000) << "it does not end";
    for (const Effect& effect : std::exchange(run.effects, {})) {
      if (effect.what != Effect::What::kStart) continue;
      const Step& step = run.run->info.definition->steps[effect.step];
      for (const std::size_t dependency : step.dependencies) {
        EXPECT_EQ(run.run->steps[dependency].phase, Phase::kSucceeded);
      }
      ++started[effect.token];
      EXPECT_TRUE(token_of.emplace(effect.step, effect.token).first->second == effect.token);
      if (std::find(under_way.begin(), under_way.end(), effect.step) == under_way.end()) {
        under_way.push_back(effect.step);
      }
    }
    if (pick(5) == 0) {
      run.restart();
      run.decide();
      continue;
    }
    ASSERT_FALSE(under_way.empty());
    if (run.run->info.parallelism > 0) {
      EXPECT_LE(under_way.size(), static_cast<std::size_t>(run.run->info.parallelism));
    }
    const std::size_t at = pick(under_way.size());
    const std::string name = run.run->info.definition->steps[under_way[at]].name;
    under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
    run.now += 10;
    run.succeed(name);
  }

  EXPECT_EQ(run.run->status, RunStatus::kSucceeded);
  for (const StepState& state : run.run->steps) EXPECT_EQ(state.attempt, 1);
}

INSTANTIATE_TEST_SUITE_P(Decide, AnyGraph, testing::Range(0u, 200u));

}  // namespace
}  // namespace slipway::pipelines
