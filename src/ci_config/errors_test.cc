#include "ci_config/test_source.h"

namespace slipway::ci_config {
namespace {

using testing::ElementsAre;

struct Wrong {
  std::string text;
  std::vector<std::string> errors;
};

class WrongFile : public testing::TestWithParam<Wrong> {};

TEST_P(WrongFile, IsRefusedInGitLabsWords) {
  const Result result = compiled(GetParam().text);
  EXPECT_EQ(result.errors, GetParam().errors) << GetParam().text;
  EXPECT_EQ(result.error_places.size(), result.errors.size());
  EXPECT_FALSE(result.plan.has_value());
}

// A job `rspec` with a script and these keywords.
Wrong rspec(const std::string& keywords, const std::string& error) {
  return {"rspec: {script: test, " + keywords + "}", {error}};
}

INSTANTIATE_TEST_SUITE_P(
    Whole, WrongFile,
    testing::Values(
        Wrong{"", {"Please provide content of .gitlab-ci.yml"}},
        Wrong{" \n", {"Please provide content of .gitlab-ci.yml"}},
        Wrong{"invalid_yaml", {"Invalid configuration format"}},
        Wrong{"- a", {"Invalid configuration format"}},
        Wrong{"# nothing", {"Invalid configuration format"}},
        Wrong{"before_script: [x]", {"jobs config should contain at least one visible job"}},
        Wrong{"before_script: [x]\n.hidden: {script: ls}",
              {"jobs config should contain at least one visible job"}},
        Wrong{"extra: bundle update",
              {"jobs extra config should implement the script:, run:, or trigger: keyword",
               "jobs config should contain at least one visible job"}},
        Wrong{"git_ssl_no_verify: 1\njob: {script: x}",
              {"jobs git_ssl_no_verify config should implement the script:, run:, or trigger: "
               "keyword"}},
        Wrong{"rspec: {before_script: [test]}",
              {"jobs rspec config should implement the script:, run:, or trigger: keyword",
               "jobs config should contain at least one visible job"}},
        Wrong{"'': {script: test}", {"jobs:job name can't be blank"}},
        Wrong{"10: {script: test}", {"jobs:10 name should be a symbol"}},
        Wrong{"on: {script: test}", {"jobs:true name should be a symbol"}},
        Wrong{std::string(256, 'a') + ": {script: test}",
              {"jobs:" + std::string(256, 'a') + " name is too long (maximum is 255 characters)"}},
        Wrong{"image: [test]\nrspec: {script: test}",
              {"image config should be a hash or a string"}},
        Wrong{"services: test\nrspec: {script: test}", {"services config should be an array"}},
        Wrong{"services: [10, test]\nrspec: {script: test}",
              {"services:service config should be a hash or a string"}},
        Wrong{"before_script: {a: b}\nrspec: {script: test}",
              {"before_script config should be a string or a nested array of strings up to 10 "
               "levels deep"}},
        Wrong{"stages: test\nrspec: {script: test}",
              {"stages config should be an array of strings"}},
        Wrong{"stages: [true, test]\nrspec: {script: test}",
              {"stages config should be an array of strings"}},
        Wrong{"variables: test\nrspec: {script: test}", {"variables config should be a hash"}},
        Wrong{"variables: {A: [1]}\nrspec: {script: test}",
              {"variable definition must be either a string or a hash"}},
        Wrong{"variables: {VAR1: {invalid: hello}}\nrspec: {script: test}",
              {"variables:var1 config uses invalid data keys: invalid"}},
        Wrong{"variables: {V: {value: a, options: [b]}}\nrspec: {script: test}",
              {"variables:v config value must be present in options"}},
        Wrong{"cache: {untracked: string}\nrspec: {script: test}",
              {"cache:untracked config should be a boolean value"}},
        Wrong{"cache: {paths: string}\nrspec: {script: test}",
              {"cache:paths config should be an array of strings"}},
        Wrong{"cache: {key: 1}\nrspec: {script: test}",
              {"cache:key should be a hash, a string or a symbol"}},
        Wrong{"default: {script: x}\nrspec: {script: test}",
              {"default config contains unknown keys: script"}},
        Wrong{"default: {image: a}\nimage: b\nrspec: {script: test}",
              {"image is defined in top-level and `default:` entry"}},
        Wrong{"workflow: {only: x}\nrspec: {script: test}",
              {"workflow config contains unknown keys: only"}},
        Wrong{"workflow: {rules: []}\nrspec: {script: test}",
              {"workflow:rules config can't be blank"}},
        Wrong{"workflow: {rules: [{if: '$A ='}]}\nrspec: {script: test}",
              {"workflow:rules:rule if invalid expression syntax"}},
        Wrong{"workflow: {rules: [{when: manual}]}\nrspec: {script: test}",
              {"workflow:rules:rule when unknown value: manual"}},
        Wrong{"workflow: {auto_cancel: {on_new_commit: x}}\nrspec: {script: test}",
              {"workflow:auto_cancel on new commit must be one of: conservative, interruptible, "
               "none"}},
        Wrong{".hidden: {}\nrspec: {script: test}", {"jobs:.hidden config can't be blank"}}));

INSTANTIATE_TEST_SUITE_P(
    Job, WrongFile,
    testing::Values(
        Wrong{"test: {script: x, scripts: y}", {"jobs:test config contains unknown keys: scripts"}},
        Wrong{"Test: {script: x, Foo: y, bar: z}",
              {"jobs:test config contains unknown keys: foo, bar"}},
        Wrong{"test: {script: 42}",
              {"jobs:test:script config should be a string or a nested array of strings up to 10 "
               "levels deep"}},
        Wrong{"test: {script: [a, {b: c}]}",
              {"jobs:test:script config should be a string or a nested array of strings up to 10 "
               "levels deep"}},
        Wrong{"test:\n  script:\n    - echo \"Application: x\"\n    - echo key: value\n",
              {"jobs:test:script config should be a string or a nested array of strings up to 10 "
               "levels deep"}},
        Wrong{"test: {script: [[[[[[[[[[[[x]]]]]]]]]]]]}",
              {"jobs:test:script config should be a string or a nested array of strings up to 10 "
               "levels deep"}},
        Wrong{"test: {script: []}", {"jobs:test script can't be blank"}},
        Wrong{"test: {script: }", {"jobs:test script can't be blank"}},
        rspec("tags: mysql", "jobs:rspec:tags config should be an array of strings"),
        rspec("before_script: [10, test]",
              "jobs:rspec:before_script config should be a string or a nested array of strings up "
              "to 10 levels deep"),
        rspec("image: [test]", "jobs:rspec:image config should be a hash or a string"),
        rspec("image: {entrypoint: [x]}", "jobs:rspec:image name can't be blank"),
        rspec("services: test", "jobs:rspec:services config should be an array"),
        rspec("services: [10, test]",
              "jobs:rspec:services:service config should be a hash or a string"),
        rspec("allow_failure: string",
              "jobs:rspec allow failure should be a hash or a boolean value"),
        rspec("allow_failure: {exit_codes: string}",
              "jobs:rspec:allow_failure exit codes should be an array of integers or an integer"),
        rspec("stage: 1", "jobs:rspec:stage config should be a string"),
        rspec("when: 1",
              "jobs:rspec when should be one of: on_success, on_failure, always, manual, delayed"),
        rspec("when: delayed", "jobs:rspec start in should be a duration"),
        rspec("when: delayed, start_in: 2 weeks",
              "jobs:rspec start in should not exceed the limit"),
        rspec("start_in: 1 day", "jobs:rspec start in must be blank"),
        rspec("artifacts: {name: 1}", "jobs:rspec:artifacts name should be a string"),
        rspec("artifacts: {when: 1}",
              "jobs:rspec:artifacts when should be one of: on_success, on_failure, always"),
        rspec("artifacts: {expire_in: 1}", "jobs:rspec:artifacts expire in should be a duration"),
        rspec("artifacts: {expire_in: 7 elephants}",
              "jobs:rspec:artifacts expire in should be a duration"),
        rspec("artifacts: {untracked: string}",
              "jobs:rspec:artifacts untracked should be a boolean value"),
        rspec("artifacts: {paths: string}",
              "jobs:rspec:artifacts paths should be an array of strings"),
        rspec("artifacts: {expose_as: 'Test results'}",
              "jobs:rspec:artifacts paths can't be blank"),
        rspec("artifacts: {reports: {unknown: x}}",
              "jobs:rspec:artifacts:reports config contains unknown keys: unknown"),
        rspec("artifacts: {public: true, access: all}",
              "jobs:rspec:artifacts config these keys cannot be used together: access, public"),
        rspec("cache: {key: 1}", "jobs:rspec:cache:key should be a hash, a string or a symbol"),
        rspec("cache: {key: a/b}", "jobs:rspec:cache:key cannot contain the \"/\" character"),
        rspec("cache: {key: {files: [1]}}",
              "jobs:rspec:cache:key:files config should be an array of strings"),
        rspec("cache: {key: {files: []}}",
              "jobs:rspec:cache:key:files config requires at least 1 item"),
        rspec("cache: {key: {files: [a, b, c]}}",
              "jobs:rspec:cache:key:files config has too many items (maximum is 2)"),
        rspec("cache: {key: {prefix: x}}",
              "jobs:rspec:cache:key config must use exactly one of these keys: files, "
              "files_commits"),
        rspec("cache: {policy: x}",
              "jobs:rspec:cache policy should be a variable or one of: pull-push, push, pull"),
        rspec("cache: [{}, {}, {}, {}, {}]",
              "jobs:rspec:cache config no more than 4 caches can be created"),
        rspec("dependencies: string", "jobs:rspec dependencies should be an array of strings"),
        rspec("parallel: test", "jobs:rspec:parallel should be an integer or a hash"),
        rspec("parallel: 0", "jobs:rspec:parallel config must be greater than or equal to 1"),
        rspec("parallel: 201", "jobs:rspec:parallel config must be less than or equal to 200"),
        rspec("parallel: 1.5", "jobs:rspec:parallel config must be an integer"),
        rspec("parallel: {}", "jobs:rspec:parallel config missing required keys: matrix"),
        rspec("parallel: {matrix: x}",
              "jobs:rspec:parallel:matrix config should be an array of hashes"),
        rspec("retry: 3", "retry config must be less than or equal to 2"),
        rspec("retry: true", "retry config has to be either an integer or a hash"),
        rspec("retry: {max: 10}", "retry max must be less than or equal to 2"),
        rspec("retry: {when: [unknown_reason]}",
              "retry when contains unknown values: unknown_reason"),
        rspec("retry: {when: unknown_reason}", "retry when is not included in the list"),
        rspec("timeout: 3 elephants", "jobs:rspec:timeout config should be a duration"),
        rspec("timeout: 3600", "jobs:rspec:timeout config should be a duration"),
        rspec("timeout: 2 months", "jobs:rspec:timeout config should not exceed the limit"),
        rspec("coverage: 'Total'",
              "jobs:rspec:coverage config must be a regular expression with re2 syntax"),
        rspec("interruptible: 1", "jobs:rspec:interruptible config should be a boolean value"),
        rspec("resource_group: [a]", "jobs:rspec resource group should be a string"),
        rspec("environment: {name: production, action: invalid}",
              "jobs:rspec:environment action should be start, stop, prepare, verify, or access"),
        rspec("environment: {url: x}", "jobs:rspec:environment name can't be blank"),
        rspec("environment: {name: a, deployment_tier: b}",
              "jobs:rspec:environment deployment tier must be one of production, staging, "
              "testing, development, or other"),
        rspec("variables: {V: {value: a, description: b}}",
              "jobs:rspec:variables:v config uses invalid data keys: description"),
        rspec("inherit: {tags: true}", "jobs:rspec:inherit config contains unknown keys: tags"),
        rspec("inherit: {default: [foo]}",
              "jobs:rspec:inherit:default config contains unknown values: foo"),
        rspec("run: [{name: a}]",
              "jobs:rspec config these keys cannot be used together: script, run"),
        rspec("trigger: a/b", "jobs:rspec config contains unknown keys: trigger")));

INSTANTIATE_TEST_SUITE_P(
    Flow, WrongFile,
    testing::Values(
        rspec("rules: [{if: '$A'}], only: [main]",
              "jobs:rspec config key may not be used with `rules`: only"),
        rspec("rules: x",
              "jobs:rspec rules should be an array containing hashes and arrays of hashes"),
        rspec("rules: []", "jobs:rspec:rules config can't be blank"),
        rspec("rules: [{if: '${A}'}]", "jobs:rspec:rules:rule if invalid expression syntax"),
        rspec("rules: [{foo: 1}]", "jobs:rspec:rules:rule config contains unknown keys: foo"),
        rspec("rules: [{when: sometimes}]", "jobs:rspec:rules:rule when unknown value: sometimes"),
        rspec("rules: [{when: delayed}]", "jobs:rspec:rules:rule start in can't be blank"),
        rspec("rules: [{start_in: 1 day}]",
              "jobs:rspec:rules:rule config contains disallowed keys: start_in"),
        rspec("rules: [{changes: {compare_to: main}}]",
              "jobs:rspec:rules:rule:changes config missing required keys: paths"),
        rspec("rules: [{changes: [1]}]",
              "jobs:rspec:rules:rule:changes config should be an array of strings"),
        rspec("only: x", "jobs:rspec:only has to be either an array of conditions or a hash"),
        rspec("only: {variables: ['== null']}",
              "jobs:rspec:only variables invalid expression syntax"),
        rspec("only: {changes: [1]}", "jobs:rspec:only changes should be an array of strings"),
        rspec("only: ['/(/']",
              "jobs:rspec:only config should be an array of strings or regular expressions using "
              "re2 syntax"),
        rspec("needs: build", "jobs:rspec:needs config can only be a hash or an array"),
        rspec("needs: [{job: a, foo: b}]",
              "jobs:rspec:needs:need config contains unknown keys: foo"),
        rspec("needs: [{pipeline: $P, job: a, something: else}]",
              "jobs:rspec:needs:need config contains unknown keys: something"),
        rspec("needs: [1]", "jobs:rspec:needs:need has an unsupported type"),
        rspec("needs: [undefined]", "rspec job: undefined need: undefined"),
        rspec("dependencies: [undefined]", "rspec job: undefined dependency: undefined"),
        rspec("needs: [rspec]", "The pipeline has circular dependencies: self-dependency: rspec"),
        rspec("stage: acceptance",
              "rspec job: chosen stage acceptance does not exist; available stages are .pre, "
              "build, test, deploy, .post"),
        Wrong{"stages: [build]\ntest: {script: x}",
              {"test job: chosen stage test does not exist; available stages are .pre, build, "
               ".post"}},
        Wrong{"a: {stage: build, script: x}\nb: {script: x}\nc: {script: x, needs: [a], "
              "dependencies: [b]}",
              {"jobs:c dependencies the b should be part of needs"}},
        Wrong{"test1: {script: x, needs: [later]}\nlater: {stage: deploy, script: x}",
              {"test1 job: need later is not defined in current or prior stages"}},
        Wrong{"test1: {script: x, dependencies: [later]}\nlater: {stage: deploy, script: x}",
              {"test1 job: dependency later is not defined in current or prior stages"}},
        Wrong{"a: {stage: build, script: x}\nb: {script: x, needs: [a, a]}",
              {"b has the following needs duplicated: a."}},
        Wrong{"a: {script: x, needs: [c]}\nb: {script: x, needs: [a]}\nc: {script: x, needs: [b]}",
              {"The pipeline has circular dependencies: topological sort failed: [\"a\", \"c\", "
               "\"b\"]"}},
        Wrong{"build: {stage: build, script: x, rules: [{if: '$NEVER'}]}\n"
              "test: {script: x, needs: [build]}",
              {"'test' job needs 'build' job, but 'build' does not exist in the pipeline. This "
               "might be because of the only, except, or rules keywords. To need a job that "
               "sometimes does not exist in the pipeline, use needs:optional."}},
        Wrong{"a: {script: x, environment: {name: p, on_stop: b}}",
              {"a job: on_stop job b is not defined"}},
        Wrong{"a: {script: x, environment: {name: p, on_stop: b}}\nb: {script: x}",
              {"a job: on_stop job b does not have environment defined"}},
        Wrong{"a: {script: x, environment: {name: p, on_stop: b}}\n"
              "b: {script: x, environment: {name: q, action: stop}}",
              {"a job: on_stop job b have different environment name"}},
        Wrong{"a: {script: x, environment: {name: p, on_stop: b}}\n"
              "b: {script: x, environment: {name: p}}",
              {"a job: on_stop job b needs to have action stop defined"}},
        Wrong{"rspec: {script: x, rules: [{changes: {paths: [a], compare_to: nowhere}}]}",
              {"Failed to parse rule for rspec: rules:changes:compare_to is not a valid ref"}}));

INSTANTIATE_TEST_SUITE_P(
    Trigger, WrongFile,
    testing::Values(
        Wrong{"t: {trigger: 123}", {"jobs:t:trigger has to be either a string or a hash"}},
        Wrong{"t: {trigger: ''}", {"jobs:t:trigger config can't be blank"}},
        Wrong{"t: {trigger: {project: ''}}", {"jobs:t:trigger project can't be blank"}},
        Wrong{"t: {trigger: {project: a/b, unknown: 1}}",
              {"jobs:t:trigger config contains unknown keys: unknown"}},
        Wrong{"t: {trigger: {project: a/b, include: x.yml}}",
              {"jobs:t:trigger config contains unknown keys: project"}},
        Wrong{"t: {trigger: {project: a/b, strategy: notdepend}}",
              {"jobs:t:trigger strategy should be depend or mirror"}},
        Wrong{"t: {trigger: a/b, script: x, image: y}",
              {"jobs:t config contains unknown keys: trigger"}},
        Wrong{"t: {trigger: a/b, image: y, retry: 1}",
              {"jobs:t config contains unknown keys: image, retry"}},
        Wrong{"t: {trigger: a/b, when: delayed}",
              {"jobs:t when should be one of: on_success, on_failure, always, manual"}},
        Wrong{"t: {trigger: a/b, parallel: 2}",
              {"jobs:t:parallel config cannot use \"parallel: <number>\"."}},
        Wrong{"t: {trigger: a/b, needs: [{project: x, job: y, ref: z}]}",
              {"jobs:t:needs config uses invalid types: cross_dependency"}},
        Wrong{"t: {needs: [a]}\na: {script: x}",
              {"jobs:t config should contain either a trigger or a needs:pipeline"}},
        Wrong{"t: {trigger: {include: [{artifact: x.yml}]}}",
              {"jobs:t:trigger:include:include config must specify the job where to fetch the "
               "artifact from"}},
        Wrong{"t: {trigger: {include: [{project: x}]}}",
              {"jobs:t:trigger:include:include config must specify the file where to fetch the "
               "config from"}},
        Wrong{"t: {trigger: {include: [a.yml, b.yml, c.yml, d.yml]}}",
              {"jobs:t:trigger:include config is too long (maximum is 3)"}},
        Wrong{"t: {trigger: {include: [{artifact: x.yml, job: gen}]}}\n"
              "gen: {stage: deploy, script: x}",
              {"t job: dependency gen is not defined in current or prior stages"}},
        Wrong{"t: {trigger: {project: a/b, forward: {foo: true}}}",
              {"jobs:t:trigger:forward config contains unknown keys: foo"}}));

TEST(Errors, SayWhereTheyAre) {
  const Result result = compiled("a:\n  script: x\nb:\n  script: y\n  scripts: z\n");
  ASSERT_EQ(result.error_places.size(), 1u);
  EXPECT_EQ(result.error_places[0].file, ".gitlab-ci.yml");
  EXPECT_EQ(result.error_places[0].line, 5);
}

TEST(Errors, OfCollectionsAreAtTheirKeys) {
  const Result result = compiled("a:\n  script: x\nb:\n  stage: test\n");
  ASSERT_EQ(result.error_places.size(), 1u);
  EXPECT_EQ(result.error_places[0].line, 3);
}

TEST(Errors, SayWhereTheyAreInIncludedFiles) {
  FakeProjects projects;
  projects.files["@"]["ci/a.yml"] = "a:\n  script: x\n  foo: y\n";
  const Result result = compiled("include: ci/a.yml", projects);
  ASSERT_EQ(result.error_places.size(), 1u);
  EXPECT_EQ(result.error_places[0].file, "ci/a.yml");
  EXPECT_EQ(result.error_places[0].line, 3);
}

TEST(Errors, OfSyntaxSayTheLine) {
  const Result result = compiled("a:\n  b: c: d\n");
  EXPECT_THAT(result.errors, ElementsAre("(<unknown>): mapping values are not allowed in this "
                                         "context at line 2 column 7"));
  EXPECT_EQ(result.error_places[0].line, 2);
}

TEST(Errors, OfSeveralJobsComeTogether) {
  EXPECT_THAT(compiled("a: {script: x, foo: 1}\nb: {script: x, bar: 1}").errors,
              ElementsAre("jobs:a config contains unknown keys: foo",
                          "jobs:b config contains unknown keys: bar"));
}

}  // namespace
}  // namespace slipway::ci_config
