#include "ci/ci.h"

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kTwoStages = R"(
stages: [build, test]
build-job:
  stage: build
  script: make
test-job:
  stage: test
  script: make test
)";

TEST_F(CiTest, RunsAPipelineFromPushToSuccess) {
  const Pipeline pipeline = push_config(kTwoStages);
  EXPECT_EQ(pipeline.source, "push");
  EXPECT_EQ(status(pipeline), "pending");
  EXPECT_THAT(lines_, ElementsAre("",
                                  "  Pipeline #1 (2 jobs): http://ci.test:4700/root/tumour/-/"
                                  "pipelines/1",
                                  ""));
  EXPECT_TRUE(forge_->repository(project_.id).resolve("refs/pipelines/1"));

  const Assignment build = run("build-job");
  EXPECT_EQ(build.timeout, std::chrono::seconds(3600));
  EXPECT_TRUE(build.token.starts_with("glcbt-"));
  EXPECT_EQ(status(pipeline), "running");
  run("test-job");

  EXPECT_EQ(status(pipeline), "success");
  EXPECT_FALSE(take());
  EXPECT_THAT(events(), ElementsAre("Pipeline.Created created", "Job.Finished success",
                                    "Job.Finished success", "Pipeline.Finished success"));
}

TEST_F(CiTest, SkipsWhatFollowsAFailure) {
  const Pipeline pipeline = push_config(kTwoStages);

  run("build-job", "failed", 2);

  EXPECT_EQ(status(pipeline), "failed");
  EXPECT_EQ(status(pipeline, "test-job"), "skipped");
  EXPECT_EQ(job(pipeline, "build-job").failure_reason, "script_failure");
  EXPECT_EQ(job(pipeline, "build-job").exit_code, 2);
}

TEST_F(CiTest, RetriesAJobAndWhatWasSkippedAfterIt) {
  const Pipeline pipeline = push_config(kTwoStages);
  const Assignment first = run("build-job", "failed");

  const Job second = ci_->retry(first.job.id, root_);

  EXPECT_NE(second.id, first.job.id);
  EXPECT_EQ(second.attempt, 2);
  EXPECT_TRUE(ci_->job(first.job.id)->retried);
  EXPECT_EQ(status(pipeline), "running");
  EXPECT_EQ(status(pipeline, "test-job"), "created");
  run("build-job");
  run("test-job");
  EXPECT_EQ(status(pipeline), "success");
  EXPECT_THROW(ci_->retry(first.job.id, root_), Error);
}

TEST_F(CiTest, RetriesByItselfAsOftenAsAsked) {
  const Pipeline pipeline = push_config("a:\n  script: x\n  retry: 1\n");

  run("a", "failed", 1);
  EXPECT_EQ(status(pipeline), "running");
  run("a", "failed", 1);

  EXPECT_EQ(status(pipeline), "failed");
  EXPECT_EQ(ci_->jobs_of(pipeline.id, true).size(), 2u);
}

TEST_F(CiTest, ForgivesAnExitCode) {
  const Pipeline pipeline =
      push_config("a:\n  script: x\n  allow_failure:\n    exit_codes: [77]\n");

  run("a", "failed", 77);

  EXPECT_EQ(status(pipeline), "success");
  EXPECT_TRUE(job(pipeline, "a").spec.allow_failure);
}

TEST_F(CiTest, BlocksForAManualJobUntilItIsPlayed) {
  const Pipeline pipeline = push_config(R"(
stages: [build, deploy, verify]
build: {stage: build, script: x}
deploy: {stage: deploy, script: x, when: manual, allow_failure: false}
verify: {stage: verify, script: x}
)");
  run("build");
  EXPECT_EQ(status(pipeline), "manual");
  EXPECT_FALSE(take());

  ci_->play(job(pipeline, "deploy").id, root_, {{.key = "WHO", .value = "me"}});

  const Assignment deploy = run("deploy");
  EXPECT_EQ(value(deploy, "WHO"), "me");
  EXPECT_EQ(value(deploy, "CI_JOB_MANUAL"), "true");
  run("verify");
  EXPECT_EQ(status(pipeline), "success");
  EXPECT_THROW(ci_->play(job(pipeline, "deploy").id, root_, {}), Error);
}

TEST_F(CiTest, StartsADelayedJobInTime) {
  const Pipeline pipeline =
      push_config("a:\n  script: x\n  when: delayed\n  start_in: 10 minutes\n");
  EXPECT_EQ(status(pipeline, "a"), "scheduled");

  clock_.advance(599'000);
  ci_->run_due();
  EXPECT_FALSE(take());
  clock_.advance(1'000);
  ci_->run_due();

  run("a");
  EXPECT_EQ(status(pipeline), "success");
}

TEST_F(CiTest, FailsAJobThatNobodyHearsOf) {
  const Pipeline pipeline = push_config("a:\n  script: x\n");
  const Assignment a = *take();
  clock_.advance(100'000);
  queue().append_trace(a.job.id, 0, "still here\n");
  clock_.advance(100'000);
  ci_->run_due();
  EXPECT_EQ(status(pipeline, "a"), "running");

  clock_.advance(30'000);
  ci_->run_due();

  EXPECT_EQ(job(pipeline, "a").failure_reason, "stuck_or_timeout_failure");
  EXPECT_EQ(queue().append_trace(a.job.id, 11, "late").outcome, TraceResult::Outcome::kForbidden);
  EXPECT_FALSE(queue().job_of(a.token));
}

TEST_F(CiTest, EndsAJobThatTakesTooLong) {
  const Pipeline pipeline = push_config("a:\n  script: x\n  timeout: 2 minutes\n");
  const Assignment a = *take();
  EXPECT_EQ(a.timeout, std::chrono::seconds(120));
  clock_.advance(100'000);
  queue().update(a.job.id, {.state = "running"});
  clock_.advance(51'000);
  ci_->run_due();

  EXPECT_EQ(job(pipeline, "a").failure_reason, "job_execution_timeout");
}

TEST_F(CiTest, LetsOneJobHoldAResource) {
  const std::string yaml = "a:\n  script: x\n  resource_group: production\n";
  const Pipeline first = push_config(yaml);
  const Assignment running = *take();
  const Pipeline second = push_config(yaml);
  EXPECT_EQ(status(second, "a"), "waiting_for_resource");
  EXPECT_FALSE(take());

  finish(running.job.id);

  EXPECT_EQ(status(second, "a"), "pending");
  EXPECT_EQ(status(first), "success");
}

TEST_F(CiTest, CancelsWhatANewerCommitMakesRedundant) {
  const Pipeline waits = push_config(kTwoStages);
  const Pipeline next = push_config(kTwoStages);
  EXPECT_EQ(status(waits), "canceled");

  const Assignment build = *take();  // it has started, and may not be interrupted
  push_config(kTwoStages);

  EXPECT_EQ(status(next), "running");
  EXPECT_EQ(build.pipeline.id, next.id);
}

TEST_F(CiTest, TellsARunnerThatCanToCancelGracefully) {
  const Pipeline pipeline = push_config("a:\n  script: x\n");
  const Assignment a = *queue().take(runner_, {{"features", {{"cancel_gracefully", true}}}}, {});

  ci_->cancel_pipeline(pipeline.id);
  EXPECT_EQ(queue().status(a.job.id), Status::kCanceling);
  EXPECT_EQ(queue().append_trace(a.job.id, 0, "bye\n").status, Status::kCanceling);
  finish(a.job.id, "failed");

  EXPECT_EQ(status(pipeline), "canceled");
  EXPECT_EQ(status(pipeline, "a"), "canceled");
}

TEST_F(CiTest, CancelsAtOnceWhatHasNoSuchRunner) {
  const Pipeline pipeline = push_config(kTwoStages);
  const Assignment build = *take();

  ci_->cancel_pipeline(pipeline.id);

  EXPECT_EQ(status(pipeline), "canceled");
  EXPECT_EQ(queue().update(build.job.id, {.state = "success"}), UpdateOutcome::kForbidden);
  ci_->retry_pipeline(pipeline.id, root_);
  run("build-job");
  run("test-job");
  EXPECT_EQ(status(pipeline), "success");
}

TEST_F(CiTest, AsksWhoPlaysForTheirRights) {
  const Pipeline pipeline = push_config("a: {script: x, when: manual}\n");
  forge::User guest;
  guest.username = guest.name = "guest";
  guest.email = "guest@example.com";
  guest = forge_->create_user(guest);

  EXPECT_THROW(ci_->play(job(pipeline, "a").id, guest, {}), Error);
  forge_->set_member(project_.id, true, guest.id, forge::Access::kDeveloper);
  forge_->protect(project_.id, {.name = "main", .push = forge::Access::kMaintainer});
  const Pipeline on_protected = push_config("b: {script: x, when: manual}\n");
  EXPECT_THROW(ci_->play(job(on_protected, "b").id, guest, {}), Error);
  EXPECT_EQ(ci_->play(job(on_protected, "b").id, root_, {}).status, Status::kPending);
}

TEST_F(CiTest, ShowsWhatIsWrongWithAConfiguration) {
  push_config("a:\n  scripts: x\n");

  const Pipeline pipeline = latest();
  EXPECT_EQ(status(pipeline), "failed");
  ASSERT_FALSE(pipeline.yaml_errors.empty());
  EXPECT_THAT(lines_, Contains(HasSubstr("invalid configuration")));
  EXPECT_THAT(lines_, Contains("    .gitlab-ci.yml:1: " + pipeline.yaml_errors.front()));
  EXPECT_THAT(ci_->jobs_of(pipeline.id), IsEmpty());
}

TEST_F(CiTest, MakesNothingWithoutConfigurationOrForADeletion) {
  push(project_, {{"README.md", "hello"}});
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_FALSE(ci_->latest_pipeline(project_.id, "main"));
  try {
    ci_->create_pipeline(root_, {.project = project_.id, .ref = "main", .source = "api"});
    FAIL() << "made one";
  } catch (const Error& error) {
    EXPECT_EQ(error.detail()["base"][0], "Missing CI config file");
  }
  push_config(kTwoStages);
  forge::Push gone;
  gone.project = project_.id;
  gone.user = 1;
  gone.ref = "refs/heads/main";
  gone.after = forge::kNoCommit;
  EXPECT_THAT(ci_->pushed(gone), IsEmpty());
}

TEST_F(CiTest, RecordsASkippedPipeline) {
  push(project_, {{".gitlab-ci.yml", kTwoStages}}, "docs [ci skip]");

  EXPECT_EQ(status(latest()), "skipped");
  EXPECT_THAT(ci_->jobs_of(latest().id), IsEmpty());
}

TEST_F(CiTest, TakesVariablesFromPushOptionsOnce) {
  const forge::Commit commit = push(project_, {{".gitlab-ci.yml", kTwoStages}});
  forge::Push told;
  told.id = "p1";
  told.project = project_.id;
  told.user = 1;
  told.ref = "refs/heads/main";
  told.before = forge::kNoCommit;
  told.after = commit.id;
  told.options = {"ci.variable=MODE=full=yes"};

  ci_->pushed(told);
  const Pipeline once = latest();
  ci_->pushed(told);

  EXPECT_EQ(latest().id, once.id);
  EXPECT_EQ(ci_config::value_of(once.variables, "MODE"), "full=yes");
}

TEST_F(CiTest, GivesAJobItsVariables) {
  StoredVariable secret;
  secret.variable = {.key = "SECRET", .value = "hidden-value-1", .masked = true};
  ci_->set_variable(Owner::kProject, project_.id, secret, true);
  StoredVariable wide;
  wide.variable = {.key = "WHERE", .value = "instance"};
  ci_->set_variable(Owner::kInstance, 0, wide, true);
  wide.variable.value = "project";
  ci_->set_variable(Owner::kProject, project_.id, wide, true);
  StoredVariable production;
  production.variable = {.key = "TARGET", .value = "prod"};
  production.environment_scope = "prod*";
  ci_->set_variable(Owner::kProject, project_.id, production, true);
  push_config(R"(
variables: {GREETING: "hello $CI_PROJECT_NAME", WHERE: file}
a:
  script: x
  environment: {name: "prod/$CI_COMMIT_REF_SLUG", url: "https://$CI_ENVIRONMENT_SLUG.test"}
)");

  const Assignment a = *take();

  EXPECT_EQ(value(a, "GREETING"), "hello tumour");
  EXPECT_EQ(value(a, "WHERE"), "project");
  EXPECT_EQ(value(a, "TARGET"), "prod");
  EXPECT_EQ(value(a, "SECRET"), "hidden-value-1");
  EXPECT_EQ(value(a, "CI_JOB_TOKEN"), a.token);
  EXPECT_EQ(value(a, "CI_REGISTRY_IMAGE"), "ci.test:4700/root/tumour");
  EXPECT_EQ(value(a, "CI_API_V4_URL"), "http://ci.test:4700/api/v4");
  EXPECT_EQ(value(a, "CI_REPOSITORY_URL"),
            "http://gitlab-ci-token:" + a.token + "@ci.test:4700/root/tumour.git");
  EXPECT_EQ(value(a, "CI_COMMIT_BRANCH"), "main");
  EXPECT_EQ(value(a, "CI_COMMIT_TAG"), "(none)");
  EXPECT_EQ(value(a, "CI_PIPELINE_SOURCE"), "push");
  EXPECT_EQ(value(a, "CI_ENVIRONMENT_NAME"), "prod/main");
  EXPECT_EQ(value(a, "CI_ENVIRONMENT_TIER"), "production");
  const auto environments = ci_->environments(project_.id);
  ASSERT_EQ(environments.size(), 1u);
  EXPECT_EQ(environments[0].url, "https://" + environments[0].slug + ".test");

  queue().append_trace(a.job.id, 0, "it is hidden-");
  queue().append_trace(a.job.id, 13, "value-1 " + a.token + "\n");
  EXPECT_THAT(ci_->trace(a.job.id), HasSubstr("it is [MASKED]"));
  EXPECT_THAT(ci_->trace(a.job.id), Not(HasSubstr("hidden-value-1")));
  EXPECT_THAT(ci_->trace(a.job.id), Not(HasSubstr(a.token)));
}

TEST_F(CiTest, ExpandsTheNameOfTheWorkflow) {
  const Pipeline pipeline =
      push_config("workflow:\n  name: 'Train $CI_COMMIT_REF_NAME'\na:\n  script: x\n");
  EXPECT_EQ(pipeline.name, "Train main");
}

TEST_F(CiTest, KeepsStatusesFromOutside) {
  const forge::Commit commit = push(project_, {{"README.md", "hello"}});

  ci_->set_commit_status(root_, project_.id, commit.id, {{"state", "running"}, {"name", "scan"}});
  const Pipeline pipeline = latest();
  EXPECT_EQ(pipeline.source, "external");
  EXPECT_EQ(status(pipeline), "running");
  ci_->set_commit_status(root_, project_.id, commit.id, {{"state", "success"}, {"name", "scan"}});

  EXPECT_EQ(status(pipeline), "success");
  EXPECT_EQ(ci_->commit_statuses(project_.id, commit.id).size(), 1u);
  EXPECT_FALSE(take());
}

}  // namespace
}  // namespace slipway::ci
