#include "pipelines/definition.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json_depth.h"
#include "base/strings.h"

namespace slipway::pipelines {
namespace {

using base::array_or_empty;
using base::text_or;

constexpr std::size_t kDeepest = 64;  // of lists and objects in each other
constexpr std::size_t kMostParameters = 200;
constexpr std::size_t kLongestName = 64;
constexpr base::Millis kSecond = 1000;

constexpr std::array<std::pair<StepType, std::string_view>, 10> kTypes{{
    {StepType::kTraining, "Training"},
    {StepType::kProcessing, "Processing"},
    {StepType::kModel, "Model"},
    {StepType::kRegisterModel, "RegisterModel"},
    {StepType::kEndpointConfig, "EndpointConfig"},
    {StepType::kEndpoint, "Endpoint"},
    {StepType::kCondition, "Condition"},
    {StepType::kLambda, "Lambda"},
    {StepType::kCallback, "Callback"},
    {StepType::kFail, "Fail"},
}};

constexpr std::array<std::pair<ValueType, std::string_view>, 4> kValueTypes{{
    {ValueType::kString, "String"},
    {ValueType::kInteger, "Integer"},
    {ValueType::kBoolean, "Boolean"},
    {ValueType::kFloat, "Float"},
}};

constexpr std::array<std::string_view, 5> kExceptions{
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"};

constexpr std::array<std::string_view, 8> kVariables{
    "StartDateTime",       "CurrentDateTime",      "PipelineName",    "PipelineArn",
    "PipelineExecutionId", "PipelineExecutionArn", "TrainingJobName", "ProcessingJobName"};

[[noreturn]] void refuse(const std::string& what) {
  throw Error("ValidationException", "Unable to parse pipeline definition. " + what);
}

bool is_name(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

// A list that is left out is empty; something else in its place is not taken for that.
const Json& list_in(const Json& object, const char* member, const std::string& whose,
                    Reading reading) {
  const auto found = object.find(member);
  const bool other = found != object.end() && !found->is_null() && !found->is_array();
  if (other && reading == Reading::kNew) {
    refuse(whose + " has the " + member + " " + base::dump_json(*found) + ", which is not a list.");
  }
  return array_or_empty(object, member);
}

ValueType value_type_in(const Json& object, const char* member, const std::string& whose) {
  const std::string text = text_or(object, member);
  for (const auto& [type, known] : kValueTypes) {
    if (known == text) return type;
  }
  refuse(whose + " has the " + member + " '" + text + "': give String, Integer, Boolean or Float.");
}

Parameter parameter_of(const Json& text, Reading reading) {
  Parameter parameter;
  parameter.name = text_or(text, "Name");
  const std::string whose = "Parameter '" + parameter.name + "'";
  if (!is_name(parameter.name, 256)) refuse(whose + " has no valid Name.");
  parameter.type = value_type_in(text, "Type", whose);
  for (const Json& value : list_in(text, "EnumValues", whose, reading)) {
    const auto typed = as_type(parameter.type, value);
    if (!typed) refuse(whose + " has EnumValues that are not of its Type.");
    parameter.values.push_back(*typed);
  }
  const auto found = text.find("DefaultValue");
  if (found == text.end() || found->is_null()) return parameter;
  parameter.otherwise = as_type(parameter.type, *found);
  if (!parameter.otherwise) refuse(whose + " has a DefaultValue that is not of its Type.");
  const auto& values = parameter.values;
  if (!values.empty() &&
      std::find(values.begin(), values.end(), *parameter.otherwise) == values.end()) {
    refuse(whose + " has a DefaultValue that is not among its EnumValues.");
  }
  return parameter;
}

// Reads the text into a flat definition; who depends on whom is worked out afterwards.
class Parser {
 public:
  Parser(Definition& definition, Reading reading) : definition_(definition), reading_(reading) {}

  void parameters(const Json& list) {
    std::set<std::string> names;
    for (const Json& text : list) {
      definition_.parameters.push_back(parameter_of(text, reading_));
      const std::string& name = definition_.parameters.back().name;
      if (!names.insert(name).second) refuse("Parameter '" + name + "' is defined twice.");
    }
    if (names.size() > kMostParameters) {
      refuse("It has more than " + std::to_string(kMostParameters) + " parameters.");
    }
  }

  void steps(const Json& list, std::optional<std::size_t> condition, bool branch) {
    if (!list.is_array()) refuse("Steps is not a list.");
    for (const Json& text : list) add(text, condition, branch);
  }

  void connect() {
    for (std::size_t i = 0; i < definition_.steps.size(); ++i) connect(i);
  }

  void check_cycles() {
    marks_.assign(definition_.steps.size(), Mark::kNew);
    for (std::size_t i = 0; i < definition_.steps.size(); ++i) visit(i);
  }

 private:
  enum class Mark { kNew, kOpen, kDone };

  void add(const Json& text, std::optional<std::size_t> condition, bool branch) {
    if (!text.is_object()) refuse("A step is not an object.");
    Step step;
    step.name = text_or(text, "Name");
    if (!is_name(step.name, kLongestName)) {
      refuse("Step '" + step.name +
             "' has no valid Name: give 1 to 64 letters, digits, '-' or '_'.");
    }
    const std::string whose = "Step '" + step.name + "'";
    step.type = type_of(text, whose);
    step.display_name = text_or(text, "DisplayName");
    step.description = text_or(text, "Description");
    step.condition = condition;
    step.branch = branch;
    arguments(text, step, whose);
    options(text, step, whose);
    const std::size_t index = definition_.steps.size();
    if (index >= kMostSteps) refuse("It has more than " + std::to_string(kMostSteps) + " steps.");
    if (!definition_.by_name.emplace(step.name, index).second) {
      refuse(whose + " is defined twice: step names must be unique.");
    }
    depends_on_.push_back(list_in(text, "DependsOn", whose, reading_));
    const bool is_condition = step.type == StepType::kCondition;
    definition_.steps.push_back(std::move(step));
    if (!is_condition) return;
    const Json& arguments = base::object_or_empty(text, "Arguments");
    steps(list_in(arguments, "IfSteps", whose, reading_), index, true);
    steps(list_in(arguments, "ElseSteps", whose, reading_), index, false);
  }

  static StepType type_of(const Json& text, const std::string& whose) {
    const std::string name = text_or(text, "Type");
    for (const auto& [type, known] : kTypes) {
      if (known == name) return type;
    }
    refuse(whose + " has the type '" + name + "', which this server does not run.");
  }

  void arguments(const Json& text, Step& step, const std::string& whose) const {
    const auto found = text.find("Arguments");
    step.arguments = found == text.end() || found->is_null() ? Json::object() : *found;
    if (!step.arguments.is_object()) refuse(whose + " has Arguments that are not an object.");
    switch (step.type) {
      case StepType::kCondition: {
        Json conditions = list_in(step.arguments, "Conditions", whose, reading_);
        if (conditions.empty()) refuse(whose + " has no Conditions.");
        try {
          for (const Json& condition : conditions) check_condition(condition, reading_);
        } catch (const Error& error) {
          refuse(whose + ": " + error.message() + ".");
        }
        step.arguments = std::move(conditions);
        break;
      }
      case StepType::kFail:
        if (!step.arguments.contains("ErrorMessage")) step.arguments["ErrorMessage"] = "";
        break;
      case StepType::kLambda:
        if (!text.contains("FunctionArn")) refuse(whose + " has no FunctionArn.");
        step.target = text["FunctionArn"];
        break;
      case StepType::kCallback:
        step.target = text.contains("SqsQueueUrl") ? text["SqsQueueUrl"] : Json("");
        break;
      default:
        if (step.arguments.empty()) refuse(whose + " has no Arguments.");
    }
    step.reads_files = reads_files(step.arguments) || reads_files(step.target);
  }

  void options(const Json& text, Step& step, const std::string& whose) const {
    for (const Json& policy : list_in(text, "RetryPolicies", whose, reading_)) {
      step.retry_policies.push_back(retry_policy(policy, whose));
    }
    for (const Json& file : list_in(text, "PropertyFiles", whose, reading_)) {
      PropertyFile made{text_or(file, "PropertyFileName"), text_or(file, "OutputName"),
                        text_or(file, "FilePath")};
      if (made.name.empty() || made.output.empty() || made.path.empty()) {
        refuse(whose + ": a property file needs PropertyFileName, OutputName and FilePath.");
      }
      step.property_files.push_back(std::move(made));
    }
    for (const Json& output : list_in(text, "OutputParameters", whose, reading_)) {
      step.output_parameters.push_back(
          {text_or(output, "OutputName"), value_type_in(output, "OutputType", whose)});
    }
    const Json& cache = base::object_or_empty(text, "CacheConfig");
    step.cached = base::boolean_or(cache, "Enabled", false);
    const std::string expire = text_or(cache, "ExpireAfter");
    if (expire.empty()) return;
    step.cache_for = parse_duration(expire);
    if (!step.cache_for)
      refuse(whose + " has the ExpireAfter '" + expire + "': give e.g. P30D or T16m.");
  }

  RetryPolicy retry_policy(const Json& text, const std::string& whose) const {
    RetryPolicy policy;
    for (const Json& exception : list_in(text, "ExceptionType", whose, reading_)) {
      const std::string name = exception.is_string() ? exception.get<std::string>() : "";
      if (std::find(kExceptions.begin(), kExceptions.end(), name) == kExceptions.end()) {
        refuse(whose + ": '" + name + "' is not an ExceptionType.");
      }
      policy.exceptions.push_back(name);
    }
    const double interval = base::number_or(text, "IntervalSeconds", 1);
    policy.backoff_rate = base::number_or(text, "BackoffRate", 2);
    const double minutes = base::number_or(text, "ExpireAfterMin", 0);
    policy.attempts =
        static_cast<int>(std::clamp(base::number_or(text, "MaxAttempts", 5), 0., 1e6));
    const bool both = text.contains("MaxAttempts") && text.contains("ExpireAfterMin") &&
                      !text["MaxAttempts"].is_null() && !text["ExpireAfterMin"].is_null();
    if (policy.exceptions.empty() || both || interval < 0 || interval > 43'200 ||
        policy.backoff_rate < 0 || policy.backoff_rate > 1000 || policy.attempts > 20 ||
        minutes < 0 || minutes > 14'400) {
      refuse(whose +
             ": a retry policy needs ExceptionType, IntervalSeconds up to 43200, and "
             "MaxAttempts up to 20 or ExpireAfterMin up to 14400.");
    }
    policy.interval = static_cast<base::Millis>(interval * kSecond);
    policy.expire_after = static_cast<base::Millis>(minutes * 60 * kSecond);
    return policy;
  }

  void connect(std::size_t index) {
    Step& step = definition_.steps[index];
    const std::string whose = "Step '" + step.name + "'";
    std::set<std::size_t> dependencies;
    for (const Json& name : depends_on_[index]) {
      if (!name.is_string()) refuse(whose + " has a DependsOn that is not a name.");
      dependencies.insert(dependency(index, name.get<std::string>()));
    }
    try {
      for (const Json* expression : {&step.arguments, &step.target}) {
        if (reading_ == Reading::kNew) check_forms(*expression);
        for (const Reference& reference : references_in(*expression)) {
          if (reference.root == Reference::Root::kStep) {
            dependencies.insert(dependency(index, reference.name));
            check_property_file(reference);
          } else {
            check_name(reference);
          }
        }
      }
    } catch (const Error& error) {
      if (error.message().starts_with("Unable")) throw;
      refuse(whose + ": " + error.message() + ".");
    }
    step.dependencies.assign(dependencies.begin(), dependencies.end());
  }

  void check_name(const Reference& reference) const {
    if (reference.root == Reference::Root::kExecution) {
      if (std::find(kVariables.begin(), kVariables.end(), reference.name) != kVariables.end())
        return;
      throw Error("ValidationException", "there is no variable Execution." + reference.name);
    }
    const auto& parameters = definition_.parameters;
    if (std::any_of(parameters.begin(), parameters.end(),
                    [&](const Parameter& each) { return each.name == reference.name; })) {
      return;
    }
    throw Error("ValidationException", "there is no parameter '" + reference.name + "'");
  }

  void check_property_file(const Reference& reference) const {
    if (reference.path.size() != 2 || reference.path[0] != PathPart("PropertyFiles")) return;
    const Step& step = *definition_.find(reference.name);
    for (const PropertyFile& file : step.property_files) {
      if (reference.path[1] == PathPart(file.name)) return;
    }
    throw Error("ValidationException",
                "step '" + step.name + "' has no such property file as it is asked for");
  }

  // The step of that name, which the one at `from` may depend on: it stands beside it or beside
  // one of the Condition steps around it.
  std::size_t dependency(std::size_t from, const std::string& name) const {
    const std::string whose = "Step '" + definition_.steps[from].name + "'";
    const auto found = definition_.by_name.find(name);
    if (found == definition_.by_name.end()) {
      refuse(whose + " depends on step '" + name + "', which is not defined.");
    }
    const Step& other = definition_.steps[found->second];
    if (!other.condition) return found->second;
    for (std::optional<std::size_t> at = from; at; at = definition_.steps[*at].condition) {
      const Step& around = definition_.steps[*at];
      if (around.condition == other.condition && around.branch == other.branch)
        return found->second;
    }
    refuse(whose + " depends on step '" + name +
           "', which runs in a branch of the condition step '" +
           definition_.steps[*other.condition].name + "' only.");
  }

  void visit(std::size_t index) {
    if (marks_[index] == Mark::kDone) return;
    if (marks_[index] == Mark::kOpen) {
      refuse("Step '" + definition_.steps[index].name +
             "' depends on itself: the steps form a cycle.");
    }
    marks_[index] = Mark::kOpen;
    const Step& step = definition_.steps[index];
    for (const std::size_t dependency : step.dependencies) visit(dependency);
    if (step.condition) visit(*step.condition);
    marks_[index] = Mark::kDone;
  }

  Definition& definition_;
  const Reading reading_;
  std::vector<Json> depends_on_;  // of each step, as given
  std::vector<Mark> marks_;
};

}  // namespace

std::string_view text_of(StepType type) {
  return std::find_if(kTypes.begin(), kTypes.end(),
                      [&](const auto& each) { return each.first == type; })
      ->second;
}

std::optional<Json> as_type(ValueType type, const Json& value) {
  const std::string text = text_in_join(value);
  switch (type) {
    case ValueType::kString:
      if (value.is_null()) return std::nullopt;
      return Json(text);
    case ValueType::kInteger:
      if (value.is_number_integer()) return value;
      if (const auto number = base::parse_integer(text)) return Json(*number);
      // 3.0 is an integer that went through a float.
      if (const auto number = base::parse_number(text);
          number && *number >= -9e15 && *number <= 9e15 &&
          static_cast<double>(static_cast<std::int64_t>(*number)) == *number) {
        return Json(static_cast<std::int64_t>(*number));
      }
      return std::nullopt;
    case ValueType::kFloat:
      if (value.is_number()) return value;
      if (const auto number = base::parse_number(text)) return Json(*number);
      return std::nullopt;
    case ValueType::kBoolean:
      if (value.is_boolean()) return value;
      if (base::equals_ignoring_case(text, "true")) return Json(true);
      if (base::equals_ignoring_case(text, "false")) return Json(false);
  }
  return std::nullopt;
}

const Step* Definition::find(std::string_view name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &steps[found->second];
}

Definition parse_definition(std::string_view text, Reading reading) {
  if (text.size() > kLargestDefinition) {
    refuse("It has " + std::to_string(text.size()) + " bytes, more than " +
           std::to_string(kLargestDefinition) + ".");
  }
  if (base::nests_deeper(text, kDeepest))
    refuse("It nests deeper than " + std::to_string(kDeepest) + " levels.");
  const auto json = base::try_parse_json(text);
  if (!json || !json->is_object()) refuse("It is not a JSON object.");
  const std::string version = text_or(*json, "Version");
  if (version != "2020-12-01") refuse("Version is '" + version + "': give 2020-12-01.");
  Definition definition;
  Parser parser(definition, reading);
  parser.parameters(list_in(*json, "Parameters", "It", reading));
  parser.steps(json->contains("Steps") ? (*json)["Steps"] : Json(nullptr), std::nullopt, true);
  if (definition.steps.empty()) refuse("It has no steps.");
  parser.connect();
  parser.check_cycles();
  if (json->contains("PipelineExperimentConfig")) {
    definition.experiment = (*json)["PipelineExperimentConfig"];
  }
  return definition;
}

std::optional<base::Millis> parse_duration(std::string_view text) {
  constexpr base::Millis kDay = 86'400 * kSecond;
  if (text.starts_with('P') || text.starts_with('p')) text.remove_prefix(1);
  base::Millis total = 0;
  bool in_day = false;
  bool any = false;
  while (!text.empty()) {
    if (text.front() == 'T' || text.front() == 't') {
      if (in_day) return std::nullopt;
      in_day = true;
      text.remove_prefix(1);
      continue;
    }
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
    if (digits == 0 || digits > 6 || digits == text.size()) return std::nullopt;
    const base::Millis count = *base::parse_integer(text.substr(0, digits));
    const char unit = base::lower(text.substr(digits, 1)).front();
    text.remove_prefix(digits + 1);
    any = true;
    if (!in_day && unit == 'y')
      total += count * 365 * kDay;
    else if (!in_day && unit == 'm')
      total += count * 30 * kDay;
    else if (!in_day && unit == 'w')
      total += count * 7 * kDay;
    else if (!in_day && unit == 'd')
      total += count * kDay;
    else if (in_day && unit == 'h')
      total += count * 3600 * kSecond;
    else if (in_day && unit == 'm')
      total += count * 60 * kSecond;
    else if (in_day && unit == 's')
      total += count * kSecond;
    else
      return std::nullopt;
  }
  return any ? std::optional(total) : std::nullopt;
}

}  // namespace slipway::pipelines
