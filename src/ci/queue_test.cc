#include <chrono>
#include <future>
#include <thread>

#include <archive.h>
#include <archive_entry.h>

#include "base/digest.h"
#include "ci/artifacts.h"
#include "ci/fixture_for_test.h"
#include "ci/store.h"

namespace slipway::ci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kOne = "a:\n  script: x\n";

std::string crc32_of(const std::string& bytes) {
  return "crc32:" + base::hex(base::digest(base::Algorithm::kCrc32, bytes));
}

struct Member {
  std::string path;
  std::string content;
  std::string link;  // a symbolic link's target
};

std::filesystem::path zip(const std::filesystem::path& path, const std::vector<Member>& members) {
  archive* writer = archive_write_new();
  archive_write_set_format_zip(writer);
  archive_write_open_filename(writer, path.c_str());
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, member.link.empty() ? AE_IFREG : AE_IFLNK);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (!member.link.empty()) archive_entry_set_symlink(entry, member.link.c_str());
    archive_write_header(writer, entry);
    archive_write_data(writer, member.content.data(), member.content.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
  return path;
}

class QueueTest : public CiTest {
 protected:
  Artifact add_zip(Id job, const std::vector<Member>& members) {
    Artifact artifact;
    artifact.type = "archive";
    artifact.format = "zip";
    artifact.filename = "artifacts.zip";
    return queue().add_artifact(job, artifact, zip(data_ / "spool" / base::random_hex(8), members));
  }
};

TEST_F(QueueTest, HandsOutAJobWithinTheTimeOfAPush) {
  auto taken = std::async(std::launch::async,
                          [&] { return queue().take(runner_, {}, std::chrono::seconds(20)); });
  const auto start = std::chrono::steady_clock::now();

  push_config(kOne);
  const auto assignment = taken.get();

  ASSERT_TRUE(assignment);
  EXPECT_EQ(assignment->job.status, Status::kRunning);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took, std::chrono::seconds(5));
  RecordProperty(
      "milliseconds",
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

TEST_F(QueueTest, TellsThatAJobIsPending) {
  std::promise<void> told;
  queue().on_pending([&, once = false]() mutable {
    if (!std::exchange(once, true)) told.set_value();
  });

  push_config(kOne);

  EXPECT_EQ(told.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  queue().on_pending({});
}

TEST_F(QueueTest, ReturnsEmptyHandedWhenTheServerStops) {
  auto taken = std::async(std::launch::async,
                          [&] { return queue().take(runner_, {}, std::chrono::minutes(5)); });
  ci_->stop();
  EXPECT_FALSE(taken.get());
}

TEST_F(QueueTest, ChecksOffsetsOfATrace) {
  push_config(kOne);
  const Id job = take()->job.id;

  EXPECT_EQ(queue().append_trace(job, 0, "hello\n").size, 6u);
  const TraceResult twice = queue().append_trace(job, 0, "hello\n");
  EXPECT_EQ(twice.outcome, TraceResult::Outcome::kMismatch);
  EXPECT_EQ(twice.size, 6u);
  EXPECT_EQ(queue().append_trace(job, 6, "world\n").outcome, TraceResult::Outcome::kAccepted);
  EXPECT_EQ(queue().append_trace(job, 99, "hole").outcome, TraceResult::Outcome::kMismatch);

  EXPECT_EQ(ci_->trace(job), "hello\nworld\n");
  EXPECT_EQ(ci_->trace_from(job, 6, 5), "world");
  EXPECT_EQ(queue().append_trace(999, 0, "x").outcome, TraceResult::Outcome::kGone);
}

TEST_F(QueueTest, EndsAJobOnlyWithItsWholeTrace) {
  push_config(kOne);
  const Id job = take()->job.id;
  queue().append_trace(job, 0, "hello\n");

  JobUpdate update{.state = "success", .checksum = crc32_of("hello\nworld\n"), .bytes = 12};
  EXPECT_EQ(queue().update(job, update), UpdateOutcome::kTraceIncomplete);
  queue().append_trace(job, 6, "world\n");
  EXPECT_EQ(queue().update(job, update), UpdateOutcome::kDone);

  EXPECT_EQ(ci_->job(job)->status, Status::kSuccess);
  EXPECT_EQ(ci_->job(job)->trace_size, 12u);
}

TEST_F(QueueTest, HasADamagedTraceSentAgainOnce) {
  push_config(kOne);
  const Id job = take()->job.id;
  queue().append_trace(job, 0, "hellx\n");

  JobUpdate update{.state = "success", .checksum = crc32_of("hello\n"), .bytes = 6};
  EXPECT_EQ(queue().update(job, update), UpdateOutcome::kTraceIncomplete);
  EXPECT_EQ(queue().append_trace(job, 0, "hello\n").outcome, TraceResult::Outcome::kAccepted);
  EXPECT_EQ(queue().update(job, update), UpdateOutcome::kDone);

  EXPECT_EQ(ci_->trace(job), "hello\n");
}

TEST_F(QueueTest, MasksAfterARestartWhatTheJobWasGivenBeforeIt) {
  options_.job_variables = [](const Job&) {
    Variable secret;
    secret.key = "SESSION";
    secret.value = "fresh-" + base::random_hex(16);  // another one each time, as sessions are
    secret.masked = true;
    return Variables{secret};
  };
  close();
  open();
  push_config("a:\n  script: [x]\n");
  const auto assignment = take();
  ASSERT_TRUE(assignment);
  const std::string given = ci_config::value_of(assignment->variables, "SESSION");
  ASSERT_FALSE(given.empty());
  close();
  open();
  const std::string line = "the session is " + given + "\n";
  EXPECT_EQ(queue().append_trace(assignment->job.id, 0, line).outcome,
            TraceResult::Outcome::kAccepted);
  finish(assignment->job.id);
  const std::string trace = ci_->trace(assignment->job.id);
  EXPECT_EQ(trace.find(given), std::string::npos) << trace;
  EXPECT_NE(trace.find("[MASKED]"), std::string::npos) << trace;
  EXPECT_EQ(database_->read([&](store::Reader& reader) {
    return secrets_of(reader, assignment->job.id).size();
  }),
            0u);
}

TEST_F(QueueTest, EndsATraceThatIsTooLong) {
  close();
  options_.trace_limit = 20;
  open();
  push_config(kOne);
  const Id job = take()->job.id;

  const std::string text(64, 'y');
  EXPECT_EQ(queue().append_trace(job, 0, text).size, 64u);
  EXPECT_EQ(queue().append_trace(job, 64, text).size, 128u);
  finish(job);

  const std::string trace = ci_->trace(job);
  EXPECT_TRUE(trace.starts_with(std::string(20, 'y') + "\n"));
  EXPECT_THAT(trace, HasSubstr("Job's log exceeded limit of 20 bytes."));
  EXPECT_LT(trace.size(), 200u);
}

TEST_F(QueueTest, FindsTheCoverageInTheTrace) {
  push_config("a:\n  script: x\n  coverage: '/TOTAL.*?(\\d+(?:\\.\\d+)?)%/'\n");
  const Id job = take()->job.id;
  queue().append_trace(job, 0, "TOTAL 10 5 50%\nTOTAL 10 1 91.5%\nbye 3%\n");
  finish(job);

  EXPECT_EQ(ci_->job(job)->coverage, 91.5);
}

TEST_F(QueueTest, PassesArtifactsAndDotenvOn) {
  push_config(R"(
stages: [build, test]
build: {stage: build, script: x, artifacts: {paths: [out]}}
lint: {stage: build, script: x}
test: {stage: test, script: x}
)");
  const Assignment build = *take();
  add_zip(build.job.id, {{.path = "out/model.txt", .content = "weights"}});
  add_dotenv(build.job.id, "VERSION=1.2.3\nIMAGE = registry/a\n");
  finish(build.job.id);
  run("lint");

  const Assignment test = *take();

  ASSERT_EQ(test.dependencies.size(), 1u);
  EXPECT_EQ(test.dependencies[0].spec.name, "build");
  EXPECT_EQ(value(test, "VERSION"), "1.2.3");
  EXPECT_EQ(value(test, "IMAGE"), "registry/a");
  const auto path = ci_->artifact_path(build.job.id, "archive");
  ASSERT_TRUE(path);
  EXPECT_EQ(read_from_archive(*path, "out/model.txt", 100), "weights");
}

TEST_F(QueueTest, RefusesAnArchiveThatLeavesTheProject) {
  push_config(kOne);
  const Id job = take()->job.id;

  EXPECT_THROW(add_zip(job, {{.path = "../evil", .content = "x"}}), Error);
  EXPECT_THROW(add_zip(job, {{.path = "/etc/evil", .content = "x"}}), Error);
  EXPECT_THROW(add_zip(job, {{.path = "a/../../evil", .content = "x"}}), Error);
  EXPECT_THROW(add_zip(job, {{.path = "a/link", .link = "../../etc/passwd"}}), Error);
  EXPECT_THROW(add_zip(job, {{.path = "link", .link = "/etc/passwd"}}), Error);
  EXPECT_EQ(add_zip(job, {{.path = "a/link", .link = "../b"}, {.path = "b", .content = "x"}}).type,
            "archive");
}

TEST_F(QueueTest, FailsAJobWhoseArtifactsAreGone) {
  const Pipeline pipeline = push_config(R"(
stages: [build, test]
build: {stage: build, script: x, artifacts: {paths: [out], expire_in: 1 hour}}
test: {stage: test, script: x, when: manual, allow_failure: false}
)");
  const Assignment build = *take();
  const Artifact archive = add_zip(build.job.id, {{.path = "out", .content = "x"}});
  EXPECT_EQ(archive.expires, clock_.now() + 3'600'000);
  finish(build.job.id);
  clock_.advance(3'600'000);
  ci_->run_due();
  EXPECT_TRUE(ci_->job(build.job.id)->artifacts_expired);
  EXPECT_FALSE(ci_->artifact_path(build.job.id, "archive"));

  ci_->play(job(pipeline, "test").id, root_, {});

  EXPECT_FALSE(take());
  EXPECT_EQ(job(pipeline, "test").failure_reason, "missing_dependency_failure");
}

TEST_F(QueueTest, TakesArtifactsOfOtherProjects) {
  const forge::Project other = make_project("upstream");
  push(other, {{".gitlab-ci.yml", "make: {script: x}\n"}});
  const char* const wants =
      "variables: {FROM: root/upstream}\nuse:\n  script: x\n  needs:\n"
      "    - {project: $FROM, job: make, ref: $CI_DEFAULT_BRANCH}\n";
  // The other project's job has not run yet: nobody waits for it.
  const Pipeline early = push_config(wants);
  const Assignment make = *take();
  ASSERT_EQ(make.job.name(), "make");
  EXPECT_FALSE(take());
  EXPECT_EQ(job(early, "use").failure_reason, "missing_dependency_failure");

  add_zip(make.job.id, {{.path = "model", .content = "x"}});
  add_dotenv(make.job.id, "MADE=yes\n");
  finish(make.job.id);
  const Pipeline later = push_config(wants);
  const auto use = take();
  ASSERT_TRUE(use);
  ASSERT_EQ(use->dependencies.size(), 1u);
  EXPECT_EQ(use->dependencies[0].id, make.job.id);
  EXPECT_EQ(value(*use, "MADE"), "yes");
}

TEST_F(QueueTest, KeepsTheArtifactsOfTheLatestSuccess) {
  push_config("a: {script: x, artifacts: {paths: [out], expire_in: 1 hour}}\n");
  const Assignment a = *take();
  add_zip(a.job.id, {{.path = "out", .content = "x"}});
  finish(a.job.id);

  clock_.advance(4'000'000);
  ci_->run_due();

  EXPECT_TRUE(ci_->artifact_path(a.job.id, "archive"));
  ASSERT_TRUE(ci_->latest_job(project_.id, "main", "a"));
  EXPECT_EQ(ci_->latest_job(project_.id, "main", "a")->id, a.job.id);
  ci_->erase(a.job.id);
  EXPECT_FALSE(ci_->artifact_path(a.job.id, "archive"));
}

TEST_F(QueueTest, PicksByTagsAndKnowsItsRunners) {
  push_config("a:\n  script: x\n  tags: [gpu]\n");
  EXPECT_FALSE(take());

  auto [gpu, token] = queue().add_runner({.description = "gpu", .tags = {"gpu", "linux"}});
  EXPECT_EQ(queue().runner_of(token)->id, gpu.id);
  EXPECT_FALSE(queue().runner_of("glrt-wrong"));
  const auto taken = queue().take(gpu.id, {{"version", "17"}}, {});

  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->job.runner, gpu.id);
  EXPECT_EQ(base::text_or(queue().runner(gpu.id)->info, "version"), "17");
  EXPECT_EQ(queue().held_by(gpu.id).at(0).token, taken->token);
  EXPECT_EQ(queue().registration_token(), queue().registration_token());
}

TEST_F(QueueTest, KnowsAJobByItsTokenWhileItRuns) {
  push_config(kOne);
  const Assignment a = *take();

  EXPECT_EQ(queue().job_of(a.token)->id, a.job.id);
  const auto identity = forge_->authenticate(a.token);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->kind, forge::TokenKind::kJob);
  EXPECT_EQ(identity->job_project, project_.id);
  finish(a.job.id);

  EXPECT_FALSE(queue().job_of(a.token));
  EXPECT_FALSE(forge_->authenticate(a.token));
}

TEST(Dotenv, FollowsTheRules) {
  EXPECT_EQ(parse_dotenv("A=1\nB = two words \nA=3\n"), (Json{{"A", "3"}, {"B", "two words"}}));
  EXPECT_EQ(parse_dotenv(""), Json::object());
  EXPECT_EQ(parse_dotenv("URL=http://x?a=b"), (Json{{"URL", "http://x?a=b"}}));
  EXPECT_EQ(parse_dotenv("Q=\"a\""), (Json{{"Q", "\"a\""}}));
  EXPECT_THROW(parse_dotenv("A=1\n\nB=2\n"), Error);
  EXPECT_THROW(parse_dotenv("# comment\n"), Error);
  EXPECT_THROW(parse_dotenv("A-B=1\n"), Error);
  EXPECT_THROW(parse_dotenv("A=" + std::string(6000, 'x')), Error);
  std::string many;
  for (int i = 0; i < 21; ++i) many += "K" + std::to_string(i) + "=1\n";
  EXPECT_THROW(parse_dotenv(many), Error);
}

}  // namespace
}  // namespace slipway::ci
