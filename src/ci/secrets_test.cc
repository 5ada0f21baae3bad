// What a job was given and must not show, wherever it goes.

#include "base/strings.h"
#include "ci/fixture_for_test.h"

namespace slipway::ci {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPassword = "pass-w0rd-1234";

class SecretsTest : public CiTest {
 protected:
  void SetUp() override {
    CiTest::SetUp();
    give("PASSWORD", kPassword);
  }
  void give(const std::string& key, const std::string& value, const std::string& scope = "*") {
    StoredVariable stored;
    stored.variable = {.key = key, .value = value, .masked = true};
    stored.environment_scope = scope;
    ci_->set_variable(Owner::kProject, project_.id, stored, true);
  }
  // The trace of a job that prints this and succeeds.
  std::string print(const Assignment& assignment, const std::string& text) {
    queue().append_trace(assignment.job.id, 0, text);
    finish(assignment.job.id);
    return ci_->trace(assignment.job.id);
  }
};

TEST_F(SecretsTest, StayHiddenInTheTraceOfADownstreamPipeline) {
  const forge::Project other = make_project("other");
  push(other, {{".gitlab-ci.yml", "show:\n  script: x\n"}});
  while (const auto first = take()) finish(first->job.id);
  push_config(
      "deploy:\n  variables: {URL: \"http://me:$PASSWORD@host\"}\n"
      "  trigger: {project: root/other}\n");
  ci_->start();
  ASSERT_TRUE(
      eventually([&] { return ci_->latest_pipeline(other.id, "main")->source == "pipeline"; }));

  const auto show = queue().take(runner_, {}, std::chrono::seconds(20));

  ASSERT_TRUE(show);
  EXPECT_EQ(value(*show, "URL"), "http://me:" + std::string(kPassword) + "@host");
  EXPECT_THAT(print(*show, "see http://me:" + std::string(kPassword) + "@host\n"),
              Not(HasSubstr(kPassword)));
}

TEST_F(SecretsTest, StayHiddenInAPipelineThatAJobTriggers) {
  const forge::Project other = make_project("other");
  push(other, {{".gitlab-ci.yml", "show:\n  script: x\n"}});
  while (const auto first = take()) finish(first->job.id);
  forge::Project open = *forge_->project(other.id);
  open.settings["ci_job_token_allowlist"] = Json::array({project_.id});
  forge_->update_project(open);
  push_config("a:\n  script: x\n");
  const auto a = take();
  ASSERT_TRUE(a);
  ci_->trigger_pipeline(other.id, a->token, "main",
                        {{.key = "GIVEN", .value = kPassword}, {.key = "PLAIN", .value = "plain"}},
                        "");

  const auto show = take();

  ASSERT_TRUE(show);
  const std::string trace = print(*show, std::string("plain ") + kPassword + "\n");
  EXPECT_EQ(trace, "plain [MASKED]xxxxxx\n");
}

// A secret of one environment, in a report that a job outside of it gets.
TEST_F(SecretsTest, StayHiddenInWhatADotenvReportHandsOn) {
  give("KEY", "of-production-only", "production");
  push_config(
      "stages: [one, two]\n"
      "one: {stage: one, script: x, environment: production}\n"
      "two: {stage: two, script: x}\n");
  const auto one = take();
  ASSERT_TRUE(one);
  ASSERT_EQ(value(*one, "KEY"), "of-production-only");
  add_dotenv(one->job.id, "HANDED=key=of-production-only\nVERSION=1.2.3\n");
  finish(one->job.id);

  const auto two = take();

  ASSERT_TRUE(two);
  EXPECT_EQ(value(*two, "KEY"), "(none)");
  EXPECT_EQ(print(*two, "1.2.3 key=of-production-only\n"), "1.2.3 [MASKED]xxxxxxxxxxxxxx\n");
}

TEST_F(SecretsTest, StayHiddenInWhatIsSaidOfIncludes) {
  const Pipeline pipeline = push_config("include: {local: \"ci/$PASSWORD.yml\"}\na: {script: x}\n");
  ASSERT_EQ(pipeline.yaml_errors.size(), 1u);
  EXPECT_THAT(pipeline.yaml_errors[0], HasSubstr("ci/[MASKED]xxxxxx.yml"));
}

TEST_F(SecretsTest, StayHiddenAsAShellQuotesThem) {
  give("QUOTED", "it's-a-secret");
  push_config("a:\n  script: x\n  variables: {CI_DEBUG_TRACE: \"true\"}\n");
  const auto a = take();
  ASSERT_TRUE(a);
  const std::string trace =
      print(*a, "+ export 'QUOTED=it'\\''s-a-secret'\n+ echo 'it'\"'\"'s-a-secret'\n");
  EXPECT_THAT(trace, Not(HasSubstr("s-a-secret")));
}

TEST_F(SecretsTest, MakeAJobsDebugTraceADevelopersMatter) {
  push_config("a:\n  script: x\n  variables: {CI_DEBUG_TRACE: \"true\"}\nb:\n  script: x\n");
  for (int i = 0; i < 2; ++i) {
    const auto taken = take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->job.debug_trace, taken->job.name() == "a");
    finish(taken->job.id);
    EXPECT_EQ(ci_->job(taken->job.id)->debug_trace, taken->job.name() == "a");
  }
}

TEST_F(SecretsTest, StayHiddenInWhatComesAfterTheEnd) {
  push_config("a:\n  script: x\n");
  const auto a = take();
  ASSERT_TRUE(a);
  queue().append_trace(a->job.id, 0, "one\npass-w0");
  finish(a->job.id);
  EXPECT_EQ(queue().append_trace(a->job.id, 11, "rd-1234\n").outcome,
            TraceResult::Outcome::kForbidden);
  EXPECT_EQ(ci_->trace(a->job.id), "one\nxxxxxxx");
}

}  // namespace
}  // namespace slipway::ci
