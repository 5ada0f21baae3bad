// include, extends, !reference, defaults: what the file becomes before it is a pipeline.

#include "ci_config/templates.h"
#include "ci_config/test_source.h"

namespace slipway::ci_config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Include, PutsTheFileOverWhatItIncludes) {
  FakeProjects projects;
  projects.files["@"] = {
      {"a.yml", "variables: {A: a, B: a}\njob: {script: [a, a2], tags: [x], retry: 1}\n"},
      {"b.yml", "variables: {B: b, C: b}\njob: {script: [b]}\nother: {script: other}\n"}};

  const Plan plan = plan_of(
      "include: [a.yml, {local: /b.yml}]\nvariables: {C: mine}\njob: {when: always}\n", projects);

  EXPECT_THAT(names_of(plan), ElementsAre("job", "other"));
  EXPECT_THAT(job_of(plan, "job").script, ElementsAre("b"));
  EXPECT_THAT(job_of(plan, "job").tags, ElementsAre("x"));
  EXPECT_EQ(job_of(plan, "job").when, When::kAlways);
  EXPECT_EQ(value_of(plan.variables, "A"), "a");
  EXPECT_EQ(value_of(plan.variables, "B"), "b");
  EXPECT_EQ(value_of(plan.variables, "C"), "mine");
}

TEST(Include, TakesWildcardsInOrder) {
  FakeProjects projects;
  projects.files["@"] = {{"ci/b.yml", "b: {script: x}"},
                         {"ci/a.yml", "a: {script: x}"},
                         {"ci/deep/c.yml", "c: {script: x}"}};
  EXPECT_THAT(names_of(plan_of("include: 'ci/*.yml'", projects)), ElementsAre("a", "b"));
  EXPECT_THAT(names_of(plan_of("include: 'ci/**.yml'", projects)), ElementsAre("a", "b", "c"));
}

TEST(Include, OfAProjectLooksForItsLocalFilesThere) {
  FakeProjects projects;
  projects.files["tools/ci@v1"] = {{"main.yml", "include: {local: sub.yml}\na: {script: x}"},
                                   {"sub.yml", "b: {script: y}"},
                                   {"more.yml", "c: {script: z}"}};
  const Result result = compiled(
      "include: {project: tools/$WHERE, ref: v1, file: [/main.yml, more.yml]}", projects, [] {
        Context context = on_branch("main");
        context.outer = {{.key = "WHERE", .value = "ci"}};
        return context;
      }());

  ASSERT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(names_of(*result.plan), ElementsAre("b", "a", "c"));
  ASSERT_EQ(result.includes.size(), 3u);
  EXPECT_EQ(result.includes[0]["type"], "file");
  EXPECT_EQ(result.includes[0]["location"], "main.yml");
  EXPECT_EQ(result.includes[0]["context_project"], "tools/ci");
  EXPECT_EQ(result.includes[0]["extra"]["ref"], "v1");
  EXPECT_EQ(result.includes[1]["type"], "local");
}

TEST(Include, TakesRemoteFilesAndTemplates) {
  FakeProjects projects;
  projects.remote["https://example.com/ci.yml"] = "remote: {script: x}";
  projects.files["@"]["a.py"] = "";
  const Plan plan =
      plan_of("include:\n  - https://example.com/ci.yml\n  - template: Jobs/Lint.gitlab-ci.yml\n",
              projects);
  EXPECT_THAT(names_of(plan), ElementsAre("remote", "lint"));
}

TEST(Include, TakesAnArtifactOfTheParent) {
  FakeProjects projects;
  projects.artifacts["generate:child.yml"] = "made: {script: x}";
  EXPECT_THAT(names_of(plan_of("include: [{artifact: child.yml, job: generate}]", projects)),
              ElementsAre("made"));
}

TEST(Include, FollowsItsRules) {
  FakeProjects projects;
  projects.files["@"] = {{"a.yml", "a: {script: x}"}, {"Dockerfile", ""}};
  projects.changed[""] = std::vector<std::string>{"src/x.py"};
  const auto jobs = [&projects](const std::string& rules) {
    return names_of(
        plan_of("include: [{local: a.yml, rules: " + rules + "}]\nb: {script: x}", projects));
  };
  EXPECT_THAT(jobs("[{if: $CI_COMMIT_BRANCH == 'main'}]"), ElementsAre("a", "b"));
  EXPECT_THAT(jobs("[{if: $CI_COMMIT_BRANCH == 'other'}]"), ElementsAre("b"));
  EXPECT_THAT(jobs("[{if: $CI_COMMIT_BRANCH, when: never}]"), ElementsAre("b"));
  EXPECT_THAT(jobs("[{exists: [Dockerfile]}]"), ElementsAre("a", "b"));
  EXPECT_THAT(jobs("[{exists: [Makefile]}]"), ElementsAre("b"));
  EXPECT_THAT(jobs("[{changes: ['src/**/*']}]"), ElementsAre("a", "b"));
  EXPECT_THAT(jobs("[{changes: ['docs/**/*']}]"), ElementsAre("b"));
}

struct BadInclude {
  std::string include;
  std::string error;
};

class WrongInclude : public testing::TestWithParam<BadInclude> {};

TEST_P(WrongInclude, IsRefusedInGitLabsWords) {
  FakeProjects projects;
  projects.files["@"] = {
      {"broken.yml", "a: b: c"}, {"text.yml", "text"}, {"empty.yml", " "}, {"mapping.yml", "{}"}};
  projects.files["tools@"] = {{"a.yml", "a: {script: x}"}};
  EXPECT_THAT(compiled("include: " + GetParam().include + "\njob: {script: x}", projects).errors,
              ElementsAre(GetParam().error))
      << GetParam().include;
}

INSTANTIATE_TEST_SUITE_P(
    Include, WrongInclude,
    testing::Values(
        BadInclude{"missing.yml", "Local file `missing.yml` does not exist!"},
        BadInclude{"empty.yml", "Local file `empty.yml` is empty!"},
        BadInclude{"a.txt", "Included file `a.txt` does not have YAML extension!"},
        BadInclude{"text.yml", "`text.yml`: Invalid configuration format"},
        BadInclude{"mapping.yml", "Included file `mapping.yml` does not have valid YAML syntax!"},
        BadInclude{"broken.yml",
                   "`broken.yml`: (<unknown>): mapping values are not allowed in this context at "
                   "line 1 column 5"},
        BadInclude{"1", "Each include must be a hash or a string"},
        BadInclude{"{local: 1}", "Included file `1` needs to be a string"},
        BadInclude{"{foo: a.yml}",
                   "`{\"foo\":\"a.yml\"}` does not have a valid subkey for include. Valid subkeys "
                   "are: `local`, `project`, `remote`, `template`, `artifact`, `component`"},
        BadInclude{"{local: a.yml, remote: 'https://a/b.yml'}",
                   "Each include must use only one of: `local`, `project`, `remote`, `template`, "
                   "`artifact`, `component`"},
        BadInclude{"{project: tools}",
                   "include config must specify the file where to fetch the config from"},
        BadInclude{"{project: tools, file: b.yml}", "Project `tools` file `b.yml` does not exist!"},
        BadInclude{"{project: secret, file: b.yml}",
                   "Project `secret` not found or access denied! Make sure any includes in the "
                   "pipeline configuration are correctly defined."},
        BadInclude{"{template: None.gitlab-ci.yml}",
                   "Included file `None.gitlab-ci.yml` is empty or does not exist!"},
        BadInclude{"{template: None.yml}", "Template file `None.yml` is not a valid location!"},
        BadInclude{"'https://nowhere/a.yml'",
                   "Remote file `https://nowhere/a.yml` could not be fetched because of HTTP "
                   "error!"},
        BadInclude{"{artifact: a.yml, job: b}",
                   "Job `b` not found in parent pipeline or does not have artifacts!"},
        BadInclude{"{local: a.yml, rules: [{if: '$A ='}]}",
                   "include:rules:rule if invalid expression syntax"}));

TEST(Include, StopsAtAHundredAndFifty) {
  FakeProjects projects;
  projects.files["@"] = {{"a.yml", "include: b.yml\na: {script: x}"},
                         {"b.yml", "include: a.yml\nb: {script: x}"}};
  EXPECT_THAT(compiled("include: a.yml", projects).errors,
              ElementsAre("Maximum of 150 nested includes are allowed!"));

  std::string many = "include:\n";
  for (int i = 0; i < 150; ++i) {
    const std::string name = "f" + std::to_string(i) + ".yml";
    projects.files["@"][name] = "j" + std::to_string(i) + ": {script: x}";
    many += "  - " + name + "\n";
  }
  EXPECT_EQ(plan_of(many, projects).jobs.size(), 150u);
}

TEST(Include, OfARemoteFileSaysWhyItFailed) {
  const std::string start = "Remote file `https://a/";
  EXPECT_THAT(
      compiled("include: https://a/404.yml").errors,
      ElementsAre(start + "404.yml` could not be fetched because of HTTP code `404` error!"));
  EXPECT_THAT(compiled("include: https://a/slow.yml").errors,
              ElementsAre(start + "slow.yml` could not be fetched because of a timeout error!"));
  EXPECT_THAT(compiled("include: https://a/gone.yml").errors,
              ElementsAre(start + "gone.yml` could not be fetched because of a socket error!"));
}

TEST(Include, OfARemoteFileHasNoProject) {
  FakeProjects projects;
  projects.remote["https://example.com/ci.yml"] = "include: a.yml\nremote: {script: x}";
  EXPECT_THAT(compiled("include: https://example.com/ci.yml", projects).errors,
              ElementsAre("Local file `a.yml` does not have project!"));
}

TEST(Include, SharesNoAnchorsBetweenFiles) {
  FakeProjects projects;
  projects.files["@"]["a.yml"] = ".a: &a {script: x}";
  EXPECT_THAT(compiled("include: a.yml\njob: *a", projects).errors,
              ElementsAre("An alias referenced an unknown anchor: a"));
}

TEST(Templates, AllCompile) {
  FakeProjects projects;
  projects.files["@"] = {{"tests/test_a.py", ""}};
  for (const std::string& name : template_names()) {
    const Result result =
        compiled("include: {template: " + name + "}\nmine: {script: x}", projects);
    EXPECT_THAT(result.errors, IsEmpty()) << name;
    EXPECT_TRUE(result.plan) << name;
  }
}

TEST(Extends, MergesMappingsAndReplacesLists) {
  const Plan plan = plan_of(R"(
.base:
  script: [base]
  variables: {A: base, B: base}
  tags: [one]
.more:
  variables: {B: more, C: more}
  tags: [two]
job:
  extends: [.base, .more]
  variables: {C: mine}
)");
  const JobSpec& job = job_of(plan, "job");
  EXPECT_THAT(job.script, ElementsAre("base"));
  EXPECT_THAT(job.tags, ElementsAre("two"));
  EXPECT_EQ(value_of(job.variables, "A"), "base");
  EXPECT_EQ(value_of(job.variables, "B"), "more");
  EXPECT_EQ(value_of(job.variables, "C"), "mine");
}

TEST(Extends, IsUndoneByNull) {
  const Plan plan = plan_of(
      ".base: {script: [base], variables: {A: a}, tags: [t]}\n"
      "none: {extends: .base, variables: null, tags: }\n"
      "empty: {extends: .base, variables: {}}");
  EXPECT_THAT(job_of(plan, "none").variables, IsEmpty());
  EXPECT_THAT(job_of(plan, "none").tags, IsEmpty());
  EXPECT_EQ(job_of(plan, "empty").variables.size(), 1u);
}

TEST(Extends, GoesThroughSeveralLevelsInAnyOrderOfTheFile) {
  const Plan plan = plan_of(
      "job: {extends: .b}\n.b: {extends: .c, stage: build}\n.c: {script: [c], stage: test}\n");
  EXPECT_EQ(job_of(plan, "job").stage, "build");
  EXPECT_THAT(job_of(plan, "job").script, ElementsAre("c"));
}

std::string chain(int levels) {
  std::string text = "job: {extends: .l1}\n";
  for (int i = 1; i < levels; ++i) {
    text += ".l" + std::to_string(i) + ": {extends: .l" + std::to_string(i + 1) + "}\n";
  }
  return text + ".l" + std::to_string(levels) + ": {script: x}\n";
}

TEST(Extends, GoesElevenLevelsDeep) {
  EXPECT_THAT(compiled(chain(11)).errors, IsEmpty());
  EXPECT_THAT(compiled(chain(12)).errors, ElementsAre(HasSubstr("nesting too deep in `extends`")));
  EXPECT_THAT(compiled(chain(5000)).errors,
              ElementsAre(HasSubstr("nesting too deep in `extends`")));
}

TEST(Extends, RefusesWhatItCannotExtend) {
  EXPECT_THAT(compiled("rspec: {extends: something, script: test}").errors,
              ElementsAre("rspec: unknown keys in `extends` (something)"));
  EXPECT_THAT(compiled("rspec: {extends: [a, b], script: test}").errors,
              ElementsAre("rspec: unknown keys in `extends` (a, b)"));
  EXPECT_THAT(compiled("rspec: {extends: .a, script: test}\n.a: text").errors,
              ElementsAre("rspec: invalid base hashes in `extends` (.a)"));
  EXPECT_THAT(compiled("a: {extends: b, script: x}\nb: {extends: a, script: x}").errors,
              ElementsAre("a: circular dependency detected in `extends`"));
  EXPECT_THAT(compiled("a: {extends: a, script: x}").errors,
              ElementsAre("a: circular dependency detected in `extends`"));
}

TEST(Extends, CannotBlowAFileUp) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += "j" + std::to_string(i) + ": {script: x, extends: .big}\n";
  }
  text += ".big: {variables: {";
  for (int i = 0; i < 2000; ++i) text += "V" + std::to_string(i) + ": x, ";
  EXPECT_THAT(compiled(text + "}}").errors, ElementsAre("The parsed YAML is too big"));
}

TEST(Reference, PutsInWhatItNames) {
  const Plan plan = plan_of(R"(
.setup:
  script:
    - echo setup
    - [echo nested]
.vars:
  variables: {URL: 'http://x', IGNORED: y}
.rules:
  rules:
    - if: $CI_COMMIT_BRANCH == "main"
      when: manual
job:
  before_script: !reference [.setup, script]
  script:
    - !reference [.setup, script]
    - echo mine
  rules:
    - if: $CI_COMMIT_BRANCH == "other"
    - !reference [.rules, rules]
  variables:
    MY_URL: !reference [.vars, variables, URL]
)");
  const JobSpec& job = job_of(plan, "job");
  EXPECT_THAT(job.script,
              ElementsAre("echo setup", "echo nested", "echo setup", "echo nested", "echo mine"));
  EXPECT_EQ(job.when, When::kManual);
  EXPECT_EQ(value_of(job.variables, "MY_URL"), "http://x");
}

TEST(Reference, ComesAfterExtendsAndFollowsReferences) {
  const Plan plan = plan_of(R"(
.a: {script: [a]}
.b: {extends: .a}
.c: {script: [!reference [.b, script], c]}
job: {script: [!reference [.c, script]]}
)");
  EXPECT_THAT(job_of(plan, "job").script, ElementsAre("a", "c"));
}

TEST(Reference, RefusesWhatThereIsNotAndCircles) {
  EXPECT_THAT(compiled("job: {script: [!reference [.none, script]]}").errors,
              ElementsAre("!reference [\".none\", \"script\"] could not be found"));
  EXPECT_THAT(compiled("a: {script: text}\njob: {script: [!reference [a, script, x]]}").errors,
              ElementsAre("!reference [\"a\", \"script\", \"x\"] could not be found"));
  EXPECT_THAT(compiled("job-1: {script: [!reference [job-3, script]]}\n"
                       "job-3: {script: [!reference [job-1, script]]}")
                  .errors,
              ElementsAre("!reference [\"job-3\", \"script\"] is part of a circular chain"));
}

TEST(Reference, CannotBlowAFileUp) {
  std::string text = ".a0: {script: [x, x, x, x, x, x, x, x, x, x]}\n";
  for (int i = 1; i < 10; ++i) {
    const std::string one = "!reference [.a" + std::to_string(i - 1) + ", script]";
    text += ".a" + std::to_string(i) + ": {script: [" + one;
    for (int j = 0; j < 9; ++j) text += ", " + one;
    text += "]}\n";
  }
  EXPECT_THAT(compiled(text + "job: {script: [!reference [.a9, script]]}").errors,
              ElementsAre("The parsed YAML is too big"));
}

TEST(Default, FillsKeysThatAJobDoesNotHave) {
  const Plan plan = plan_of(R"(
default:
  image: ruby
  tags: [shared]
  before_script: [before]
  after_script: [after]
  retry: 1
  timeout: 1h
  interruptible: true
  artifacts: {paths: [out]}
a: {script: a}
b: {script: b, image: python, tags: [own], before_script: [], artifacts: {expire_in: 1 day}}
t: {trigger: x/y}
)");
  const JobSpec& a = job_of(plan, "a");
  EXPECT_EQ(a.options["image"]["name"], "ruby");
  EXPECT_THAT(a.script, ElementsAre("before", "a"));
  EXPECT_THAT(a.after_script, ElementsAre("after"));
  EXPECT_EQ(a.retry.max, 1);
  EXPECT_EQ(a.timeout, std::chrono::hours(1));
  EXPECT_TRUE(a.interruptible);
  EXPECT_EQ(a.options["artifacts"]["paths"][0], "out");
  const JobSpec& b = job_of(plan, "b");
  EXPECT_EQ(b.options["image"]["name"], "python");
  EXPECT_THAT(b.tags, ElementsAre("own"));
  EXPECT_THAT(b.script, ElementsAre("b"));
  EXPECT_FALSE(b.options["artifacts"].contains("paths"));
  EXPECT_TRUE(job_of(plan, "t").options.empty());
}

TEST(Default, IsAlsoWrittenAtTheTop) {
  const Plan plan = plan_of(
      "image: ruby\nbefore_script: [b]\nservices: [redis]\ncache: {paths: [v]}\na: {script: a}");
  EXPECT_THAT(job_of(plan, "a").script, ElementsAre("b", "a"));
  EXPECT_EQ(job_of(plan, "a").options["services"][0]["name"], "redis");
  EXPECT_EQ(job_of(plan, "a").options["cache"][0]["paths"][0], "v");
}

TEST(Inherit, ChoosesDefaultsAndVariables) {
  const Plan plan = plan_of(R"(
default: {image: ruby, tags: [shared]}
variables: {A: 1, B: 2}
all: {script: x}
none: {script: x, inherit: {default: false, variables: false}}
some: {script: x, inherit: {default: [tags], variables: [B]}}
)");
  EXPECT_EQ(job_of(plan, "all").variables.size(), 2u);
  EXPECT_FALSE(job_of(plan, "none").options.contains("image"));
  EXPECT_THAT(job_of(plan, "none").variables, IsEmpty());
  EXPECT_THAT(job_of(plan, "some").tags, ElementsAre("shared"));
  EXPECT_FALSE(job_of(plan, "some").options.contains("image"));
  ASSERT_EQ(job_of(plan, "some").variables.size(), 1u);
  EXPECT_EQ(job_of(plan, "some").variables[0].key, "B");
}

TEST(MergedYaml, HasAllFilesInOrderAndCompilesToTheSame) {
  FakeProjects projects;
  projects.files["@"]["a.yml"] = ".base: {script: [base]}\nfirst: {script: x}";
  const std::string text =
      "include: a.yml\nstages: [one, test]\nsecond: {extends: .base, stage: one}\n"
      "third: {script: [!reference [.base, script]]}\n";
  const Result result = compiled(text, projects);

  EXPECT_EQ(result.merged_yaml,
            "---\n\".base\":\n  script:\n  - base\nfirst:\n  script: x\nstages:\n- \".pre\"\n"
            "- one\n- test\n- \".post\"\nsecond:\n  script:\n  - base\n  extends: \".base\"\n"
            "  stage: one\nthird:\n  script:\n  - - base\n");
  EXPECT_EQ(names_of(plan_of(result.merged_yaml)), names_of(*result.plan));
}

}  // namespace
}  // namespace slipway::ci_config
