#include "pipelines/decide.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "pipelines/deciding.h"
#include "pipelines/expressions.h"

namespace slipway::pipelines {
namespace {

constexpr std::size_t kLongestReason = 1024;   // of a step
constexpr std::size_t kLongestFailure = 1300;  // of an execution
constexpr base::Millis kLongestPause = 86'400'000;

bool starts_something(const Step& step) {
  return step.type != StepType::kCondition && step.type != StepType::kFail;
}

bool is_job(const Step& step) {
  return step.type == StepType::kTraining || step.type == StepType::kProcessing;
}

bool is_active(const StepState& state) {
  return state.phase == Phase::kStarting || state.phase == Phase::kRunning ||
         state.phase == Phase::kStopping || state.phase == Phase::kRetrying;
}

bool is_done(const StepState& state) {
  return state.phase == Phase::kSucceeded || state.phase == Phase::kReused;
}

// When the step's retry begins, or nothing where no policy allows one.
std::optional<base::Millis> retry_at(const Step& step, const StepState& state,
                                     const Observation& seen, base::Millis now) {
  const std::string& exception = seen.exception;
  if (exception.empty()) return std::nullopt;
  // Faults of the service itself are tried again whatever the step says.
  static const RetryPolicy by_default{.exceptions = {"Step.SERVICE_FAULT", "Step.THROTTLING"}};
  const RetryPolicy* policy = nullptr;
  const auto names_it = [&](const RetryPolicy& each) {
    return std::find(each.exceptions.begin(), each.exceptions.end(), exception) !=
           each.exceptions.end();
  };
  for (const RetryPolicy& each : step.retry_policies) {
    if (policy == nullptr && names_it(each)) policy = &each;
  }
  if (policy == nullptr && !seen.may_have_run && names_it(by_default)) policy = &by_default;
  if (policy == nullptr) return std::nullopt;
  const double pause =
      static_cast<double>(policy->interval) * std::pow(policy->backoff_rate, state.retries);
  const base::Millis at =
      now + static_cast<base::Millis>(std::min(pause, static_cast<double>(kLongestPause)));
  if (policy->expire_after > 0) {
    if (at > state.first_started.value_or(now) + policy->expire_after) return std::nullopt;
  } else if (state.retries >= policy->attempts) {
    return std::nullopt;
  }
  return at;
}

// One decision under way.
class Deciding {
 public:
  Deciding(Run& run, base::Millis now, Decision& decision)
      : run_(run),
        definition_(*run.info.definition),
        now_(now),
        recorder_(run, now, decision),
        decision_(decision) {}

  void take(const Observation& seen) {
    if (seen.step >= run_.steps.size()) return;
    StepState& state = run_.steps[seen.step];
    const bool expected = state.phase == Phase::kStarting || state.phase == Phase::kRunning ||
                          state.phase == Phase::kStopping;
    if (!expected || seen.attempt != state.attempt) return;  // of an attempt that is over
    if (seen.what == Observation::What::kCall) {
      if (state.busy)
        state.look_again = true;
      else
        state.watched = false;
      return;
    }
    state.busy = false;
    state.turn_at.reset();
    if (std::exchange(state.look_again, false)) state.watched = false;
    switch (seen.what) {
      case Observation::What::kStarted:
        if (state.phase == Phase::kStarting) started(seen);
        break;
      case Observation::What::kNotYet:
        if (state.phase == Phase::kStarting) wait_for_turn(seen);
        break;
      case Observation::What::kSucceeded:
        succeed(seen);
        break;
      case Observation::What::kFailed:
        fail(seen);
        break;
      case Observation::What::kStopped:
        stopped(seen);
        break;
      default:
        break;
    }
  }

  void proceed() {
    if (run_.has_ended()) return;
    if (run_.status == RunStatus::kStopping) stop_steps();
    if (failed()) give_up_retries();
    time_out_callbacks();
    carry_on();
    if (run_.status == RunStatus::kExecuting && !failed()) schedule();
    finish();
  }

 private:
  const Step& step(std::size_t index) const { return definition_.steps[index]; }

  void record(Happening what, std::size_t index, Json detail = Json::object()) {
    const StepState& state = run_.steps[index];
    const bool invoked = step(index).type == StepType::kLambda && state.phase == Phase::kStarting;
    recorder_.record(what, step(index).name, std::move(detail));
    // Once this is durable, nobody asks for the invocation's outcome again.
    if (invoked && state.phase != Phase::kStarting) {
      Effect effect;
      effect.what = Effect::What::kForget;
      effect.step = index;
      effect.attempt = state.attempt;
      effect.token = state.token;
      decision_.effects.push_back(std::move(effect));
    }
  }

  bool failed() const {
    return std::any_of(run_.steps.begin(), run_.steps.end(),
                       [](const StepState& state) { return state.phase == Phase::kFailed; });
  }

  void started(const Observation& seen) {
    Json detail = Json::object();
    if (!seen.subject.empty()) detail["Subject"] = seen.subject;
    if (!seen.metadata.is_null()) detail["Metadata"] = seen.metadata;
    if (!seen.cache_key.empty()) detail["CacheKey"] = seen.cache_key;
    if (!seen.output.is_null()) detail["Arguments"] = seen.output;
    record(Happening::kStepStarted, seen.step, std::move(detail));
  }

  void wait_for_turn(const Observation& seen) {
    StepState& state = run_.steps[seen.step];
    if (now_ - state.started.value_or(now_) < kTurnPatience) {
      state.turn_at = now_ + kTurnPause;
      return;
    }
    Observation late = seen;
    late.reason = "It was not this step's turn within 8 hours: " + seen.reason;
    fail(late);
  }

  static Json end_detail(const Observation& seen) {
    Json detail = Json::object();
    if (!seen.metadata.is_null()) detail["Metadata"] = seen.metadata;
    if (!seen.reason.empty()) detail["Reason"] = base::utf8_prefix(seen.reason, kLongestReason);
    if (!seen.output.is_null()) detail["Output"] = seen.output;
    if (!seen.cache_key.empty()) detail["CacheKey"] = seen.cache_key;
    if (!seen.cache_source.empty()) detail["CacheSource"] = seen.cache_source;
    return detail;
  }

  void succeed(const Observation& seen) {
    if (starts_something(step(seen.step))) {
      return record(Happening::kStepSucceeded, seen.step, end_detail(seen));
    }
    // The files that its arguments name have been read.
    try {
      const Observation end = evaluated(run_, seen.step, seen.output);
      const bool good = end.what == Observation::What::kSucceeded;
      record(good ? Happening::kStepSucceeded : Happening::kStepFailed, seen.step, end_detail(end));
    } catch (const Error& error) {
      record(Happening::kStepFailed, seen.step,
             {{"Reason", base::utf8_prefix(error.message(), kLongestReason)}});
    }
  }

  void fail(const Observation& seen) {
    const StepState& state = run_.steps[seen.step];
    const auto again = retry_at(step(seen.step), state, seen, now_);
    if (again && run_.status == RunStatus::kExecuting && !failed()) {
      record(Happening::kStepRetrying, seen.step,
             {{"NotBefore", *again}, {"Reason", base::utf8_prefix(seen.reason, kLongestReason)}});
      return;
    }
    record(Happening::kStepFailed, seen.step, end_detail(seen));
  }

  void stopped(const Observation& seen) {
    const bool asked =
        run_.status == RunStatus::kStopping || run_.steps[seen.step].phase == Phase::kStopping;
    Json detail = end_detail(seen);
    if (!asked && seen.reason.empty()) detail["Reason"] = "The job was stopped";
    record(asked ? Happening::kStepStopped : Happening::kStepFailed, seen.step, std::move(detail));
  }

  void stop_steps() {
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      StepState& state = run_.steps[i];
      if (state.phase == Phase::kRetrying) {
        record(Happening::kStepStopped, i);
      } else if (state.phase == Phase::kRunning && is_job(step(i))) {
        record(Happening::kStepStopping, i);
        state.watched = state.busy;
        state.look_again = state.busy;
      } else if (state.phase == Phase::kRunning && step(i).type == StepType::kEndpoint) {
        record(Happening::kStepStopped, i, {{"Reason", "The endpoint's deployment goes on"}});
      } else if (state.phase == Phase::kStarting && !state.busy &&
                 (state.turn_at || !may_have_started(i))) {
        record(Happening::kStepStopped, i);
      }
    }
  }

  // Whether what the step starts can be left running by a server that died. A function cannot.
  bool may_have_started(std::size_t index) const {
    return starts_something(step(index)) && step(index).type != StepType::kLambda;
  }

  void give_up_retries() {
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      if (run_.steps[i].phase != Phase::kRetrying) continue;
      record(Happening::kStepFailed, i, {{"Reason", run_.steps[i].reason}});
    }
  }

  void time_out_callbacks() {
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      const StepState& state = run_.steps[i];
      if (state.phase != Phase::kRunning || step(i).type != StepType::kCallback) continue;
      const base::Millis deadline = state.started.value_or(now_) + kCallbackPatience;
      if (deadline > now_) {
        wake_at(deadline);
      } else {
        record(Happening::kStepFailed, i,
               {{"Reason", "Nobody answered the callback within 7 days"}});
      }
    }
  }

  // The effects that steps under way still need, in this process.
  void carry_on() {
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      StepState& state = run_.steps[i];
      if (state.phase == Phase::kRetrying) {
        if (state.not_before <= now_)
          start(i);
        else
          wake_at(state.not_before);
      } else if (state.phase == Phase::kStarting && !state.busy) {
        if (state.turn_at.value_or(now_) <= now_)
          launch(i);
        else
          wake_at(*state.turn_at);
      } else if ((state.phase == Phase::kRunning || state.phase == Phase::kStopping) &&
                 !state.busy && !state.watched && step(i).type != StepType::kCallback) {
        watch(i);
      }
    }
  }

  void watch(std::size_t index) {
    StepState& state = run_.steps[index];
    state.busy = state.watched = true;
    Effect effect;
    effect.what = state.phase == Phase::kStopping ? Effect::What::kStop : Effect::What::kLook;
    effect.step = index;
    effect.attempt = state.attempt;
    effect.name = state.name;
    effect.subject = state.subject;
    if (step(index).type == StepType::kEndpoint) {
      // Whether the endpoint serves what the step asked for shows by its configuration.
      effect.arguments = resolve(step(index).arguments, scope_of_start(index));
    }
    decision_.effects.push_back(std::move(effect));
  }

  bool is_ready(std::size_t index) const {
    if (run_.steps[index].phase != Phase::kWaiting || is_excluded(run_, index)) return false;
    const Step& each = step(index);
    if (each.condition && !satisfied(*each.condition)) return false;
    return !is_skipped(run_, index) &&
           std::all_of(each.dependencies.begin(), each.dependencies.end(),
                       [this](std::size_t dependency) { return satisfied(dependency); });
  }

  bool satisfied(std::size_t index) const {
    return is_done(run_.steps[index]) || is_excluded(run_, index);
  }

  std::size_t free_places() const {
    if (run_.info.parallelism <= 0) return std::numeric_limits<std::size_t>::max();
    const auto most = static_cast<std::size_t>(run_.info.parallelism);
    const auto taken =
        static_cast<std::size_t>(std::count_if(run_.steps.begin(), run_.steps.end(), is_active));
    return taken < most ? most - taken : 0;
  }

  std::vector<std::size_t> startable() const {
    std::vector<std::size_t> steps;
    std::size_t places = free_places();
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      if (!is_ready(i)) continue;
      if (starts_something(step(i))) {
        if (places == 0) continue;
        --places;
      }
      steps.push_back(i);
    }
    return steps;
  }

  void schedule() {
    const std::vector<std::size_t> steps = startable();
    for (const std::size_t index : steps) start(index);
    decision_.again = !steps.empty() && !failed() && !startable().empty();
  }

  base::Millis ready_since(std::size_t index) const {
    base::Millis ready = run_.resumed;
    const auto count = [&](std::size_t dependency) {
      ready = std::max(ready, run_.steps[dependency].ended.value_or(0));
    };
    if (step(index).condition) count(*step(index).condition);
    for (const std::size_t dependency : step(index).dependencies) count(dependency);
    return ready;
  }

  // Records that the step starts, and lets it start. What needs nothing but the history ends here.
  void start(std::size_t index) {
    const Step& each = step(index);
    const base::Millis ready = run_.steps[index].ready.value_or(ready_since(index));
    const int attempt = run_.steps[index].attempt + 1;
    try {
      const Scope scope = scope_of(run_, index, attempt, now_);
      const Json arguments = resolve(each.arguments, scope);
      if (!starts_something(each) && !each.reads_files) return end_at_once(index, arguments, ready);
      record(Happening::kStepStarting, index,
             {{"Attempt", attempt},
              {"Name", name_for(run_, index, arguments, attempt)},
              {"Token", start_token(run_.info.id, each.name, attempt)},
              {"Ready", ready}});
      launch(index, arguments, resolve(each.target, scope));
    } catch (const Error& error) {
      record(Happening::kStepFailed, index,
             {{"Reason", base::utf8_prefix(error.message(), kLongestReason)},
              {"Ready", ready},
              {"Started", now_}});
    }
  }

  void end_at_once(std::size_t index, const Json& arguments, base::Millis ready) {
    const Observation end = evaluated(run_, index, arguments);
    Json detail = end_detail(end);
    detail["Ready"] = ready;
    detail["Started"] = now_;
    const bool good = end.what == Observation::What::kSucceeded;
    record(good ? Happening::kStepSucceeded : Happening::kStepFailed, index, std::move(detail));
  }

  // As the start that was recorded saw it: a start that is repeated, and a look at what it
  // started, must find the same names where these hold the time (Execution.CurrentDateTime).
  Scope scope_of_start(std::size_t index) const {
    const StepState& state = run_.steps[index];
    return scope_of(run_, index, state.attempt, state.started.value_or(now_));
  }

  // A start that was recorded earlier.
  void launch(std::size_t index) {
    try {
      const Scope scope = scope_of_start(index);
      launch(index, resolve(step(index).arguments, scope), resolve(step(index).target, scope));
    } catch (const Error& error) {
      record(Happening::kStepFailed, index,
             {{"Reason", base::utf8_prefix(error.message(), kLongestReason)}});
    }
  }

  void launch(std::size_t index, Json arguments, Json target) {
    StepState& state = run_.steps[index];
    state.busy = true;
    Effect effect;
    effect.what = starts_something(step(index)) ? Effect::What::kStart : Effect::What::kEvaluate;
    effect.step = index;
    effect.attempt = state.attempt;
    effect.arguments = std::move(arguments);
    effect.target = std::move(target);
    effect.name = state.name;
    effect.token = state.token;
    decision_.effects.push_back(std::move(effect));
  }

  void finish() {
    if (decision_.again) return;
    if (std::any_of(run_.steps.begin(), run_.steps.end(), is_active)) return;
    Json detail{{"Status", text_of(RunStatus::kSucceeded)}};
    if (run_.status == RunStatus::kStopping) {
      detail["Status"] = text_of(RunStatus::kStopped);
    } else if (failed()) {
      detail = {{"Status", text_of(RunStatus::kFailed)}, {"FailureReason", failure_reason()}};
    }
    recorder_.record(Happening::kExecutionEnded, "", std::move(detail));
    decision_.status_changed = true;
  }

  std::string failure_reason() const {
    const StepState* first = nullptr;
    std::string name;
    for (std::size_t i = 0; i < run_.steps.size(); ++i) {
      const StepState& state = run_.steps[i];
      if (state.phase != Phase::kFailed) continue;
      if (first != nullptr && state.ended >= first->ended) continue;
      first = &state;
      name = step(i).name;
    }
    const std::string text = "Step failure: One or multiple steps failed. " + name +
                             (first->reason.empty() ? "" : ": " + first->reason);
    return std::string(base::utf8_prefix(text, kLongestFailure));
  }

  void wake_at(base::Millis at) {
    decision_.wake_at = std::min(decision_.wake_at.value_or(at), at);
  }

  Run& run_;
  const Definition& definition_;
  const base::Millis now_;
  Recorder recorder_;
  Decision& decision_;
};

}  // namespace

void Recorder::record(Happening what, std::string step, Json detail) {
  HistoryEvent event;
  event.sequence = run_.sequence + 1;
  event.at = now_;
  event.what = what;
  event.step = std::move(step);
  event.detail = std::move(detail);
  apply(run_, event);
  decision_.events.push_back(std::move(event));
}

void advance(Run& run, const std::vector<Observation>& seen, base::Millis now, Decision& decision) {
  Deciding deciding(run, now, decision);
  for (const Observation& each : seen) deciding.take(each);
  deciding.proceed();
}

}  // namespace slipway::pipelines
