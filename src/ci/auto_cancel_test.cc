// workflow:auto_cancel, and what else cancels a pipeline's jobs by itself.

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

constexpr const char* kAll = "workflow: {auto_cancel: {on_job_failure: all}}\n";

class AutoCancelTest : public CiTest {
 protected:
  Assignment take_named(const std::string& name) {
    auto taken = take();
    EXPECT_TRUE(taken);
    if (!taken) return {};
    EXPECT_EQ(taken->job.name(), name);
    return *taken;
  }
};

TEST_F(AutoCancelTest, EndsAPipelineWithItsFirstFailure) {
  const Pipeline pipeline = push_config(std::string(kAll) + R"(
stages: [one, two]
a: {stage: one, script: x}
b: {stage: one, script: x}
c: {stage: one, script: x}
by-hand: {stage: one, script: x, when: manual}
cleanup: {stage: two, script: x, when: always}
)");
  const Assignment a = take_named("a");
  const Assignment b = take_named("b");

  finish(b.job.id, "failed");

  EXPECT_EQ(status(pipeline, "a"), "canceled");
  EXPECT_EQ(status(pipeline, "b"), "failed");
  EXPECT_EQ(status(pipeline, "c"), "canceled");
  EXPECT_EQ(status(pipeline, "by-hand"), "manual");
  EXPECT_EQ(status(pipeline, "cleanup"), "canceled");
  EXPECT_EQ(status(pipeline), "failed");
  EXPECT_FALSE(take());
}

TEST_F(AutoCancelTest, LeavesThemAloneWhereNothingIsSaid) {
  const Pipeline pipeline = push_config("a: {script: x}\nb: {script: x}\n");
  take_named("a");
  finish(take_named("b").job.id, "failed");
  EXPECT_EQ(status(pipeline, "a"), "running");
}

TEST_F(AutoCancelTest, ForgivesWhatMayFailAndWaitsForTheLastTry) {
  const Pipeline pipeline = push_config(std::string(kAll) + R"(
a: {script: x}
may-fail: {script: x, allow_failure: true}
may-exit: {script: x, allow_failure: {exit_codes: [3]}}
twice: {script: x, retry: 1}
)");
  take_named("a");
  finish(take_named("may-fail").job.id, "failed");
  finish(take_named("may-exit").job.id, "failed", 3);
  finish(take_named("twice").job.id, "failed");
  EXPECT_EQ(status(pipeline, "a"), "running");

  finish(take_named("twice").job.id, "failed");

  EXPECT_EQ(status(pipeline, "a"), "canceled");
}

TEST_F(AutoCancelTest, FollowsTheRuleThatMatched) {
  const Pipeline pipeline = push_config(R"(
workflow:
  auto_cancel: {on_job_failure: all}
  rules: [{if: $CI_COMMIT_BRANCH, auto_cancel: {on_job_failure: none}}]
a: {script: x}
b: {script: x}
)");
  finish(take_named("a").job.id, "failed");
  EXPECT_EQ(status(pipeline, "b"), "pending");
}

TEST_F(AutoCancelTest, EndsChildPipelinesToo) {
  push(project_, {{"child.yml", "inner: {script: x}\n"}});
  const Pipeline pipeline = push_config(std::string(kAll) +
                                        "child: {trigger: {include: [{local: child.yml}]}}\n"
                                        "a: {script: x}\n");
  ci_->start();
  ASSERT_TRUE(eventually([&] { return job(pipeline, "child").downstream.has_value(); }));
  const Id child = *job(pipeline, "child").downstream;
  ASSERT_TRUE(eventually([&] { return text(ci_->pipeline(child)->status) == "pending"; }));

  while (const auto taken = take()) {
    if (taken->job.pipeline == pipeline.id) finish(taken->job.id, "failed");
  }

  EXPECT_EQ(text(ci_->pipeline(child)->status), "canceled");
}

// Jobs that lost their sources fail on the way to a runner; what that cancels is not handed out.
TEST_F(AutoCancelTest, HandsOutNothingThatWasCanceledMeanwhile) {
  const Pipeline pipeline = push_config(std::string(kAll) + R"(
stages: [one, two]
source: {stage: one, script: x, artifacts: {paths: [x]}}
user: {stage: two, script: x}
other: {stage: two, script: x, needs: []}
)");
  // The project that has least running comes first, and then the oldest: `user`, then `other`.
  const Assignment source = take_named("source");
  finish(source.job.id);
  ci_->erase(source.job.id);

  EXPECT_FALSE(take());

  EXPECT_EQ(job(pipeline, "user").failure_reason, "missing_dependency_failure");
  EXPECT_EQ(status(pipeline, "other"), "canceled");
}

TEST_F(AutoCancelTest, KeepsOlderPipelinesWhereTheProjectSaysSo) {
  const std::string yaml = "a: {script: x, interruptible: true}\n";
  const Pipeline first = push_config(yaml);
  const Pipeline second = push_config(yaml);
  EXPECT_EQ(status(first), "canceled");
  forge::Project changed = *forge_->project(project_.id);
  changed.settings["auto_cancel_pending_pipelines"] = "disabled";
  forge_->update_project(changed);

  push_config(yaml);

  EXPECT_EQ(status(second), "pending");
}

}  // namespace
}  // namespace slipway::ci
