// Files of GitLab's own, and what becomes of a good file when bytes of it change.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "ci_config/test_source.h"
#include "ci_config/yaml_reader.h"
#include "ci_config/yaml_writer.h"

namespace slipway::ci_config {
namespace {

using std::chrono::steady_clock;
using testing::IsEmpty;

std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class PipelineVector : public testing::TestWithParam<std::string> {};

TEST_P(PipelineVector, Compiles) {
  Budget budget(100'000);
  const auto documents = read_yaml(
      contents_of(std::filesystem::path(SLIPWAY_TEST_DATA) / "gitlab-pipelines" / GetParam()), 0,
      budget);
  ASSERT_EQ(documents.size(), 1u);
  const Node& scenario = documents.front();
  const Node& config = *scenario.find("config");

  const Result result = compiled(write_yaml(config));

  EXPECT_THAT(result.errors, IsEmpty());
  ASSERT_TRUE(result.plan);
  const Node& expected = *scenario.find("init")->find("expect")->find("jobs");
  EXPECT_EQ(result.plan->jobs.size(), expected.members.size());
  for (const Member& job : expected.members) job_of(*result.plan, job.key);
}

std::vector<std::string> pipeline_files() {
  std::vector<std::string> files;
  const auto folder = std::filesystem::path(SLIPWAY_TEST_DATA) / "gitlab-pipelines";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yml") files.push_back(entry.path().filename());
  }
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(GitLab, PipelineVector, testing::ValuesIn(pipeline_files()));

TEST(PipelineVectors, AreThere) { EXPECT_EQ(pipeline_files().size(), 30u); }

constexpr std::string_view kGood = R"(
include:
  - local: a.yml
    rules: [{if: $CI_COMMIT_BRANCH =~ /^ma.*$/i}]
stages: [build, test, deploy]
workflow:
  name: 'Pipeline of $CI_COMMIT_REF_NAME'
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && ($CI_COMMIT_TAG || $CI_COMMIT_BRANCH)
      variables: {KIND: push}
    - when: always
default: &defaults
  image: {name: "python:3.11", entrypoint: [""]}
  retry: {max: 2, when: [script_failure]}
variables:
  A: "$B-${C}"
  B: {value: one, description: "text"}
.base: &base
  script:
    - 'echo "one: two"'
    - |
      multiple
      lines
  artifacts: {paths: [out/], expire_in: 1 week, reports: {dotenv: job.env}}
build:
  <<: *base
  stage: build
  parallel: {matrix: [{X: [a, b], Y: 1}]}
  rules:
    - changes: {paths: ["src/**/*.{py,txt}"]}
      when: manual
      allow_failure: true
    - !reference [.rules, rules]
.rules: {rules: [{if: '$A != null', exists: ["**/Dockerfile"]}, {when: on_success}]}
test:
  extends: [.base]
  needs: [{job: build, optional: true}]
  cache: {key: {files: [lock], prefix: p}, paths: [venv/]}
  coverage: '/(\d+)%/'
  timeout: 1h 30m
deploy:
  stage: deploy
  trigger: {project: group/mlops, branch: main, strategy: depend}
  variables: {UP: $CI_PIPELINE_ID}
)";

FakeProjects projects_with(std::string included) {
  FakeProjects projects;
  projects.files["@"] = {{"a.yml", std::move(included)}, {"src/a.py", ""}, {"lock", "1"}};
  projects.changed[""] = std::vector<std::string>{"src/a.py"};
  return projects;
}

TEST(Mutation, OfAGoodFileThatCompiles) {
  const Result result =
      compiled(std::string(kGood), projects_with("lint: {script: [lint], only: [main]}"));
  EXPECT_THAT(result.errors, IsEmpty());
  ASSERT_TRUE(result.plan);
  EXPECT_EQ(result.plan->jobs.size(), 5u);
}

void mutate(std::string& text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {
      "[",    "]",  "{",    "}",    ": ", "- ",
      "&a ",  "*a", "\n",   "'",    "\"", "!reference [test, script]",
      "|",    ">",  "#",    "<<: ", "\t", "$",
      "(",    "\\", "null", "yes",  "0",  "\xFF",
      "\x01", "%",  "@",    "---\n"};
  const auto pick = [&random](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  const std::size_t times = 1 + pick(4);
  for (std::size_t i = 0; i < times && !text.empty(); ++i) {
    const std::size_t at = pick(text.size());
    switch (pick(5)) {
      case 0:
        text[at] = static_cast<char>(pick(256));
        break;
      case 1:
        text[at] = static_cast<char>(text[at] ^ (1 << pick(8)));
        break;
      case 2:
        text.erase(at, 1 + pick(20));
        break;
      case 3:
        text.insert(at, kPieces[pick(std::size(kPieces))]);
        break;
      default:
        text.insert(at, text.substr(pick(text.size()), pick(60)));
        break;
    }
  }
}

TEST(Mutation, NeverCrashesAndNeverTakesLong) {
  std::mt19937 random(20240817);
  int refused = 0;
  int taken = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text(kGood);
    std::string included = "lint: {script: [lint], only: [main]}";
    mutate(i % 5 == 0 ? included : text, random);
    const auto start = steady_clock::now();

    const Result result = compiled(text, projects_with(included));

    EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2)) << text;
    (result.errors.empty() ? taken : refused) += 1;
    EXPECT_EQ(result.errors.empty(), result.plan.has_value() || result.filtered) << text;
    EXPECT_EQ(result.error_places.size(), result.errors.size());
    // What was accepted is written so that it is accepted again.
    if (!result.errors.empty() || i % 10 != 0) continue;
    EXPECT_THAT(compiled(result.merged_yaml, projects_with("")).errors, IsEmpty())
        << text << result.merged_yaml;
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(taken, 50);
}

TEST(Mutation, OfHugeFilesTakesNotLong) {
  const std::vector<std::string> texts = {std::string(1'000'000, '['),
                                          std::string(1'000'000, '{'),
                                          std::string(1'000'000, '-'),
                                          std::string(1'000'000, ' '),
                                          std::string(1'000'000, '\n'),
                                          std::string(1'000'000, '*'),
                                          std::string(1'000'000, '&'),
                                          std::string(1'000'000, '"'),
                                          std::string(1'000'000, '!'),
                                          std::string(1'000'000, ':'),
                                          std::string(1'000'000, '|'),
                                          [] {
                                            std::string text;
                                            for (int i = 0; i < 250'000; ++i) text += "- a\n";
                                            return text;
                                          }(),
                                          [] {
                                            std::string text;
                                            for (int i = 0; text.size() < 300'000; ++i)
                                              text += "k" + std::to_string(i) + ": {script: x}\n";
                                            return text;
                                          }(),
                                          [] {
                                            std::string text = "a: ";
                                            for (int i = 0; i < 300'000; ++i) text += "? ";
                                            return text;
                                          }()};
  for (const std::string& text : texts) {
    const auto start = steady_clock::now();
    EXPECT_FALSE(compiled(text).errors.empty()) << text.substr(0, 20);
    EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(20)) << text.substr(0, 20);
  }
}

}  // namespace
}  // namespace slipway::ci_config
