#include "ship/model_spec.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::ship {
namespace {

const std::string kLeast =
    "name: tumour\n"
    "project: health\n"
    "train: train.py\n"
    "evaluate: evaluate.py\n"
    "serve: serve.py\n"
    "decide: {metric: f1}\n";

std::string complaint(const std::string& text) {
  try {
    parse_model_spec(text, "slipway.yaml");
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(ModelSpec, TakesTheLeastAndSaysTheDefaults) {
  const ModelSpec spec = parse_model_spec(kLeast, "slipway.yaml");

  EXPECT_EQ(spec.repository(), "health/tumour");
  EXPECT_EQ(spec.base, "host");
  EXPECT_EQ(spec.direction, Direction::kMaximize);
  EXPECT_TRUE(spec.lint);
  EXPECT_EQ(spec.endpoint.replicas, 1);
}

TEST(ModelSpec, ReadsEveryKey) {
  const ModelSpec spec =
      parse_model_spec(kLeast +
                           "base: base/python:3.11\n"
                           "requirements: requirements.txt\n"
                           "channels: {training: data/train.csv, extra: 's3://bucket/x'}\n"
                           "hyperparameters: {depth: 3, rate: 0.1}\n"
                           "environment: {MODE: fast}\n"
                           "metrics: [{name: loss, regex: 'loss=(.*?);'}]\n"
                           "checks: {lint: false, lint_minimum: 9.5, tests: tests}\n"
                           "smoke: {request: a.json, content_type: application/json}\n"
                           "resources: {training: {instance: ml.c5.xlarge, max_runtime: 60}, "
                           "endpoint: {replicas: 2}}\n",
                       "slipway.yaml");

  EXPECT_EQ(spec.base, "base/python:3.11");
  EXPECT_EQ(spec.channels.at("extra"), "s3://bucket/x");
  EXPECT_EQ(spec.hyperparameters.at("rate"), "0.1");
  EXPECT_EQ(spec.environment.at("MODE"), "fast");
  EXPECT_EQ(spec.metrics.at(0).regex, "loss=(.*?);");
  EXPECT_FALSE(spec.lint);
  EXPECT_EQ(spec.lint_minimum, 9.5);
  EXPECT_EQ(spec.smoke_content_type, "application/json");
  EXPECT_EQ(spec.training.instance, "ml.c5.xlarge");
  EXPECT_EQ(spec.training.max_runtime_seconds, 60);
  EXPECT_EQ(spec.endpoint.replicas, 2);
}

TEST(ModelSpec, ADockerfilesImageMayDoEverythingItself) {
  const std::string rest = "name: a\nproject: b\ndecide: {metric: f1}\n";
  const ModelSpec spec = parse_model_spec(rest + "dockerfile: build/Dockerfile\n", "slipway.yaml");

  EXPECT_EQ(spec.dockerfile, "build/Dockerfile");
  EXPECT_EQ(spec.train, "");
  EXPECT_EQ(complaint(rest + "dockerfile: false\n"),
            "slipway.yaml:1: 'train' is missing; expected for example train.py");
  EXPECT_EQ(complaint(rest + "dockerfile: Dockerfile\ntrain: t.py\n"),
            "slipway.yaml:1: 'evaluate' is missing; expected for example evaluate.py");
}

struct Wrong {
  const char* name;
  std::string text;
  const char* complaint;
};

class BrokenModelSpec : public testing::TestWithParam<Wrong> {};

TEST_P(BrokenModelSpec, IsRefusedWithFileLineAndWhatWasExpected) {
  EXPECT_EQ(complaint(GetParam().text).substr(0, std::string(GetParam().complaint).size()),
            GetParam().complaint);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenModelSpec,
    testing::Values(
        Wrong{"not_yaml", "name: [a\nproject: b", "slipway.yaml:2: not YAML: "},
        Wrong{"empty", "", "slipway.yaml:1: the file must be a mapping"},
        Wrong{"missing_name", "project: health\n",
              "slipway.yaml:1: 'name' is missing; expected for example tumour"},
        Wrong{"bad_name", "name: Tumour\n",
              "slipway.yaml:1: 'name' must be lower-case letters, digits and '-'"},
        Wrong{"long_name", "name: " + std::string(40, 'a') + "\n",
              "slipway.yaml:1: 'name' must be lower-case letters, digits and '-', at most 39, not"},
        Wrong{"unknown_key", kLeast + "colour: red\n",
              "slipway.yaml:7: 'colour' is not a key that is known here; known are base, "},
        Wrong{"unknown_nested_key", kLeast + "resources:\n  training: {cpu: 2}\n",
              "slipway.yaml:8: 'resources.training.cpu' is not a key that is known here"},
        Wrong{"path_leaves", kLeast + "requirements: ../other.txt\n",
              "slipway.yaml:7: 'requirements' must be a path inside the repository"},
        Wrong{"absolute_channel", kLeast + "channels: {training: /etc/passwd}\n",
              "slipway.yaml:7: 'channels.training' must be a path inside the repository"},
        Wrong{"dockerfile_leaves", kLeast + "dockerfile: ../Dockerfile\n",
              "slipway.yaml:7: 'dockerfile' must be a path inside the repository"},
        Wrong{"bad_direction",
              "name: a\nproject: b\ntrain: t\nevaluate: e\nserve: s\n"
              "decide: {metric: f1, direction: up}\n",
              "slipway.yaml:6: 'decide.direction' must be maximize or minimize"},
        Wrong{"replicas", kLeast + "resources: {endpoint: {replicas: 99}}\n",
              "slipway.yaml:7: 'resources.endpoint.replicas' must be a number from 1 to 16"},
        Wrong{"list_for_text", kLeast + "environment: {A: [1]}\n",
              "slipway.yaml:7: 'environment.A' must be a text or a number"},
        Wrong{"no_decision", "name: a\nproject: b\ntrain: t\nevaluate: e\nserve: s\n",
              "slipway.yaml:1: 'decide' is missing"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace slipway::ship
