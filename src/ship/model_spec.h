#pragma once

// slipway.yaml: what a model repository says about its model.
// Format: docs/formats/slipway-yaml.md.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::ship {

enum class Direction { kMaximize, kMinimize };

struct MetricDefinition {
  std::string name;
  std::string regex;  // group 1 is the value
};

struct StageResources {
  std::string instance = "ml.m5.large";
  int max_runtime_seconds = 3600;
  int replicas = 1;  // endpoint only
};

// A value; as read, nothing is defaulted away that the file said.
struct ModelSpec {
  std::string name;
  std::string project;
  std::string base = "host";
  std::string dockerfile;  // path in the repository; "false": none; empty: where one is there
  // Paths in the repository. All or none; none only with a Dockerfile, whose image then answers to
  // the words train, evaluate and serve itself.
  std::string train;
  std::string evaluate;
  std::string serve;
  std::string requirements;  // path in the repository; empty: none
  // Channel name to "s3://…" or a path in the repository.
  std::map<std::string, std::string> channels;
  std::map<std::string, std::string> hyperparameters;
  std::map<std::string, std::string> environment;
  std::vector<MetricDefinition> metrics;
  std::string decide_metric;  // of the evaluation report
  Direction direction = Direction::kMaximize;
  bool lint = true;
  double lint_minimum = 8.0;  // of pylint's 10
  std::string tests;          // folder; empty: none
  std::string smoke_request;  // path in the repository; empty: no smoke test
  std::string smoke_content_type = "text/csv";
  StageResources training;
  StageResources evaluation;
  StageResources endpoint;

  std::string repository() const { return project + "/" + name; }
};

// Throws Error{InvalidSpecification} with "<file>:<line>: what was expected" for the first thing
// that is wrong, including keys that are not known.
ModelSpec parse_model_spec(const std::string& text, const std::string& file);

}  // namespace slipway::ship
