#include "ci/resources.h"

#include <set>

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::IsEmpty;

constexpr const char* kDeploy =
    "stages: [build, deploy]\n"
    "build: {stage: build, script: x}\n"
    "deploy: {stage: deploy, script: x, resource_group: prod/$CI_COMMIT_BRANCH}\n"
    "workflow: {auto_cancel: {on_new_commit: none}}\n";

class ResourcesTest : public CiTest {
 protected:
  // Three pipelines that have built: who deploys first is the group's matter.
  void SetUp() override {
    CiTest::SetUp();
    for (int i = 0; i < 4; ++i) pipelines_.push_back(push_config(kDeploy));
  }
  void build(std::size_t pipeline) {
    const auto taken = take_of(pipelines_[pipeline], "build");
    if (taken != 0) finish(taken);
  }
  // Takes pending jobs until this one; those that it passes by go on running.
  Id take_of(const Pipeline& pipeline, const std::string& name) {
    const Id wanted = job(pipeline, name).id;
    while (!running_.contains(wanted)) {
      const auto taken = take();
      EXPECT_TRUE(taken) << "nobody can take " << name;
      if (!taken) return 0;
      running_.insert(taken->job.id);
    }
    return wanted;
  }
  std::string deploy(std::size_t pipeline) const { return status(pipelines_[pipeline], "deploy"); }
  void use(const std::string& mode) { ci_->set_process_mode(project_.id, kKey, mode); }
  void end_deploy(std::size_t pipeline) { finish(take_of(pipelines_[pipeline], "deploy")); }

  static constexpr const char* kKey = "prod/main";
  std::vector<Pipeline> pipelines_;
  std::set<Id> running_;
};

TEST_F(ResourcesTest, AreKnownByTheirKeys) {
  const auto groups = ci_->resource_groups(project_.id);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].key, kKey);
  EXPECT_EQ(groups[0].process_mode, "unordered");
  EXPECT_THAT(ci_->resource_groups(project_.id + 1), IsEmpty());
  EXPECT_FALSE(ci_->resource_group(project_.id, "other"));
  EXPECT_THROW(ci_->set_process_mode(project_.id, "other", "unordered"), Error);
  EXPECT_FALSE(ci_->current_job(project_.id, kKey));
}

TEST_F(ResourcesTest, GoToWhoIsReadyUnlessTheyAreOrdered) {
  build(1);
  EXPECT_EQ(deploy(1), "pending");
  EXPECT_EQ(ci_->current_job(project_.id, kKey)->id, job(pipelines_[1], "deploy").id);
  build(2);
  build(0);
  EXPECT_EQ(deploy(0), "waiting_for_resource");
  end_deploy(1);
  EXPECT_EQ(deploy(0), "pending");
}

TEST_F(ResourcesTest, GoToTheOldestPipelineEvenIfItIsNotReady) {
  use("oldest_first");
  build(1);
  EXPECT_EQ(deploy(1), "waiting_for_resource");
  EXPECT_EQ(ci_->upcoming_jobs(project_.id, kKey).front().id, job(pipelines_[0], "deploy").id);
  build(0);
  EXPECT_EQ(deploy(0), "pending");
  end_deploy(0);
  EXPECT_EQ(deploy(1), "pending");
}

// What never becomes ready must not keep the others waiting.
TEST_F(ResourcesTest, PassWhoIsSkippedOrCanceled) {
  use("oldest_first");
  build(2);
  finish(take_of(pipelines_[0], "build"), "failed");
  EXPECT_EQ(deploy(0), "skipped");
  EXPECT_EQ(deploy(2), "waiting_for_resource");
  ci_->cancel_pipeline(pipelines_[1].id);
  EXPECT_EQ(deploy(2), "pending");
}

TEST_F(ResourcesTest, GoToTheNewestPipeline) {
  use("newest_first");
  build(0);
  EXPECT_EQ(deploy(0), "waiting_for_resource");
  build(3);
  EXPECT_EQ(deploy(3), "pending");
}

TEST_F(ResourcesTest, GoToTheNewestThatIsReady) {
  use("newest_ready_first");
  build(0);
  EXPECT_EQ(deploy(0), "pending");
  build(1);
  build(2);
  end_deploy(0);
  EXPECT_EQ(deploy(2), "pending");
  EXPECT_EQ(deploy(1), "waiting_for_resource");
}

TEST_F(ResourcesTest, AreGivenAtOnceWhereTheOrderChanges) {
  use("oldest_first");
  build(1);
  EXPECT_EQ(deploy(1), "waiting_for_resource");
  use("unordered");
  EXPECT_EQ(deploy(1), "pending");
}

TEST_F(CiTest, RemembersDeployments) {
  push_config(
      "stages: [a, b]\n"
      "ship: {stage: a, script: x, environment: {name: live/$CI_COMMIT_BRANCH}}\n"
      "look: {stage: a, script: x, environment: {name: live, action: verify}}\n"
      "plain: {stage: a, script: x}\n"
      "later: {stage: b, script: x, environment: live, when: manual}\n");
  Id ship = 0;
  while (const auto taken = take()) {
    if (taken->job.name() == "ship") ship = taken->job.id;
    finish(taken->job.id);
  }
  const auto deployments = ci_->deployments(project_.id);
  ASSERT_EQ(deployments.size(), 1u);
  EXPECT_EQ(deployments[0].id, ship);
  std::string name;
  for (const Environment& each : ci_->environments(project_.id))
    if (each.id == deployments[0].environment_id) name = each.name;
  EXPECT_EQ(name, "live/main");
}

}  // namespace
}  // namespace slipway::ci
