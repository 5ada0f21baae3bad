// What else decide.h promises: the commands of the API, values and names.

#include <algorithm>
#include <set>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "pipelines/deciding.h"
#include "pipelines/expressions.h"

namespace slipway::pipelines {
namespace {

constexpr std::size_t kLongestJobName = 63;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

// `count` letters and digits that follow from `text`.
std::string letters_of(const std::string& text, std::size_t count) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string letters;
  for (const char byte : base::digest(base::Algorithm::kSha256, text)) {
    if (letters.size() == count) break;
    letters += kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  }
  return letters;
}

std::string start_of(const std::string& execution, const std::string& step, int attempt) {
  return execution + "/" + step + "/" + std::to_string(attempt);
}

const char* name_member(StepType type) {
  if (type == StepType::kTraining) return "TrainingJobName";
  if (type == StepType::kProcessing) return "ProcessingJobName";
  return "";
}

std::string property_file_uri(const Run& run, const std::string& name, const std::string& file) {
  const auto found = run.info.definition->by_name.find(name);
  const Step& step = run.info.definition->steps[found->second];
  const auto declared = std::find_if(step.property_files.begin(), step.property_files.end(),
                                     [&](const PropertyFile& each) { return each.name == file; });
  if (declared == step.property_files.end()) {
    refuse("Step " + name + " has no property file " + file);
  }
  const Json& output = run.steps[found->second].output;
  const Json* uri =
      value_at(output, {std::string("ProcessingOutputConfig"), std::string("Outputs"),
                        declared->output, std::string("S3Output"), std::string("S3Uri")});
  if (uri == nullptr || !uri->is_string()) {
    refuse("Step " + name + " has no output " + declared->output + " with the property file " +
           file);
  }
  std::string text = uri->get<std::string>();
  if (!text.ends_with('/')) text += '/';
  return text + declared->path;
}

// The steps, in any branch, that a selective execution runs.
std::vector<std::size_t> included(const Run& run) {
  std::vector<std::size_t> steps;
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    if (!is_excluded(run, i)) steps.push_back(i);
  }
  return steps;
}

// Whether the step runs after something that is included.
bool follows_included(const Run& run, std::size_t index, std::set<std::size_t>& visited) {
  if (!visited.insert(index).second) return false;
  const Step& step = run.info.definition->steps[index];
  std::vector<std::size_t> before = step.dependencies;
  if (step.condition) before.push_back(*step.condition);
  return std::any_of(before.begin(), before.end(), [&](std::size_t each) {
    return !is_excluded(run, each) || follows_included(run, each, visited);
  });
}

void check_selection(const Run& run) {
  const Definition& definition = *run.info.definition;
  for (const std::string& name : run.info.selected) {
    const Step* step = definition.find(name);
    if (step == nullptr)
      refuse("SelectedSteps names the step '" + name + "', which is not defined.");
    if (step->condition) {
      refuse("SelectedSteps names the step '" + name +
             "', which is in a branch: select its condition step '" +
             definition.steps[*step->condition].name + "'.");
    }
  }
  for (const std::size_t index : included(run)) {
    for (const std::size_t dependency : definition.steps[index].dependencies) {
      std::set<std::size_t> visited;
      if (!is_excluded(run, dependency) || !follows_included(run, dependency, visited)) continue;
      refuse("SelectedSteps leaves out the step '" + definition.steps[dependency].name +
             "', which runs between two of the selected steps.");
    }
  }
}

// The steps left out whose properties a selected one wants.
std::set<std::size_t> wanted(const Run& run) {
  std::set<std::size_t> steps;
  for (const std::size_t index : included(run)) {
    const Step& step = run.info.definition->steps[index];
    for (const Json* expression : {&step.arguments, &step.target}) {
      for (const Reference& reference : references_in(*expression)) {
        if (reference.root != Reference::Root::kStep) continue;
        const std::size_t other = run.info.definition->by_name.find(reference.name)->second;
        if (is_excluded(run, other)) steps.insert(other);
      }
    }
  }
  return steps;
}

}  // namespace

Scope scope_of(const Run& run, std::size_t step, int attempt, base::Millis now) {
  const ExecutionInfo& info = run.info;
  const std::string name =
      generated_name("pipelines", info.id, info.definition->steps[step].name, attempt);
  Scope scope;
  scope.parameters = info.parameters;
  scope.execution = {{"StartDateTime", base::iso8601(info.started)},
                     {"CurrentDateTime", base::iso8601(now)},
                     {"PipelineName", info.pipeline},
                     {"PipelineArn", info.pipeline_arn},
                     {"PipelineExecutionId", info.id},
                     {"PipelineExecutionArn", info.arn},
                     {"TrainingJobName", name},
                     {"ProcessingJobName", name}};
  scope.outputs = [&run](const std::string& other) -> const Json* {
    const auto found = run.info.definition->by_name.find(other);
    if (found == run.info.definition->by_name.end()) return nullptr;
    const StepState& state = run.steps[found->second];
    const bool done = state.phase == Phase::kSucceeded || state.phase == Phase::kReused;
    return done ? &state.output : nullptr;
  };
  scope.property_file = [&run](const std::string& other, const std::string& file) {
    return property_file_uri(run, other, file);
  };
  return scope;
}

std::string name_for(const Run& run, std::size_t step, const Json& arguments, int attempt) {
  const Step& each = run.info.definition->steps[step];
  const std::string prefix = base::text_or(arguments, name_member(each.type), "pipelines");
  return generated_name(prefix, run.info.id, each.name, attempt);
}

std::string start_token(const std::string& execution, const std::string& step, int attempt) {
  return letters_of("start/" + start_of(execution, step, attempt), 32);
}

std::string generated_name(const std::string& prefix, const std::string& execution,
                           const std::string& step, int attempt) {
  const std::string hash = letters_of("name/" + start_of(execution, step, attempt), 10);
  const std::string tail = "-" + execution + "-" + hash;
  std::string middle = prefix == "pipelines" ? "" : prefix;
  if (middle.empty()) {
    for (const char c : step) middle += c == '_' ? '-' : c;
    const std::string head = "pipelines-" + execution + "-";
    return head + middle.substr(0, kLongestJobName - head.size() - hash.size() - 1) + "-" + hash;
  }
  return middle.substr(0, kLongestJobName - tail.size()) + tail;
}

std::string callback_token(const std::string& execution, const std::string& step, int attempt) {
  return letters_of("callback/" + start_of(execution, step, attempt), 10);
}

void request_stop(Run& run, base::Millis now, Decision& decision) {
  if (run.status != RunStatus::kExecuting) {
    refuse("Only pipelines with 'Executing' status can be stopped. The status of " + run.info.arn +
           " is '" + std::string(text_of(run.status)) + "'.");
  }
  Recorder(run, now, decision).record(Happening::kExecutionStopping, "", Json::object());
  decision.status_changed = true;
}

void request_retry(Run& run, int parallelism, base::Millis now, Decision& decision) {
  if (run.status != RunStatus::kFailed && run.status != RunStatus::kStopped) {
    refuse(
        "Only pipeline executions with 'Failed' or 'Stopped' status can be retried. The status "
        "of " +
        run.info.arn + " is '" + std::string(text_of(run.status)) + "'.");
  }
  Json detail = Json::object();
  if (parallelism > 0) detail["Parallelism"] = parallelism;
  Recorder(run, now, decision).record(Happening::kExecutionRetried, "", std::move(detail));
  decision.status_changed = true;
}

void answer_callback(Run& run, std::size_t step, const Json& outputs, const std::string& reason,
                     base::Millis now, Decision& decision) {
  const Step& each = run.info.definition->steps[step];
  if (run.has_ended() || run.steps[step].phase != Phase::kRunning) {
    refuse("The callback of step " + each.name + " has been answered already.");
  }
  Recorder recorder(run, now, decision);
  if (outputs.is_null()) {
    recorder.record(Happening::kStepFailed, each.name,
                    {{"Reason", reason.empty() ? "The callback failed" : reason}});
    return;
  }
  Json values = Json::object();
  for (const Json& output : outputs) {
    values[base::text_or(output, "Name")] = base::text_or(output, "Value");
  }
  Outputs made = outputs_of(each, values);
  Json metadata = run.steps[step].metadata;
  metadata["Callback"]["OutputParameters"] = std::move(made.list);
  recorder.record(Happening::kStepSucceeded, each.name,
                  {{"Output", {{"OutputParameters", std::move(made.properties)}}},
                   {"Metadata", std::move(metadata)}});
}

void reuse_steps(Run& run, const Run* source, base::Millis now, Decision& decision) {
  check_selection(run);
  Recorder recorder(run, now, decision);
  for (const std::size_t index : wanted(run)) {
    const std::string& name = run.info.definition->steps[index].name;
    if (source == nullptr) {
      refuse("The selected steps need the result of step '" + name +
             "', which is not selected: give SourcePipelineExecutionArn.");
    }
    const auto found = source->info.definition->by_name.find(name);
    const StepState* state =
        found == source->info.definition->by_name.end() ? nullptr : &source->steps[found->second];
    if (state == nullptr || state->output.is_null()) {
      refuse("The selected steps need the result of step '" + name +
             "', which has not succeeded in " + source->info.arn + ".");
    }
    recorder.record(Happening::kStepReused, name,
                    {{"Source", source->info.arn},
                     {"Output", state->output},
                     {"Metadata", state->metadata},
                     {"Started", now}});
  }
}

Observation evaluated(const Run& run, std::size_t step, const Json& arguments) {
  Observation seen;
  seen.step = step;
  seen.attempt = run.steps[step].attempt;
  if (run.info.definition->steps[step].type == StepType::kFail) {
    seen.what = Observation::What::kFailed;
    seen.reason = text_in_join(arguments.at("ErrorMessage"));
    seen.metadata = {{"Fail", {{"ErrorMessage", base::utf8_prefix(seen.reason, 3072)}}}};
    return seen;
  }
  const char* outcome = all_hold(arguments) ? "True" : "False";
  seen.what = Observation::What::kSucceeded;
  seen.output = {{"Outcome", outcome}};
  seen.metadata = {{"Condition", {{"Outcome", outcome}}}};
  return seen;
}

Outputs outputs_of(const Step& step, const Json& values) {
  Outputs outputs{Json::array(), Json::object()};
  for (const OutputParameter& parameter : step.output_parameters) {
    const auto found = values.find(parameter.name);
    if (found == values.end()) {
      refuse("Step " + step.name + " needs the output parameter " + parameter.name +
             ", which was not given");
    }
    const auto typed = as_type(parameter.type, *found);
    if (!typed) {
      refuse("The output parameter " + parameter.name + " of step " + step.name +
             " is not of its type");
    }
    outputs.properties[parameter.name] = *typed;
    outputs.list.push_back(
        {{"Name", parameter.name}, {"Value", base::utf8_prefix(text_in_join(*typed), 1024)}});
  }
  return outputs;
}

}  // namespace slipway::pipelines
