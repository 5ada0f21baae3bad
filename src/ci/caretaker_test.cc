// What survives a crash, and what happens in time.

#include <filesystem>
#include <fstream>

#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

constexpr const char* kOne = "a:\n  script: x\n";

constexpr base::Millis kHour = 3'600'000;

class CaretakerTest : public CiTest {
 protected:
  // The database as it is at this moment, under a process that dies now.
  void die_and_come_back() {
    database_->write([](store::Transaction&) {});
    std::filesystem::create_directories(directory_ / "copy");
    for (const char* name : {"slipway.db", "slipway.db-wal"}) {
      if (std::filesystem::exists(data_ / name)) {
        std::filesystem::copy_file(data_ / name, directory_ / "copy" / name,
                                   std::filesystem::copy_options::overwrite_existing);
      }
    }
    close();
    for (const char* name : {"slipway.db", "slipway.db-wal", "slipway.db-shm"}) {
      std::filesystem::remove(data_ / name);
      if (std::filesystem::exists(directory_ / "copy" / name)) {
        std::filesystem::copy_file(directory_ / "copy" / name, data_ / name);
      }
    }
    open();
  }
  Schedule hourly() {
    Schedule schedule;
    schedule.project = project_.id;
    schedule.owner = 1;
    schedule.description = "retrain";
    schedule.ref = "main";
    schedule.cron = "0 * * * *";
    schedule.variables = {{.key = "WHY", .value = "schedule"}};
    return ci_->save_schedule(schedule);
  }
  int scheduled() const {
    PipelineFilter filter;
    filter.source = "schedule";
    int total = 0;
    ci_->pipelines(project_.id, filter, &total);
    return total;
  }
  std::int64_t open_tasks() {
    std::int64_t open = 0;
    database_->read([&](store::Reader& reader) {
      reader.query("select count(*) from ci_tasks", {},
                   [&](const store::Row& row) { open = row.integer(0); });
    });
    return open;
  }
};

TEST_F(CaretakerTest, CarriesOnWithABridgeAfterACrash) {
  const forge::Project down = make_project("ops");
  push(down, {{".gitlab-ci.yml", kOne}}, "start [ci skip]");
  // Without start() nobody makes the downstream pipeline: the crash comes first.
  const Pipeline up = push_config("go:\n  trigger: {project: root/ops, strategy: depend}\n");
  EXPECT_EQ(status(up, "go"), "pending");

  die_and_come_back();
  ci_->start();

  ASSERT_TRUE(eventually([&] { return job(up, "go").downstream.has_value(); }));
  const Pipeline made = *ci_->pipeline(*job(up, "go").downstream);
  ASSERT_TRUE(eventually([&] { return status(made, "a") == "pending"; }));
  run("a");
  EXPECT_EQ(status(up), "success");
}

TEST_F(CaretakerTest, MakesTheDownstreamOnceThoughTheTaskIsRepeated) {
  const forge::Project down = make_project("ops");
  push(down, {{".gitlab-ci.yml", kOne}}, "start [ci skip]");
  const Pipeline up = push_config("go:\n  trigger: root/ops\n");
  const Id bridge = job(up, "go").id;
  ci_->start();
  ASSERT_TRUE(eventually([&] { return open_tasks() == 0; }));
  ci_->stop();
  database_->write([&](store::Transaction& transaction) {
    transaction.execute(
        "insert into ci_tasks (key, sequence, kind, attempts, document)"
        " values ('bridge:again', 999, 'bridge', 0, ?)",
        {base::dump_json({{"job", bridge}})});
  });

  die_and_come_back();
  ci_->start();

  ASSERT_TRUE(eventually([&] { return open_tasks() == 0; }));
  int total = 0;
  PipelineFilter filter;
  filter.source = "pipeline";
  ci_->pipelines(down.id, filter, &total);
  EXPECT_EQ(total, 1);
}

TEST_F(CaretakerTest, PreparesWhatACrashLeftUnprepared) {
  const Pipeline pipeline = push_config(kOne);
  // As it is between the record and the start of its jobs.
  database_->write([&](store::Transaction& transaction) {
    transaction.execute("update ci_pipelines set prepared = 0, status = 'created'");
    transaction.execute("update ci_jobs set status = 'created'");
    transaction.execute(
        "insert into ci_tasks (key, sequence, kind, attempts, document)"
        " values ('prepare:1', 999, 'prepare', 0, '{\"pipeline\": 1}')");
  });
  forge_->repository(project_.id).drop("refs/pipelines/1");

  die_and_come_back();
  EXPECT_FALSE(take());
  ci_->start();

  ASSERT_TRUE(eventually([&] { return status(pipeline, "a") == "pending"; }));
  EXPECT_TRUE(forge_->repository(project_.id).resolve("refs/pipelines/1"));
}

TEST_F(CaretakerTest, EndsAPipelineThatCannotBePrepared) {
  const Pipeline pipeline = push_config(kOne);
  const std::filesystem::path refs = forge_->repository(project_.id).directory() / "refs/pipelines";
  std::filesystem::remove_all(refs);
  std::ofstream(refs) << "in the way";
  database_->write([&](store::Transaction& transaction) {
    transaction.execute("update ci_pipelines set prepared = 0, status = 'created'");
    transaction.execute("update ci_jobs set status = 'created'");
    transaction.execute(
        "insert into ci_tasks (key, sequence, kind, attempts, document)"
        " values ('prepare:1', 999, 'prepare', 4, '{\"pipeline\": 1}')");
  });

  die_and_come_back();
  ci_->start();

  ASSERT_TRUE(eventually([&] { return ci_->pipeline(pipeline.id)->status == Status::kCanceled; }));
  EXPECT_EQ(status(pipeline, "a"), "canceled");
  const Pipeline ended = *ci_->pipeline(pipeline.id);
  ASSERT_EQ(ended.yaml_errors.size(), 1u);
  EXPECT_THAT(ended.yaml_errors[0], testing::HasSubstr("could not be prepared"));
  EXPECT_TRUE(ended.finished);
}

TEST_F(CaretakerTest, LetsARunnerGoOnAfterARestart) {
  push_config(kOne);
  const Assignment before = *take();
  queue().append_trace(before.job.id, 0, "one\n");

  die_and_come_back();
  const auto held = queue().held_by(runner_);

  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].token, before.token);
  EXPECT_EQ(queue().append_trace(before.job.id, 0, "one\n").size, 4u);
  EXPECT_EQ(queue().append_trace(before.job.id, 4, "two\n").outcome,
            TraceResult::Outcome::kAccepted);
  finish(before.job.id);
  EXPECT_EQ(ci_->trace(before.job.id), "one\ntwo\n");
}

TEST_F(CaretakerTest, GivesARunnerItsTimeAgainAfterARestart) {
  const Pipeline pipeline = push_config(kOne);
  take();
  clock_.advance(1'000'000);

  die_and_come_back();
  ci_->run_due();
  EXPECT_EQ(status(pipeline, "a"), "running");
  clock_.advance(121'000);
  ci_->run_due();

  EXPECT_EQ(job(pipeline, "a").failure_reason, "stuck_or_timeout_failure");
}

TEST_F(CaretakerTest, RunsAScheduleOncePerMoment) {
  push_config(kOne);
  run("a");
  const Schedule schedule = hourly();
  EXPECT_GT(schedule.next_run.value_or(0), clock_.now());

  clock_.advance(*schedule.next_run - clock_.now());
  ci_->start();
  ci_->run_due();
  ci_->run_due();

  ASSERT_TRUE(eventually([&] { return scheduled() == 1 && open_tasks() == 0; }));
  EXPECT_EQ(ci_->schedule(schedule.id)->next_run, *schedule.next_run + 3'600'000);
  const Assignment a = *take();
  EXPECT_EQ(value(a, "CI_PIPELINE_SOURCE"), "schedule");
  EXPECT_EQ(value(a, "WHY"), "schedule");
  EXPECT_EQ(value(a, "CI_PIPELINE_SCHEDULE_DESCRIPTION"), "retrain");
  ASSERT_TRUE(
      eventually([&] { return ci_->schedule(schedule.id)->last_pipeline == a.pipeline.id; }));
}

TEST_F(CaretakerTest, RunsMissedMomentsOnce) {
  push_config(kOne);
  run("a");
  hourly();

  die_and_come_back();
  clock_.advance(10 * 3'600'000);
  ci_->start();

  ASSERT_TRUE(eventually([&] { return scheduled() == 1 && open_tasks() == 0; }));
  ci_->run_due();
  EXPECT_EQ(scheduled(), 1);
}

TEST_F(CaretakerTest, ComesBackFromAClockThatWasAhead) {
  constexpr base::Millis kYear = 365 * 24 * base::Millis{3'600'000};
  push_config(kOne);
  run("a");
  const Schedule schedule = hourly();
  const base::Millis first = *schedule.next_run;
  clock_.advance(first - clock_.now());
  ci_->run_due();
  clock_.advance(kYear);
  ci_->run_due();
  EXPECT_GT(*ci_->schedule(schedule.id)->next_run, first + kYear);
  clock_.advance(-kYear - 1000);
  ci_->run_due();
  EXPECT_EQ(ci_->schedule(schedule.id)->next_run, first);
  clock_.advance(1000);
  ci_->start();
  ci_->run_due();
  // The first moment and that of next year; the first one has had its pipeline when it comes again.
  ASSERT_TRUE(eventually([&] { return scheduled() == 2 && open_tasks() == 0; }));
  EXPECT_EQ(ci_->schedule(schedule.id)->next_run, first + 3'600'000);
}

TEST_F(CaretakerTest, KeepsAMomentThatHasComeWhenAScheduleIsChanged) {
  push_config(kOne);
  run("a");
  Schedule schedule = hourly();
  clock_.advance(*schedule.next_run - clock_.now() + 1);
  schedule.description = "retrain, every hour";
  EXPECT_LT(*ci_->save_schedule(schedule).next_run, clock_.now());
  ci_->start();
  ASSERT_TRUE(eventually([&] { return scheduled() == 1 && open_tasks() == 0; }));
}

TEST_F(CaretakerTest, RefusesABrokenSchedule) {
  Schedule schedule;
  schedule.project = project_.id;
  schedule.owner = 1;
  schedule.description = "x";
  schedule.ref = "main";
  schedule.cron = "61 * * * *";
  try {
    ci_->save_schedule(schedule);
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "Invalid");
    EXPECT_TRUE(error.detail().contains("cron"));
  }
  schedule.cron = "* * * * *";
  schedule.time_zone = "Mars/Olympus";
  try {
    ci_->save_schedule(schedule);
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_TRUE(error.detail().contains("cron_timezone"));
  }
}

TEST_F(CaretakerTest, RemovesAPipelineWithItsFiles) {
  const Pipeline pipeline = push_config(kOne);
  const Id job = take()->job.id;
  queue().append_trace(job, 0, "text\n");
  ci_->start();

  ci_->delete_pipeline(pipeline.id);

  EXPECT_FALSE(ci_->pipeline(pipeline.id));
  EXPECT_FALSE(ci_->job(job));
  EXPECT_TRUE(eventually([&] { return open_tasks() == 0; }));
  EXPECT_TRUE(eventually([&] { return ci_->trace(job).empty(); }));
  EXPECT_FALSE(forge_->repository(project_.id).resolve("refs/pipelines/1"));
}

// By a call, and by the next start where a crash has prevented it.
TEST_F(CaretakerTest, RemovesWhatAProjectThatIsGoneHasLeft) {
  for (const bool told : {true, false}) {
    SCOPED_TRACE(told);
    const forge::Project gone = make_project(told ? "told" : "untold");
    push(gone, {{".gitlab-ci.yml", kOne}});
    push(gone, {{".gitlab-ci.yml", "b: {script: x}\n"}});
    const Pipeline other = push_config(kOne);
    const Id running = take()->job.id;
    queue().append_trace(running, 0, "text\n");
    Schedule schedule;
    schedule.project = gone.id;
    schedule.owner = 1;
    schedule.description = "nightly";
    schedule.ref = "main";
    schedule.cron = "* * * * *";
    schedule = ci_->save_schedule(schedule);
    ci_->set_variable(Owner::kProject, gone.id, {.variable = {.key = "KEY", .value = "secret"}},
                      true);
    ci_->start();

    forge_->remove_project(gone.id);
    if (told) {
      ci_->project_removed(gone.id);
    } else {
      die_and_come_back();
      ci_->start();
    }

    EXPECT_TRUE(eventually([&] { return !ci_->job(running) && open_tasks() == 0; }));
    int pipelines = 0;
    ci_->pipelines(gone.id, {}, &pipelines);
    EXPECT_EQ(pipelines, 0);
    EXPECT_TRUE(ci_->trace(running).empty());
    EXPECT_FALSE(ci_->schedule(schedule.id));
    EXPECT_TRUE(ci_->variables(Owner::kProject, gone.id).empty());
    EXPECT_TRUE(ci_->pipeline(other.id));
    finish(take()->job.id);
  }
}

TEST_F(CaretakerTest, RemovesTheSecretsOfAProjectThatNeverRanAnything) {
  const forge::Project gone = make_project("idle");
  ci_->set_variable(Owner::kProject, gone.id, {.variable = {.key = "KEY", .value = "secret"}},
                    true);
  forge_->remove_project(gone.id);

  die_and_come_back();  // before the project's end was told
  ci_->start();

  EXPECT_TRUE(eventually([&] { return open_tasks() == 0; }));
  EXPECT_TRUE(ci_->variables(Owner::kProject, gone.id).empty());
}

TEST_F(CaretakerTest, LetsARunnerGoOnWithoutTheJobsOfAProjectThatIsGone) {
  const forge::Project gone = make_project("gone");
  push(gone, {{".gitlab-ci.yml", kOne}});
  const Id lost = take()->job.id;
  push_config(kOne);
  const Id kept = take()->job.id;
  forge_->remove_project(gone.id);

  die_and_come_back();
  const auto held = queue().held_by(runner_);

  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].job.id, kept);
  EXPECT_EQ(ci_->job(lost)->failure_reason, "data_integrity_failure");
}

TEST_F(CaretakerTest, GivesUpAJobThatNoRunnerTakes) {
  const Pipeline pipeline = push_config("a: {script: x, tags: [gpu]}\nb: {script: x}\n");
  EXPECT_THAT(lines_, testing::Contains("    a: no active runner has the tags gpu"));
  clock_.advance(kHour - 1);
  ci_->run_due();
  EXPECT_EQ(status(pipeline, "a"), "pending");

  clock_.advance(1);
  ci_->run_due();
  EXPECT_EQ(status(pipeline, "a"), "failed");
  EXPECT_EQ(job(pipeline, "a").failure_reason, "stuck_or_timeout_failure");
  EXPECT_EQ(job(pipeline, "a").failure_message, "no active runner has the tags gpu");
  // The other has a runner, which may be busy for a day.
  EXPECT_EQ(status(pipeline, "b"), "pending");
  for (int hour = 1; hour < 24; ++hour) {
    EXPECT_EQ(status(pipeline, "b"), "pending") << hour;
    clock_.advance(kHour);
    ci_->run_due();
  }
  EXPECT_EQ(job(pipeline, "b").failure_reason, "stuck_or_timeout_failure");
  EXPECT_EQ(again(pipeline).status, Status::kFailed);
}

TEST_F(CaretakerTest, LetsARunnerTakeWhatWaitedForIt) {
  const Pipeline pipeline = push_config("a: {script: x, tags: [gpu]}\n");
  clock_.advance(kHour / 2);
  Runner runner;
  runner.tags = {"gpu"};
  queue().add_runner(runner);
  clock_.advance(kHour);
  ci_->run_due();
  EXPECT_EQ(status(pipeline, "a"), "pending");
}

}  // namespace
}  // namespace slipway::ci
