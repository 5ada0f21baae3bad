// What the jobs of a plan are.

#include "ci_config/test_source.h"

namespace slipway::ci_config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

JobSpec with(const std::string& keywords) {
  return job_of(plan_of("job: {script: x, " + keywords + "}"), "job");
}

std::vector<std::string> needs_of(const JobSpec& job) {
  std::vector<std::string> names;
  for (const Need& need : job.needs.value_or(std::vector<Need>{})) {
    names.push_back(need.job + (need.artifacts ? "" : " -artifacts") +
                    (need.optional ? " optional" : ""));
  }
  return names;
}

TEST(Jobs, StandInTheOrderOfStagesThenOfTheFile) {
  const Plan plan = plan_of(
      "last: {stage: .post, script: x}\nd: {stage: deploy, script: x}\nb: {stage: build, script: "
      "x}\n"
      "a: {stage: build, script: x}\nfirst: {stage: .pre, script: x}\n");
  EXPECT_THAT(names_of(plan), ElementsAre("first", "b", "a", "d", "last"));
  EXPECT_THAT(plan.stages, ElementsAre(".pre", "build", "deploy", ".post"));
  EXPECT_EQ(job_of(plan, "d").stage_index, 2);
}

TEST(Jobs, HaveTheStageTestByDefault) {
  EXPECT_EQ(with("when: always").stage, "test");
  EXPECT_EQ(job_of(plan_of("stages: [[a, [b]], c, test]\nj: {stage: b, script: x}"), "j").stage,
            "b");
}

TEST(Parallel, NumbersJobs) {
  const Plan plan = plan_of(
      "a: {script: x, parallel: 3}\nb: {script: x, stage: deploy, needs: [a]}\n"
      "c: {script: x, stage: deploy, needs: [a 2/3], dependencies: [a 2/3]}\n"
      "d: {script: x, stage: deploy, dependencies: [a]}");
  EXPECT_THAT(names_of(plan), ElementsAre("a 1/3", "a 2/3", "a 3/3", "b", "c", "d"));
  const JobSpec& second = job_of(plan, "a 2/3");
  EXPECT_EQ(second.base_name, "a");
  EXPECT_EQ(second.node_index, 2);
  EXPECT_EQ(second.node_total, 3);
  EXPECT_THAT(needs_of(job_of(plan, "b")), ElementsAre("a 1/3", "a 2/3", "a 3/3"));
  EXPECT_THAT(needs_of(job_of(plan, "c")), ElementsAre("a 2/3"));
  EXPECT_THAT(*job_of(plan, "d").dependencies, ElementsAre("a 1/3", "a 2/3", "a 3/3"));
}

TEST(Parallel, MultipliesAMatrix) {
  const Plan plan = plan_of(R"(
train:
  script: x
  variables: {MODEL: none, KEEP: k}
  parallel:
    matrix:
      - MODEL: [xgb, mlp]
        DATA: [small, 2]
      - MODEL: rf
  rules: [{if: '$MODEL != "mlp" || $DATA == "small"'}]
report:
  stage: deploy
  script: x
  needs:
    - job: train
      parallel: {matrix: [{MODEL: [xgb], DATA: [small, 2]}]}
)");
  EXPECT_THAT(names_of(plan), ElementsAre("train: [xgb, small]", "train: [xgb, 2]",
                                          "train: [mlp, small]", "train: [rf]", "report"));
  const JobSpec& job = job_of(plan, "train: [xgb, 2]");
  EXPECT_EQ(job.node_index, 2);
  EXPECT_EQ(job.node_total, 5);
  EXPECT_EQ(value_of(job.variables, "MODEL"), "xgb");
  EXPECT_EQ(value_of(job.variables, "DATA"), "2");
  EXPECT_EQ(value_of(job.variables, "KEEP"), "k");
  EXPECT_THAT(needs_of(job_of(plan, "report")),
              ElementsAre("train: [xgb, small]", "train: [xgb, 2]"));
}

TEST(Parallel, HasAtMostTwoHundred) {
  EXPECT_EQ(plan_of("a: {script: x, parallel: 200}").jobs.size(), 200u);
  EXPECT_THAT(
      compiled("a: {script: x, parallel: {matrix: [{A: [1,2,3,4,5,6], B: [1,2,3,4,5,6], "
               "C: [1,2,3,4,5,6]}]}}")
          .errors,
      ElementsAre("jobs:a:parallel:matrix config generates too many jobs (maximum is 200)"));
}

TEST(Parallel, OfManyJobsIsBounded) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "j" + std::to_string(i) + ": {script: x, parallel: 200}\n";
  EXPECT_THAT(compiled(text).errors,
              ElementsAre("The number of jobs has exceeded the limit of 10000. Try splitting the "
                          "configuration with parent-child-pipelines"));
}

TEST(Needs, HaveManyForms) {
  const Plan plan = plan_of(R"(
a: {stage: build, script: x}
b: {stage: build, script: x}
gone: {stage: build, script: x, rules: [{if: $NO}]}
none: {script: x, needs: []}
all:
  script: x
  needs:
    - a
    - {job: b, artifacts: false}
    - {job: gone, optional: true}
    - {job: missing, optional: true}
    - {project: g/p, job: build, ref: main}
    - {pipeline: $PARENT, job: make, artifacts: true}
stage_only: {script: x}
)");
  EXPECT_TRUE(job_of(plan, "none").needs.has_value());
  EXPECT_THAT(needs_of(job_of(plan, "none")), IsEmpty());
  EXPECT_FALSE(job_of(plan, "stage_only").needs.has_value());
  const auto& needs = *job_of(plan, "all").needs;
  ASSERT_EQ(needs.size(), 4u);
  EXPECT_EQ(needs[0].job, "a");
  EXPECT_FALSE(needs[1].artifacts);
  EXPECT_EQ(needs[2].project, "g/p");
  EXPECT_EQ(needs[2].ref, "main");
  EXPECT_EQ(needs[3].pipeline, "$PARENT");
}

TEST(Needs, AreAtMostFifty) {
  std::string text = "all: {stage: deploy, script: x, needs: [";
  std::string jobs;
  for (int i = 0; i < 51; ++i) {
    text += "j" + std::to_string(i) + ", ";
    jobs += "j" + std::to_string(i) + ": {script: x}\n";
  }
  EXPECT_THAT(compiled(text + "]}\n" + jobs).errors,
              ElementsAre("all: one job can only need 50 others, but you have listed 51. See needs "
                          "keyword documentation for more details"));
}

TEST(Trigger, HasManyForms) {
  const Plan plan = plan_of(R"(
a: {trigger: group/project}
b:
  trigger:
    project: group/$WHERE
    branch: $CI_COMMIT_BRANCH
    strategy: depend
    forward: {pipeline_variables: true, yaml_variables: false}
  variables: {X: $UP_JOB_ID}
c: {trigger: {include: child.yml, strategy: mirror}}
d:
  trigger:
    include:
      - local: a.yml
      - {project: g/p, file: b.yml, ref: main}
      - {artifact: c.yml, job: gen}
gen: {stage: build, script: x}
e:
  trigger: {include: [{template: X.gitlab-ci.yml}]}
  parallel: {matrix: [{A: [1, 2]}]}
)");
  EXPECT_EQ(job_of(plan, "a").trigger->project, "group/project");
  EXPECT_TRUE(job_of(plan, "a").trigger->forward_yaml_variables);
  EXPECT_FALSE(job_of(plan, "a").trigger->forward_pipeline_variables);
  const TriggerSpec& b = *job_of(plan, "b").trigger;
  EXPECT_EQ(b.project, "group/$WHERE");
  EXPECT_EQ(b.branch, "$CI_COMMIT_BRANCH");
  EXPECT_EQ(b.strategy, "depend");
  EXPECT_FALSE(b.forward_yaml_variables);
  EXPECT_TRUE(b.forward_pipeline_variables);
  EXPECT_EQ(value_of(job_of(plan, "b").variables, "X"), "$UP_JOB_ID");
  const TriggerSpec& c = *job_of(plan, "c").trigger;
  EXPECT_EQ(c.project, "");
  EXPECT_EQ(c.strategy, "mirror");
  EXPECT_EQ(c.include, Json::array({Json{{"local", "child.yml"}}}));
  const TriggerSpec& d = *job_of(plan, "d").trigger;
  ASSERT_EQ(d.include.size(), 3u);
  EXPECT_EQ(d.include[2], (Json{{"artifact", "c.yml"}, {"job", "gen"}}));
  EXPECT_EQ(job_of(plan, "e: [2]").node_index, 2);
}

TEST(AllowFailure, TakesExitCodes) {
  EXPECT_TRUE(with("allow_failure: true").allow_failure);
  EXPECT_FALSE(with("allow_failure: {exit_codes: 3}").allow_failure);
  EXPECT_THAT(with("allow_failure: {exit_codes: 3}").allow_failure_exit_codes, ElementsAre(3));
  EXPECT_THAT(with("allow_failure: {exit_codes: [1, 2]}").allow_failure_exit_codes,
              ElementsAre(1, 2));
  EXPECT_FALSE(with("when: manual, allow_failure: {exit_codes: 3}").allow_failure);
}

TEST(Retry, HasTwoForms) {
  EXPECT_EQ(with("retry: 2").retry.max, 2);
  const Retry retry = with("retry: {max: 1, when: script_failure, exit_codes: [7]}").retry;
  EXPECT_EQ(retry.max, 1);
  EXPECT_THAT(retry.when, ElementsAre("script_failure"));
  EXPECT_THAT(retry.exit_codes, ElementsAre(7));
  EXPECT_THAT(with("retry: {max: 1, when: [always]}").retry.when, IsEmpty());
}

TEST(Image, IsAMapping) {
  EXPECT_EQ(with("image: python:3").options["image"], (Json{{"name", "python:3"}}));
  const JobSpec job = with(
      "image: {name: a, entrypoint: ['']}, services: [redis, {name: pg, alias: db, command: [x], "
      "variables: {A: 1}, pull_policy: always}]");
  EXPECT_EQ(job.options["image"], (Json{{"name", "a"}, {"entrypoint", {""}}}));
  EXPECT_EQ(job.options["services"][0], (Json{{"name", "redis"}}));
  EXPECT_EQ(job.options["services"][1]["alias"], "db");
  EXPECT_EQ(job.options["services"][1]["variables"], (Json{{"A", "1"}}));
  EXPECT_EQ(job.options["services"][1]["pull_policy"], Json::array({"always"}));
}

TEST(Artifacts, HaveListsOfReports) {
  const Json artifacts =
      with(
          "artifacts: {paths: [a], exclude: [b], when: always, expire_in: 1 week, "
          "name: $CI_JOB_NAME, untracked: true, reports: {dotenv: job.env, "
          "junit: [a.xml, b.xml], coverage_report: {coverage_format: cobertura, "
          "path: c.xml}}}")
          .options["artifacts"];
  EXPECT_EQ(artifacts["reports"]["dotenv"], Json::array({"job.env"}));
  EXPECT_EQ(artifacts["reports"]["junit"], Json::array({"a.xml", "b.xml"}));
  EXPECT_EQ(artifacts["reports"]["coverage_report"]["path"], "c.xml");
  EXPECT_EQ(artifacts["expire_in"], "1 week");
  EXPECT_EQ(artifacts["untracked"], true);
}

TEST(Cache, IsNormalised) {
  const Json one = with("cache: {paths: [v]}").options["cache"];
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["key"], "default");
  EXPECT_EQ(one[0]["policy"], "pull-push");
  EXPECT_EQ(one[0]["when"], "on_success");
  const Json two = with(
                       "cache: [{key: $CI_COMMIT_REF_SLUG, paths: [v], policy: pull}, {paths: [w], "
                       "key: b, fallback_keys: [c]}]")
                       .options["cache"];
  EXPECT_EQ(two[0]["policy"], "pull");
  EXPECT_EQ(two[1]["fallback_keys"], Json::array({"c"}));
  EXPECT_EQ(with("cache: []").options["cache"], Json::array());
  EXPECT_EQ(with("cache: {}").options["cache"], Json::array());
}

TEST(Cache, KeyOfFilesChangesWithThem) {
  const std::string text = "j: {script: x, cache: {paths: [v], key: {files: [lock], prefix: p}}}";
  const auto key = [&text](const std::string& content) {
    FakeProjects projects;
    if (!content.empty()) projects.files["@"]["lock"] = content;
    return job_of(plan_of(text, projects), "j").options["cache"][0]["key"].get<std::string>();
  };
  EXPECT_EQ(key(""), "p-default");
  EXPECT_EQ(key("one").size(), 42u);
  EXPECT_EQ(key("one"), key("one"));
  EXPECT_NE(key("one"), key("two"));
}

TEST(Environment, IsAMapping) {
  EXPECT_TRUE(with("when: always").environment.is_null());
  EXPECT_EQ(with("environment: prod").environment, (Json{{"name", "prod"}, {"action", "start"}}));
  const Json environment = with(
                               "environment: {name: review/$A, url: 'https://$A', deployment_tier: "
                               "other, action: verify}")
                               .environment;
  EXPECT_EQ(environment["name"], "review/$A");
  EXPECT_EQ(environment["action"], "verify");
}

TEST(Jobs, HaveTheRest) {
  const JobSpec job = with(
      "timeout: 1h 30m, resource_group: prod, coverage: '/Total: (\\d+)%/i', after_script: z, "
      "dependencies: [], tags: [a, b]");
  EXPECT_EQ(job.timeout, std::chrono::minutes(90));
  EXPECT_EQ(job.resource_group, "prod");
  EXPECT_EQ(job.coverage, "(?i)Total: (\\d+)%");
  EXPECT_THAT(job.after_script, ElementsAre("z"));
  ASSERT_TRUE(job.dependencies.has_value());
  EXPECT_THAT(*job.dependencies, IsEmpty());
  EXPECT_THAT(job.tags, ElementsAre("a", "b"));
}

TEST(JobVariables, AreTextAndMayBeRaw) {
  const Plan plan = plan_of(
      "variables: {A: {value: a, description: d, options: [a, b]}, N: 010, B: yes, F: 1.50}\n"
      "j: {script: x, variables: {R: {value: $A, expand: false}, E: '', A: mine}}");
  const Variables& variables = job_of(plan, "j").variables;
  EXPECT_EQ(value_of(variables, "A"), "mine");
  EXPECT_EQ(value_of(variables, "N"), "8");
  EXPECT_EQ(value_of(variables, "B"), "true");
  EXPECT_EQ(value_of(variables, "F"), "1.5");
  EXPECT_TRUE(find(variables, "R")->raw);
  EXPECT_EQ(value_of(plan.variables, "A"), "a");
}

struct Duration {
  std::string text;
  long seconds;  // -1: never; -2: none at all
};

class Durations : public testing::TestWithParam<Duration> {};

TEST_P(Durations, AreReadAsInGitLab) {
  if (GetParam().seconds == -2) {
    EXPECT_THROW(parse_duration(GetParam().text), base::Error) << GetParam().text;
    return;
  }
  const auto duration = parse_duration(GetParam().text);
  EXPECT_EQ(duration ? duration->count() : -1, GetParam().seconds) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Jobs, Durations,
    testing::Values(Duration{"never", -1}, Duration{"3600", 3600}, Duration{"1h 30m", 5400},
                    Duration{"1h30m", 5400}, Duration{"2 days", 172800}, Duration{"1 week", 604800},
                    Duration{"3 mins 4 sec", 184}, Duration{"2 hrs 20 min", 8400},
                    Duration{"6 mos 1 day", 15638400}, Duration{"47 yrs 6 mos and 4d", 1499104800},
                    Duration{"3 weeks and 2 days", 1987200}, Duration{"1.5 hours", 5400},
                    Duration{"1:30", 90}, Duration{"10:00:00", 36000}, Duration{"30 seconds", 30},
                    Duration{"", -2}, Duration{"7 elephants", -2}, Duration{"days", -2},
                    Duration{"-1 day", -2}, Duration{"1 2", -2}, Duration{"9999999999 years", -2}));

}  // namespace
}  // namespace slipway::ci_config
