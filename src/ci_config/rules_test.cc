#include "base/strings.h"
#include "ci_config/test_source.h"

namespace slipway::ci_config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Whether a job with these keywords is in the pipeline.
bool is_in(const std::string& keywords, const Context& context = on_branch("main"),
           const FakeProjects& projects = {}) {
  const Result result =
      compiled("other: {script: x, rules: [{when: always}]}\njob: {script: x, " + keywords + "}",
               projects, context);
  EXPECT_THAT(result.errors, IsEmpty()) << keywords;
  if (!result.plan) return false;
  const auto names = names_of(*result.plan);
  return std::find(names.begin(), names.end(), "job") != names.end();
}

JobSpec with(const std::string& keywords) {
  return job_of(plan_of("job: {script: x, " + keywords + "}"), "job");
}

TEST(Rules, TakeTheFirstThatMatches) {
  EXPECT_EQ(with("rules: [{if: '$NO', when: manual}, {when: always}, {when: never}]").when,
            When::kAlways);
  EXPECT_FALSE(is_in("rules: [{if: '$NO'}]"));
  EXPECT_FALSE(is_in("rules: [{if: '$CI_COMMIT_BRANCH', when: never}, {when: always}]"));
  EXPECT_TRUE(is_in("rules: [{if: '$CI_COMMIT_BRANCH == \"main\"'}]"));
}

TEST(Rules, AndTheirClauses) {
  FakeProjects projects;
  projects.files["@"] = {{"Dockerfile", ""}};
  projects.changed[""] = std::vector<std::string>{"src/a.py"};
  const Context main = on_branch("main");
  const std::string both = "rules: [{if: '$CI_COMMIT_BRANCH', changes: [src/*], exists: [%]}]";
  EXPECT_TRUE(is_in(base::replace_all(both, "%", "Dockerfile"), main, projects));
  EXPECT_FALSE(is_in(base::replace_all(both, "%", "Makefile"), main, projects));
  EXPECT_FALSE(is_in("rules: [{if: '$NO', changes: [src/*]}]", main, projects));
}

TEST(Rules, ManualBlocksInARuleAndNotOnTheJob) {
  EXPECT_TRUE(with("when: manual").allow_failure);
  EXPECT_FALSE(with("when: manual, allow_failure: false").allow_failure);
  EXPECT_FALSE(with("rules: [{when: manual}]").allow_failure);
  EXPECT_TRUE(with("rules: [{when: manual, allow_failure: true}]").allow_failure);
  EXPECT_TRUE(with("when: manual, rules: [{if: $CI_COMMIT_BRANCH}]").allow_failure);
  EXPECT_EQ(with("when: manual, rules: [{if: $CI_COMMIT_BRANCH}]").when, When::kManual);
}

TEST(Rules, CarryWhatTheJobGets) {
  const Plan plan = plan_of(R"(
variables: {A: global}
build: {stage: build, script: x}
other: {stage: build, script: x}
job:
  script: x
  needs: [build]
  interruptible: true
  variables: {B: job, C: job}
  allow_failure: {exit_codes: [3]}
  rules:
    - if: $B == "job" && $A == "global"
      when: delayed
      start_in: 3 hours
      allow_failure: true
      interruptible: false
      needs: [other]
      variables: {C: rule, D: rule}
)");
  const JobSpec& job = job_of(plan, "job");
  EXPECT_EQ(job.when, When::kDelayed);
  EXPECT_EQ(job.start_in, std::chrono::hours(3));
  EXPECT_TRUE(job.allow_failure);
  EXPECT_THAT(job.allow_failure_exit_codes, IsEmpty());
  EXPECT_FALSE(job.interruptible);
  ASSERT_EQ(job.needs->size(), 1u);
  EXPECT_EQ(job.needs->front().job, "other");
  EXPECT_EQ(value_of(job.variables, "C"), "rule");
  EXPECT_EQ(value_of(job.variables, "D"), "rule");
}

TEST(Rules, DoNotExpandValuesAndDoNotKnowTheRunningJob) {
  EXPECT_FALSE(is_in("variables: {A: $CI_COMMIT_BRANCH}, rules: [{if: '$A == \"main\"'}]"));
  EXPECT_FALSE(is_in("rules: [{if: $CI_JOB_ID}]"));
  EXPECT_TRUE(is_in("rules: [{if: $CI_JOB_NAME == 'job'}]"));
}

TEST(Rules, PutProjectVariablesOverTheFiles) {
  Context context = on_branch("main");
  context.outer = {{.key = "A", .value = "project"}};
  EXPECT_TRUE(is_in("variables: {A: file}, rules: [{if: '$A == \"project\"'}]", context));
}

TEST(Rules, ChangesHoldWhereThereIsNoDiff) {
  EXPECT_TRUE(is_in("rules: [{changes: [src/*]}]"));
  FakeProjects projects;
  projects.changed[""] = std::vector<std::string>{};
  EXPECT_FALSE(is_in("rules: [{changes: [src/*]}]", on_branch("main"), projects));
}

TEST(Rules, ChangesCompareAndExpand) {
  FakeProjects projects;
  projects.changed[""] = std::vector<std::string>{"a"};
  projects.changed["refs/heads/main"] = std::vector<std::string>{"docs/x.md"};
  Context context = on_branch("topic");
  context.outer = {{.key = "DIR", .value = "docs"}, {.key = "BASE", .value = "refs/heads/main"}};
  EXPECT_TRUE(is_in("rules: [{changes: {paths: [$DIR/*], compare_to: $BASE}}]", context, projects));
  EXPECT_FALSE(is_in("rules: [{changes: {paths: [src/*], compare_to: $BASE}}]", context, projects));
  EXPECT_FALSE(is_in("rules: [{changes: [$DIR/*]}]", context, projects));
}

TEST(Rules, ExistsLooksInOtherProjectsToo) {
  FakeProjects projects;
  projects.files["@"] = {{"src/deep/a.py", ""}};
  projects.files["tools@v1"] = {{"Makefile", ""}};
  const Context main = on_branch("main");
  EXPECT_TRUE(is_in("rules: [{exists: ['**/*.py']}]", main, projects));
  EXPECT_TRUE(is_in("rules: [{exists: 'src/deep/a.py'}]", main, projects));
  EXPECT_FALSE(is_in("rules: [{exists: ['*.py']}]", main, projects));
  EXPECT_TRUE(
      is_in("rules: [{exists: {paths: [Makefile], project: tools, ref: v1}}]", main, projects));
  EXPECT_FALSE(
      is_in("rules: [{exists: {paths: [a.py], project: tools, ref: v1}}]", main, projects));
  EXPECT_THAT(
      compiled("job: {script: x, rules: [{exists: {paths: [a], project: nope}}]}").errors,
      ElementsAre("Failed to parse rule for job: rules:exists:project `nope` is not a valid "
                  "project path"));
}

struct Policy {
  std::string keywords;
  bool on_main;
  bool on_a_tag;
  bool on_a_schedule;
};

class OnlyExcept : public testing::TestWithParam<Policy> {};

TEST_P(OnlyExcept, ChoosesRefs) {
  const Policy& policy = GetParam();
  EXPECT_EQ(is_in(policy.keywords), policy.on_main) << policy.keywords;
  EXPECT_EQ(is_in(policy.keywords, on_tag("v1.0")), policy.on_a_tag) << policy.keywords;
  EXPECT_EQ(is_in(policy.keywords, on_branch("nightly", "schedule")), policy.on_a_schedule)
      << policy.keywords;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, OnlyExcept,
    testing::Values(
        Policy{"when: always", true, true, true}, Policy{"only: [main]", true, false, false},
        Policy{"only: [branches]", true, false, true}, Policy{"only: [tags]", false, true, false},
        Policy{"only: [schedules]", false, false, true},
        Policy{"only: [pushes]", true, true, false}, Policy{"only: [/^v\\d/]", false, true, false},
        Policy{"only: [/^MA/i]", true, false, false},
        Policy{"only: [main@group/project]", true, false, false},
        Policy{"only: [main@group/other]", false, false, false},
        Policy{"only: {refs: [main]}", true, false, false},
        Policy{"except: [tags]", true, false, true},
        Policy{"except: [main, schedules]", false, true, false},
        Policy{"only: [branches], except: [main]", false, false, true},
        Policy{"only: {variables: ['$CI_COMMIT_TAG', '$NO']}", false, true, false},
        Policy{"except: {variables: [$CI_COMMIT_BRANCH]}", false, true, false},
        Policy{"only: {kubernetes: active}", false, false, false},
        Policy{"only: [merge_requests]", false, false, false}));

TEST(OnlyExceptChanges, HoldWithoutADiff) {
  FakeProjects projects;
  EXPECT_TRUE(is_in("only: {changes: [src/*]}", on_branch("main"), projects));
  projects.changed[""] = std::vector<std::string>{"docs/a"};
  EXPECT_FALSE(is_in("only: {changes: [src/*]}", on_branch("main"), projects));
  EXPECT_FALSE(is_in("except: {changes: [docs/*]}", on_branch("main"), projects));
}

TEST(OnlyExceptMergeRequests, AreLeftOutByDefault) {
  const Context context = on_branch("topic", "merge_request_event");
  EXPECT_FALSE(is_in("when: always", context));
  EXPECT_TRUE(is_in("only: [merge_requests]", context));
  // Its ref is no branch, whatever the patterns say.
  EXPECT_FALSE(is_in("only: [topic]", context));
  EXPECT_FALSE(is_in("only: [/.*/]", context));
  EXPECT_FALSE(is_in("except: [merge_requests]", context));
  const Context child = on_branch("refs/merge-requests/7/head", "parent_pipeline");
  EXPECT_FALSE(is_in("when: always", child));
  EXPECT_FALSE(is_in("only: [branches]", child));
  EXPECT_TRUE(is_in("rules: [{if: '$CI_PIPELINE_SOURCE == \"parent_pipeline\"'}]", child));
}

TEST(Workflow, DecidesWhetherThereIsAPipeline) {
  const std::string text =
      "workflow: {rules: [{if: '$CI_COMMIT_TAG', when: never}, {if: '$CI_COMMIT_BRANCH'}]}\n"
      "job: {script: x}";
  EXPECT_TRUE(compiled(text).plan);
  const Result tag = compiled(text, {}, on_tag("v1"));
  EXPECT_TRUE(tag.filtered);
  EXPECT_EQ(tag.filter_reason, "Pipeline filtered out by workflow rules.");
  EXPECT_THAT(tag.errors, IsEmpty());
  EXPECT_FALSE(tag.plan);
  EXPECT_TRUE(compiled("workflow: {rules: [{if: '$NO'}]}\njob: {script: x}").filtered);
}

TEST(Workflow, LiftsTheDefaultOfOnly) {
  const std::string text = "workflow: {rules: [{when: always}]}\njob: {script: x}";
  EXPECT_TRUE(compiled(text, {}, on_branch("topic", "merge_request_event")).plan);
}

TEST(Workflow, GivesNameVariablesAndCancelling) {
  const Plan plan = plan_of(R"(
workflow:
  name: '  Deploy $WHERE '
  auto_cancel: {on_new_commit: interruptible, on_job_failure: all}
  rules:
    - if: $CI_COMMIT_BRANCH == "main"
      variables: {WHERE: production, EXTRA: yes please}
      auto_cancel: {on_new_commit: none}
    - when: always
variables: {WHERE: staging, OTHER: o}
job: {script: x, rules: [{if: '$WHERE == "production"'}]}
)");
  EXPECT_EQ(plan.name, "Deploy $WHERE");
  EXPECT_EQ(plan.auto_cancel, "none");
  EXPECT_EQ(plan.on_job_failure, "all");
  EXPECT_EQ(value_of(plan.variables, "WHERE"), "production");
  EXPECT_EQ(value_of(plan.variables, "OTHER"), "o");
  EXPECT_EQ(value_of(job_of(plan, "job").variables, "EXTRA"), "yes please");
}

TEST(Plan, IsEmptyWithoutJobsOrWithEdgeStagesOnly) {
  const Result none = compiled("job: {script: x, rules: [{if: '$NO'}]}");
  EXPECT_TRUE(none.filtered);
  EXPECT_EQ(none.filter_reason,
            "The resulting pipeline would have been empty. Review the rules configuration for the "
            "relevant jobs.");
  EXPECT_TRUE(compiled("job: {stage: .pre, script: x}").filtered);
}

TEST(Warnings, TellOfRulesThatLetTwoPipelinesRun) {
  const Result result = compiled("Job: {script: x, rules: [{if: '$A'}, {when: always}]}");
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_TRUE(result.warnings[0].starts_with(
      "jobs:Job may allow multiple pipelines to run for a single action due to `rules:when` clause "
      "with no `workflow:rules` - read more: "));
  EXPECT_THAT(
      compiled("job: {script: x, rules: [{when: never}, {if: $CI_COMMIT_BRANCH}]}").warnings,
      IsEmpty());
}

TEST(Warnings, TellOfVariablesATriggerJobDoesNotHave) {
  const Result result = compiled(R"(
t:
  trigger: a/b
  variables: {JOB_ID: $CI_JOB_ID, CI_PROJECT_ID: $CI_PROJECT_ID, PIPELINE: $CI_PIPELINE_ID}
j: {script: x, variables: {JOB_ID: $CI_JOB_ID}}
)");
  EXPECT_THAT(
      result.warnings,
      ElementsAre("jobs:t:variables:JOB_ID uses CI_JOB_ID, which does not exist in a trigger job "
                  "and becomes empty: pass it on in a dotenv report of an earlier job",
                  "jobs:t:variables:CI_PROJECT_ID hides the downstream pipeline's own "
                  "CI_PROJECT_ID"));
}

TEST(Warnings, TellOfCirclesOddValuesAndKeywordsWithoutEffect) {
  EXPECT_THAT(compiled("j: {script: x, variables: {A: $B, B: $A}}").warnings,
              ElementsAre("j: circular variable reference detected: [\"A\", \"B\"]"));
  EXPECT_THAT(compiled("variables: {DEBUG: true}\nj: {script: x}").warnings,
              ElementsAre("variables:debug is true, which GitLab may refuse: put it in quotes"));
  EXPECT_THAT(compiled("j: {script: x, id_tokens: {A: {aud: b}}}").warnings,
              ElementsAre("jobs:j `id_tokens` is not supported and has no effect"));
}

}  // namespace
}  // namespace slipway::ci_config
