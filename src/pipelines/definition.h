#pragma once

// A pipeline's definition (the JSON that SageMaker's SDK writes), checked and put in order.
//
// Steps in the branches of Condition steps are listed flat beside the others and know their
// Condition step. What a step refers to by Get is among its dependencies, beside DependsOn.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/expressions.h"

namespace slipway::pipelines {

inline constexpr std::size_t kLargestDefinition = 1u << 20;  // bytes
inline constexpr std::size_t kMostSteps = 500;

enum class StepType {
  kTraining,
  kProcessing,
  kModel,
  kRegisterModel,
  kEndpointConfig,
  kEndpoint,
  kCondition,
  kLambda,
  kCallback,
  kFail,
};
std::string_view text_of(StepType type);

enum class ValueType { kString, kInteger, kBoolean, kFloat };
// `value` as one of that type: numbers and booleans may be spelled as text, and anything may
// become text. Nothing where it spells no such value.
std::optional<Json> as_type(ValueType type, const Json& value);

struct Parameter {
  std::string name;
  ValueType type = ValueType::kString;
  std::optional<Json> otherwise;  // DefaultValue
  std::vector<Json> values;       // EnumValues; empty: any
};

struct RetryPolicy {
  std::vector<std::string> exceptions;  // "SageMaker.JOB_INTERNAL_ERROR", …
  base::Millis interval = 1000;         // before the first retry
  double backoff_rate = 2;
  int attempts = 5;               // retries; not counted where expire_after is set
  base::Millis expire_after = 0;  // since the step's first start; 0: attempts count
};

struct PropertyFile {
  std::string name;
  std::string output;  // OutputName of the Processing step
  std::string path;
};

struct OutputParameter {
  std::string name;
  ValueType type = ValueType::kString;
};

struct Step {
  std::string name;
  StepType type = StepType::kFail;
  std::string display_name;
  std::string description;
  Json arguments;  // expressions unresolved; of a Condition step its Conditions alone
  Json target;     // Lambda: FunctionArn, Callback: SqsQueueUrl; null for others
  std::vector<std::size_t> dependencies;
  std::optional<std::size_t> condition;  // the Condition step in one of whose branches it stands
  bool branch = true;                    // of that step: runs where its outcome is this
  bool reads_files = false;              // Std:JsonGet in its arguments or target
  std::vector<RetryPolicy> retry_policies;
  bool cached = false;
  std::optional<base::Millis> cache_for;  // nothing: for ever
  std::vector<PropertyFile> property_files;
  std::vector<OutputParameter> output_parameters;
};

// A value; immutable once parsed.
struct Definition {
  std::vector<Parameter> parameters;
  std::vector<Step> steps;  // in the order of the text, branches behind their Condition step
  std::map<std::string, std::size_t, std::less<>> by_name;
  Json experiment;  // PipelineExperimentConfig with expressions, or null

  const Step* find(std::string_view name) const;
};

// What was stored may be as an earlier version of this server took it: executions run on it.
// Throws Error{ValidationException} that names what is wrong: not JSON, an unknown version,
// a step type that has no service here, names that repeat or are unknown, a cycle, …
Definition parse_definition(std::string_view text, Reading reading = Reading::kNew);

// "30d", "T16m", "30dT5h", "PT1H", "P30D", …; nothing where the text is none of these.
std::optional<base::Millis> parse_duration(std::string_view text);

}  // namespace slipway::pipelines
