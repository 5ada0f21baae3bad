// The executor with a real forge, CI and engine.

#include <archive.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forge/forge.h"
#include "runner/archive.h"
#include "runner/room_for_test.h"
#include "runner/store.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class ExecutorTest : public RoomTest {
 protected:
  void SetUp() override {
    RoomTest::SetUp();
    engine_ = containers::Engine::open({directory_ / "containers", "", self_});
    open();
  }
  void TearDown() override {
    executor_.reset();
    for (const std::string& id : engine_->list()) engine_->remove(id);
    engine_.reset();
    RoomTest::TearDown();
  }

  // As after a restart of the process, as far as the executor can tell.
  void open() {
    executor_.reset();
    ExecutorOptions options;
    options.directory = directory_ / "runner";
    options.self = self_;
    options.account = "123456789012";
    options.concurrent = 2;
    options.stop_grace = std::chrono::seconds(1);
    executor_ =
        std::make_unique<Executor>(*ci_, *forge_, *images_, *engine_, *database_, clock_, options);
    executor_->start();
  }

  void expect_nothing_left() {
    EXPECT_TRUE(wait_until([&] { return JobStore(*database_).jobs().empty(); }));
    EXPECT_TRUE(engine_->list().empty());
    EXPECT_TRUE(fs::is_empty(directory_ / "runner/tmp"));
  }

  static int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++found;
    }
    return found;
  }

  std::unique_ptr<containers::Engine> engine_;
  std::unique_ptr<Executor> executor_;
};

TEST_F(ExecutorTest, ArtifactsAndDotenvGoFromJobToJob) {
  const auto pipeline = push({{"data.txt", "from the repository\n"}, {".gitlab-ci.yml", R"yaml(
stages: [build, test]
build:
  stage: build
  script:
    - mkdir -p out/deep
    - cp data.txt out/deep/copy.txt
    - echo "ANSWER=42" > build.env
    - ln -s /etc/hostname out/away
  artifacts:
    paths: [out/]
    reports: {dotenv: build.env}
test:
  stage: test
  script:
    - cat out/deep/copy.txt
    - echo "answer $ANSWER"
    - test ! -e build.env
    - git log -1 --format=%s
    - test "$(git rev-parse HEAD)" = "$CI_COMMIT_SHA"
    - pwd
    - ls -l /opt/slipway/bin/slipway && command -v slipway
    - echo "$HOME" && touch "$HOME/writable"
)yaml"}});
  expect_end(pipeline, ci::Status::kSuccess);
  const std::string build = trace(pipeline, "build");
  EXPECT_THAT(build, HasSubstr("out/away leads out of the project (to /etc/hostname)"));
  EXPECT_THAT(build, HasSubstr("\x1b[32;1m$ mkdir -p out/deep\x1b[0;m\n"));
  EXPECT_THAT(build, HasSubstr("\x1b[32;1mJob succeeded\x1b[0;m\n"));
  const std::string test = trace(pipeline, "test");
  EXPECT_THAT(test, HasSubstr("\nfrom the repository\n"));
  EXPECT_THAT(test, HasSubstr("\nanswer 42\n"));
  EXPECT_THAT(test, HasSubstr("\nChange 1\n"));
  EXPECT_THAT(test, HasSubstr("\n/builds/root/tumour\n"));
  EXPECT_THAT(test, HasSubstr("\n/opt/slipway/bin/slipway\n"));
  EXPECT_THAT(test, HasSubstr("\n/root\n"));
  for (const char* section : {"prepare_executor", "get_sources", "download_artifacts",
                              "step_script", "cleanup_file_variables"}) {
    EXPECT_EQ(count(test, std::string("section_start:")) > 0, true);
    EXPECT_THAT(test, HasSubstr(std::string(":") + section + "\r\x1b[0K")) << section;
  }
  expect_nothing_left();
}

TEST_F(ExecutorTest, AFailureHasItsExitCodeAndItsAfterScript) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
broken:
  script:
    - echo "X=from script" >> $GITLAB_ENV
    - cd / && mkdir -p "$CI_PROJECT_DIR/logs" && echo kept > "$CI_PROJECT_DIR/logs/a.log"
    - (exit 42)
    - echo never
  after_script:
    - echo "[$CI_JOB_STATUS] [$X] [$(pwd)]"
    - exit 3
  artifacts: {when: on_failure, paths: [logs]}
)yaml"}});
  expect_end(pipeline, ci::Status::kFailed);
  const ci::Job broken = job(pipeline, "broken");
  EXPECT_EQ(broken.failure_reason, "script_failure");
  EXPECT_EQ(broken.exit_code, 42);
  const std::string text = ci_->trace(broken.id);
  EXPECT_THAT(text, Not(HasSubstr("\nnever\n")));
  EXPECT_THAT(text, HasSubstr("[failed] [from script] [/builds/root/tumour]"));
  EXPECT_THAT(text, HasSubstr("WARNING: after_script failed"));
  EXPECT_THAT(text, HasSubstr("\x1b[31;1mERROR: Job failed: exit code 42\x1b[0;m\n"));
  const auto archive = ci_->artifact_path(broken.id, "archive");
  ASSERT_TRUE(archive);
  fs::create_directories(directory_ / "x");
  extract_zip(*archive, directory_ / "x", 1000);
  EXPECT_EQ(store::read_file(directory_ / "x/logs/a.log"), "kept\n");
  expect_nothing_left();
}

TEST_F(ExecutorTest, AJobThatTakesTooLongIsStopped) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
slow:
  timeout: 2 seconds
  script: [echo begun, sleep 600]
  after_script: [echo after]
)yaml"}});
  expect_end(pipeline, ci::Status::kFailed);
  const ci::Job slow = job(pipeline, "slow");
  EXPECT_EQ(slow.failure_reason, "job_execution_timeout");
  EXPECT_THAT(ci_->trace(slow.id), HasSubstr("execution took longer than 2s seconds"));
  EXPECT_THAT(ci_->trace(slow.id), Not(HasSubstr("\nafter\n")));
  expect_nothing_left();
}

TEST_F(ExecutorTest, ACanceledJobEndsWithItsAfterScript) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
long:
  script: [echo begun, sleep 600]
  after_script: ['echo "after: $CI_JOB_STATUS"']
)yaml"}});
  const Id id = job(pipeline, "long").id;
  ASSERT_TRUE(wait_until([&] { return ci_->trace(id).find("\nbegun\n") != std::string::npos; }));
  ci_->cancel(id);
  expect_end(pipeline, ci::Status::kCanceled);
  EXPECT_THAT(ci_->trace(id), HasSubstr("\nafter: canceled\n"));
  EXPECT_THAT(ci_->trace(id), HasSubstr("Job failed: canceled"));
  expect_nothing_left();
}

TEST_F(ExecutorTest, SecretsAreMaskedAndFilesAreFiles) {
  ci::StoredVariable secret;
  secret.variable.key = "PASSWORD";
  secret.variable.value = "s3cr3t-w0rd-123";
  secret.variable.masked = true;
  ci_->set_variable(ci::Owner::kProject, project_.id, secret, true);
  ci::StoredVariable file;
  file.variable.key = "CERTIFICATE";
  file.variable.value = "line one\nline two\n";
  file.variable.file = true;
  ci_->set_variable(ci::Owner::kProject, project_.id, file, true);
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
show:
  script:
    - echo "it is $PASSWORD."
    - cat "$CERTIFICATE"
    - echo "$CERTIFICATE"
)yaml"}});
  expect_end(pipeline, ci::Status::kSuccess);
  const std::string text = trace(pipeline, "show");
  EXPECT_THAT(text, Not(HasSubstr("s3cr3t-w0rd-123")));
  EXPECT_THAT(text, HasSubstr("it is [MASKED]"));
  EXPECT_THAT(text, HasSubstr("\nline one\nline two\n"));
  EXPECT_THAT(text, HasSubstr("\n/builds/root/tumour.tmp/CERTIFICATE\n"));
}

TEST_F(ExecutorTest, ARestartInTheMiddleLosesAndRepeatsNothing) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
counting:
  script:
    - for i in $(seq 1 60); do echo "number $i."; sleep 0.05; done
    - mkdir out && echo kept > out/f
  artifacts: {paths: [out]}
)yaml"}});
  const Id id = job(pipeline, "counting").id;
  for (const char* line : {"number 5.", "number 20.", "number 40."}) {
    ASSERT_TRUE(wait_until([&] { return ci_->trace(id).find(line) != std::string::npos; })) << line;
    open();
  }
  expect_end(pipeline, ci::Status::kSuccess);
  const std::string text = ci_->trace(id);
  for (int i = 1; i <= 60; ++i) {
    EXPECT_EQ(count(text, "number " + std::to_string(i) + ".\n"), 1) << i << text;
  }
  EXPECT_TRUE(ci_->artifact_path(id, "archive"));
  expect_nothing_left();
}

TEST_F(ExecutorTest, AContainerThatIsGoneAfterARestartFailsItsJob) {
  const auto pipeline = push({{".gitlab-ci.yml", "gone: {script: [echo begun, sleep 600]}\n"}});
  const Id id = job(pipeline, "gone").id;
  ASSERT_TRUE(wait_until([&] { return ci_->trace(id).find("\nbegun\n") != std::string::npos; }));
  executor_.reset();
  engine_->remove("ci-" + std::to_string(id));
  open();
  expect_end(pipeline, ci::Status::kFailed);
  EXPECT_EQ(ci_->job(id)->failure_reason, "runner_system_failure");
  EXPECT_THAT(ci_->trace(id), HasSubstr("the job's container was lost"));
  expect_nothing_left();
}

TEST_F(ExecutorTest, AnImageIsTheRegistrysOrCommonOrMissing) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
common: {image: "python:3.12-slim", script: [python3 --version]}
missing: {image: "health/nowhere:1", script: [echo never]}
)yaml"}});
  expect_end(pipeline, ci::Status::kFailed);
  EXPECT_EQ(job(pipeline, "common").status, ci::Status::kSuccess);
  EXPECT_THAT(trace(pipeline, "common"), HasSubstr("the machine's own tools"));
  EXPECT_EQ(job(pipeline, "missing").failure_reason, "image_pull_failure");
  EXPECT_THAT(trace(pipeline, "missing"), HasSubstr("health/nowhere:1"));
  EXPECT_THAT(trace(pipeline, "missing"), HasSubstr("docker push"));
}

TEST_F(ExecutorTest, CachesAndTheBuildDirectoryGoOn) {
  const std::string configuration = R"yaml(
cached:
  cache: {key: "$CI_COMMIT_REF_SLUG", paths: [.store/]}
  script:
    - test ! -e left.txt && echo left > left.txt
    - mkdir -p .store && ls .store | wc -l
    - touch .store/$CI_PIPELINE_ID && ln -sf /usr/bin/env .store/env-$CI_PIPELINE_ID
)yaml";
  const auto first = push({{".gitlab-ci.yml", configuration}});
  expect_end(first, ci::Status::kSuccess);
  EXPECT_THAT(trace(first, "cached"), HasSubstr("\n0\n"));
  EXPECT_THAT(trace(first, "cached"), HasSubstr("Created cache"));
  const auto second = push({{"more.txt", "x"}});
  expect_end(second, ci::Status::kSuccess);
  EXPECT_THAT(trace(second, "cached"), HasSubstr("Successfully extracted cache"));
  EXPECT_THAT(trace(second, "cached"), HasSubstr("\n2\n"));
  EXPECT_THAT(trace(second, "cached"), Not(HasSubstr("Created fresh repository")));
}

TEST_F(ExecutorTest, ABrokenDotenvReportFailsTheJob) {
  const auto pipeline = push({{".gitlab-ci.yml", R"yaml(
bad:
  script: [echo "no equals sign" > a.env]
  artifacts: {reports: {dotenv: a.env}}
)yaml"}});
  expect_end(pipeline, ci::Status::kFailed);
  EXPECT_THAT(trace(pipeline, "bad"), HasSubstr("Invalid Format"));
}

TEST_F(ExecutorTest, AJobBeginsAtOnce) {
  const auto pipeline = push({{".gitlab-ci.yml", "quick: {script: ['date +%s%3N; echo end']}\n"}});
  expect_end(pipeline, ci::Status::kSuccess);
  const ci::Job quick = job(pipeline, "quick");
  const std::string text = ci_->trace(quick.id);
  const std::size_t at = text.find("echo end\x1b[0;m\n") + 14;
  const auto begun = base::parse_integer(text.substr(at, 13));
  ASSERT_TRUE(begun) << text;
  ASSERT_TRUE(quick.queued);
  std::cout << "from pending to the script's first line: " << *begun - *quick.queued << " ms\n";
  EXPECT_LT(*begun - *quick.queued, 5'000);
}

}  // namespace
}  // namespace slipway::runner

int main(int argc, char** argv) {
  // The engine starts this program again as the shim of a container.
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
