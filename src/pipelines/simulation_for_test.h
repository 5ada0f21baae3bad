#pragma once

// Executions without threads, services or a database: a definition in short form, and a driver that
// decides, carries out and observes in a fixed order.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/deciding.h"

namespace slipway::pipelines::testing_parts {

using Steps = std::vector<Json>;

inline Json training(const std::string& name, std::vector<std::string> after = {}) {
  Json step{{"Name", name}, {"Type", "Training"}, {"Arguments", {{"RoleArn", "role"}}}};
  if (!after.empty()) step["DependsOn"] = after;
  return step;
}

inline Json function(const std::string& name, std::vector<std::string> after = {}) {
  Json step{{"Name", name}, {"Type", "Lambda"}, {"FunctionArn", "arn:aws:lambda:f"}};
  step["Arguments"] = Json::object();
  if (!after.empty()) step["DependsOn"] = after;
  return step;
}

inline Json condition(const std::string& name, Json left, Json right, Json if_steps = Json::array(),
                      Json else_steps = Json::array(), std::vector<std::string> after = {}) {
  Json compared{
      {"Type", "Equals"}, {"LeftValue", std::move(left)}, {"RightValue", std::move(right)}};
  Json step{{"Name", name}, {"Type", "Condition"}};
  step["Arguments"] = {{"IfSteps", std::move(if_steps)}, {"ElseSteps", std::move(else_steps)}};
  step["Arguments"]["Conditions"].push_back(std::move(compared));
  if (!after.empty()) step["DependsOn"] = after;
  return step;
}

inline Json fail(const std::string& name, Json message, std::vector<std::string> after = {}) {
  Json step{{"Name", name}, {"Type", "Fail"}};
  step["Arguments"]["ErrorMessage"] = std::move(message);
  if (!after.empty()) step["DependsOn"] = after;
  return step;
}

inline std::string text_of_definition(const std::vector<Json>& steps) {
  Json text{{"Version", "2020-12-01"}, {"Steps", Json::array()}};
  for (const Json& step : steps) text["Steps"].push_back(step);
  text["Parameters"].push_back({{"Name", "Count"}, {"Type", "Integer"}, {"DefaultValue", 2}});
  return text.dump();
}

inline constexpr base::Millis kStart = 1'700'000'000'000;

class Simulation {
 public:
  explicit Simulation(const Steps& steps, int parallelism = 0,
                      std::vector<std::string> selected = {}) {
    ExecutionInfo info;
    info.account = "123456789012";
    info.id = "abcdefghijkl";
    info.arn = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/demo/execution/abcdefghijkl";
    info.pipeline = "Demo";
    info.started = kStart;
    info.parallelism = parallelism;
    info.parameters = {{"Count", 2}};
    info.selected = std::move(selected);
    info.definition =
        std::make_shared<const Definition>(parse_definition(text_of_definition(steps)));
    run = std::make_unique<Run>(new_run(std::move(info)));
    Decision decision;
    Recorder(*run, now, decision).record(Happening::kExecutionStarted, "", Json::object());
    keep(decision);
  }

  // Decides on what was seen, and again while there is more; the effects are in `effects`.
  void decide(const std::vector<Observation>& seen = {}) {
    bool again = true;
    std::vector<Observation> first = seen;
    while (again) {
      Decision decision;
      advance(*run, first, now, decision);
      first.clear();
      again = decision.again;
      keep(decision);
    }
  }

  void keep(const Decision& decision) {
    history.insert(history.end(), decision.events.begin(), decision.events.end());
    effects.insert(effects.end(), decision.effects.begin(), decision.effects.end());
    wake_at = decision.wake_at;
    ++decisions;
  }

  // A server that died and came back: only the history is left.
  void restart() {
    auto fresh = std::make_unique<Run>(new_run(run->info));
    for (const HistoryEvent& event : history) apply(*fresh, event);
    run = std::move(fresh);
    effects.clear();
  }

  std::size_t index(const std::string& name) const {
    return run->info.definition->by_name.find(name)->second;
  }
  const StepState& state(const std::string& name) const { return run->steps[index(name)]; }
  Phase phase(const std::string& name) const { return state(name).phase; }

  // "start A", "look B", … of the effects since the last call.
  std::vector<std::string> take_effects() {
    static const std::map<Effect::What, std::string> verbs{{Effect::What::kEvaluate, "evaluate "},
                                                           {Effect::What::kStart, "start "},
                                                           {Effect::What::kLook, "look "},
                                                           {Effect::What::kStop, "stop "},
                                                           {Effect::What::kForget, "forget "}};
    std::vector<std::string> texts;
    for (const Effect& effect : effects) {
      texts.push_back(verbs.at(effect.what) + run->info.definition->steps[effect.step].name);
    }
    effects.clear();
    return texts;
  }

  Observation seen(const std::string& name, Observation::What what) const {
    Observation made;
    made.what = what;
    made.step = index(name);
    made.attempt = state(name).attempt;
    return made;
  }
  void started(const std::string& name) {
    Observation made = seen(name, Observation::What::kStarted);
    made.subject = "arn:" + state(name).name;
    decide({made});
  }
  void succeed(const std::string& name, Json output = Json::object()) {
    Observation made = seen(name, Observation::What::kSucceeded);
    made.output = std::move(output);
    decide({made});
  }
  void fail_with(const std::string& name, const std::string& reason,
                 const std::string& exception = "") {
    Observation made = seen(name, Observation::What::kFailed);
    made.reason = reason;
    made.exception = exception;
    decide({made});
  }

  std::unique_ptr<Run> run;
  base::Millis now = kStart;
  std::vector<HistoryEvent> history;
  std::vector<Effect> effects;
  std::optional<base::Millis> wake_at;
  int decisions = 0;
};

}  // namespace slipway::pipelines::testing_parts
