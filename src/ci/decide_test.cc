#include "ci/decide.h"

#include <algorithm>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::ci {
namespace {

using ci_config::When;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::array kAll{Status::kCreated,   Status::kWaitingForResource,
                          Status::kPreparing, Status::kPending,
                          Status::kRunning,   Status::kSuccess,
                          Status::kFailed,    Status::kCanceling,
                          Status::kCanceled,  Status::kSkipped,
                          Status::kManual,    Status::kScheduled};

// The rules once more, over words, as the reference has them: the test's own reading.
std::string by_the_book(const std::vector<Part>& parts, bool dag) {
  std::set<std::string> seen;
  for (const Part& part : parts) {
    std::string word(text(part.status));
    if (part.allow_failure && (word == "failed" || word == "canceled")) word = "warnings";
    if (part.allow_failure && word == "manual") word = "ignored";
    seen.insert(word);
  }
  const auto only = [&](const std::set<std::string>& allowed) {
    return std::includes(allowed.begin(), allowed.end(), seen.begin(), seen.end());
  };
  const auto any = [&](const std::string& word) { return seen.contains(word); };
  if (seen.empty()) return "success";
  if (dag && (any("skipped") || any("ignored"))) return "skipped";
  if (dag && !only({"success", "failed", "canceled", "skipped", "warnings"})) return "pending";
  if (only({"skipped", "ignored"})) return "skipped";
  if (only({"success", "skipped", "warnings", "ignored"})) return "success";
  if (only({"created", "warnings", "ignored"})) return "created";
  if (only({"preparing", "warnings", "ignored"})) return "preparing";
  if (only({"canceled", "success", "skipped", "warnings", "ignored"})) return "canceled";
  if (only({"pending", "created", "skipped", "warnings", "ignored"})) return "pending";
  if (any("running") || any("pending")) return "running";
  for (const char* word : {"waiting_for_resource", "manual", "scheduled", "preparing"}) {
    if (any(word)) return word;
  }
  if (any("created")) return "running";
  return any("canceling") ? "canceling" : "failed";
}

TEST(Composite, FollowsTheBookForEverySetOfUpToThreeJobs) {
  std::vector<Part> each;
  for (const Status status : kAll) {
    each.push_back({status, false});
    each.push_back({status, true});
  }
  const auto check = [](const std::vector<Part>& parts) {
    for (const bool dag : {false, true}) {
      ASSERT_EQ(text(composite(parts, dag)), by_the_book(parts, dag))
          << text(parts[0].status) << (dag ? " dag" : "");
    }
  };
  for (const Part& one : each) {
    check({one});
    for (const Part& two : each) {
      check({one, two});
      for (const Part& three : each) check({one, two, three});
    }
  }
}

TEST(Composite, KnowsTheOutcomesThatPeopleAskAbout) {
  const auto of = [](std::vector<Part> parts, bool dag = false) {
    return text(composite(parts, dag));
  };
  EXPECT_EQ(of({}), "success");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kFailed, true}}), "success");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kFailed}}), "failed");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kManual}}), "manual");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kManual, true}}), "success");
  EXPECT_EQ(of({{Status::kManual, true}}), "skipped");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kManual, true}}, true), "skipped");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kRunning}}, true), "pending");
  EXPECT_EQ(of({{Status::kSuccess}, {Status::kCreated}}), "running");
  EXPECT_EQ(of({{Status::kCanceled}, {Status::kSuccess}}), "canceled");
  EXPECT_EQ(of({{Status::kFailed}, {Status::kCanceling}}), "canceling");
}

Node node(const std::string& name, int stage, Status status, When when = When::kOnSuccess) {
  return {.name = name, .stage = stage, .status = status, .when = when, .needs = std::nullopt};
}

TEST(Process, StartsEveryJobOfTheFirstStage) {
  EXPECT_THAT(process({node("a", 0, Status::kCreated), node("b", 0, Status::kCreated),
                       node("c", 1, Status::kCreated)}),
              ElementsAre(Step{0, Next::kEnqueue}, Step{1, Next::kEnqueue}));
}

TEST(Process, DelaysAndWaitsForPeople) {
  EXPECT_THAT(process({node("a", 0, Status::kCreated, When::kDelayed),
                       node("b", 0, Status::kCreated, When::kManual)}),
              ElementsAre(Step{0, Next::kDelay}, Step{1, Next::kWaitForHuman}));
}

TEST(Process, StartsAManualJobThatAPersonRetried) {
  Node again = node("a", 0, Status::kCreated, When::kManual);
  again.immediate = true;

  EXPECT_THAT(process({again}), ElementsAre(Step{0, Next::kEnqueue}));
}

TEST(Process, SkipsAWholeChainAtOnce) {
  Node build = node("build", 0, Status::kFailed);
  Node test = node("test", 1, Status::kCreated);
  test.needs = {"build"};
  Node deploy = node("deploy", 1, Status::kCreated);
  deploy.needs = {"test"};

  EXPECT_THAT(process({build, deploy, test}),
              ElementsAre(Step{2, Next::kSkip}, Step{1, Next::kSkip}));
}

TEST(Process, CleansUpWhatWasCanceledOnlyWhereAsked) {
  EXPECT_THAT(process({node("a", 0, Status::kCanceled),
                       node("cleanup", 1, Status::kCreated, When::kAlways)}),
              ElementsAre(Step{1, Next::kSkip}));
  EXPECT_THAT(
      process({node("a", 0, Status::kFailed), node("cleanup", 1, Status::kCreated, When::kAlways)}),
      ElementsAre(Step{1, Next::kEnqueue}));
}

TEST(ToReset, TakesLaterStagesAndWhatNeedsTheJob) {
  Node build = node("build", 0, Status::kSuccess);
  Node lint = node("lint", 0, Status::kSkipped);
  Node same = node("same", 0, Status::kSkipped);
  same.needs = {"build"};
  Node after = node("after", 0, Status::kSkipped);
  after.needs = {"same"};
  Node deploy = node("deploy", 1, Status::kSkipped);
  Node done = node("done", 1, Status::kSuccess);

  EXPECT_THAT(to_reset({build, lint, same, after, deploy, done}, 0), ElementsAre(2, 3, 4));
}

TEST(Retry, CountsAttemptsAndAsksForTheReason) {
  const ci_config::Retry twice{.max = 2, .when = {}, .exit_codes = {}};
  EXPECT_TRUE(retries_itself(twice, 1, "script_failure", 1));
  EXPECT_TRUE(retries_itself(twice, 2, "script_failure", 1));
  EXPECT_FALSE(retries_itself(twice, 3, "script_failure", 1));
  EXPECT_FALSE(retries_itself(twice, 1, "missing_dependency_failure", {}));
  EXPECT_FALSE(retries_itself({}, 1, "script_failure", 1));

  const ci_config::Retry on_system{.max = 1, .when = {"runner_system_failure"}, .exit_codes = {}};
  EXPECT_TRUE(retries_itself(on_system, 1, "runner_system_failure", {}));
  EXPECT_FALSE(retries_itself(on_system, 1, "script_failure", 1));

  const ci_config::Retry on_code{.max = 1, .when = {}, .exit_codes = {137}};
  EXPECT_TRUE(retries_itself(on_code, 1, "script_failure", 137));
  EXPECT_FALSE(retries_itself(on_code, 1, "script_failure", 1));
}

TEST(Bridge, InheritsByItsStrategy) {
  EXPECT_EQ(inherited("", Status::kFailed), std::nullopt);
  EXPECT_EQ(inherited("depend", Status::kRunning), std::nullopt);
  EXPECT_EQ(inherited("depend", Status::kManual), std::nullopt);
  EXPECT_EQ(inherited("depend", Status::kSkipped), Status::kFailed);
  EXPECT_EQ(inherited("depend", Status::kCanceled), Status::kCanceled);
  EXPECT_EQ(inherited("mirror", Status::kManual), Status::kManual);
  EXPECT_EQ(inherited("mirror", Status::kSkipped), Status::kSkipped);
}

Job job(const std::string& name, Status status) {
  Job made;
  made.spec.name = made.spec.base_name = name;
  made.status = status;
  return made;
}

TEST(Redundant, SparesAPipelineWhoseWorkMayNotBeInterrupted) {
  Job started = job("a", Status::kRunning);
  started.started = 1;
  const Job waits = job("b", Status::kPending);

  EXPECT_THAT(redundant("conservative", {started, waits}), IsEmpty());
  EXPECT_THAT(redundant("conservative", {waits}), ElementsAre(0));
  started.spec.interruptible = true;
  EXPECT_THAT(redundant("conservative", {started, waits}), ElementsAre(0, 1));
  EXPECT_THAT(redundant("interruptible", {started, waits}), ElementsAre(0));
  EXPECT_THAT(redundant("none", {started, waits}), IsEmpty());
}

TEST(Pick, MatchesTagsAndProtection) {
  Runner runner;
  runner.tags = {"gpu", "linux"};
  Job work = job("a", Status::kPending);
  EXPECT_TRUE(fits(runner, work, false));
  work.spec.tags = {"gpu"};
  EXPECT_TRUE(fits(runner, work, false));
  work.spec.tags = {"gpu", "arm"};
  EXPECT_FALSE(fits(runner, work, false));
  work.spec.tags = {};
  runner.run_untagged = false;
  EXPECT_FALSE(fits(runner, work, false));
  runner.run_untagged = runner.only_protected = true;
  EXPECT_FALSE(fits(runner, work, false));
  EXPECT_TRUE(fits(runner, work, true));
  runner.paused = true;
  EXPECT_FALSE(fits(runner, work, true));
}

TEST(ArtifactSources, AreEarlierStagesOrTheNeeds) {
  std::vector<Job> jobs{job("build", Status::kSuccess), job("lint", Status::kSuccess),
                        job("test", Status::kPending)};
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].id = static_cast<Id>(i) + 1;
  jobs[2].spec.stage_index = 1;
  EXPECT_THAT(artifact_sources(jobs, jobs[2]), ElementsAre(0, 1));
  jobs[2].spec.dependencies = std::vector<std::string>{"lint"};
  EXPECT_THAT(artifact_sources(jobs, jobs[2]), ElementsAre(1));
  jobs[2].spec.dependencies = std::nullopt;
  jobs[2].spec.needs =
      std::vector<ci_config::Need>{{.job = "build"}, {.job = "lint", .artifacts = false}};
  EXPECT_THAT(artifact_sources(jobs, jobs[2]), ElementsAre(0));
}

TEST(Overdue, TellsSilenceFromLength) {
  const Liveness job{.started = 0, .contacted = 100, .timeout = 1000, .grace = 10, .heartbeat = 50};
  EXPECT_FALSE(overdue(job, 149));
  EXPECT_EQ(overdue(job, 150)->reason, "stuck_or_timeout_failure");
  EXPECT_EQ(overdue(job, 1010)->reason, "job_execution_timeout");
  EXPECT_EQ(overdue_at(job), 150);
}

TEST(WhyStuck, NamesTheTagsThatNobodyHas) {
  Runner runner;
  runner.tags = {"docker"};
  Job job;
  EXPECT_EQ(why_stuck({runner}, job, false), "");
  job.spec.tags = {"docker", "gpu"};
  EXPECT_EQ(why_stuck({runner}, job, false), "no active runner has the tags docker, gpu");
  Runner other;
  other.tags = {"gpu", "docker"};
  EXPECT_EQ(why_stuck({runner, other}, job, false), "");
  other.paused = true;
  EXPECT_NE(why_stuck({runner, other}, job, false), "");
  job.spec.tags.clear();
  EXPECT_EQ(why_stuck({}, job, false), "no active runner may take it");
}

}  // namespace
}  // namespace slipway::ci
