#pragma once

// Services that start nothing, and remember what they were asked to start.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "functions/ledger.h"
#include "pipelines/executions.h"
#include "pipelines/expressions.h"
#include "pipelines/services.h"

namespace slipway::pipelines::testing_parts {

inline constexpr const char* kAccount = "123456789012";

inline wire::Caller caller() {
  return {kAccount, "arn:aws:iam::123456789012:root", kAccount, "AKIATEST"};
}

// A step runs from its start to the next look, unless it is held. Thread-safe.
class FakeServices final : public StepServices {
 public:
  // The step's starts fail, `times` of them.
  void fail(const std::string& step, const std::string& reason, const std::string& exception = "",
            int times = 1000) {
    const std::lock_guard lock(mutex_);
    failures_[step] = {reason, exception, times};
  }
  void hold(const std::string& step) {
    const std::lock_guard lock(mutex_);
    held_.insert(step);
  }
  void release(const std::string& step) {
    const std::lock_guard lock(mutex_);
    held_.erase(step);
  }
  void put(const std::string& uri, Json file) {
    const std::lock_guard lock(mutex_);
    files_[uri] = std::move(file);
  }

  // What was started for a step, in however many calls.
  std::set<std::string> tokens(const std::string& step) const {
    const std::lock_guard lock(mutex_);
    const auto found = tokens_.find(step);
    return found == tokens_.end() ? std::set<std::string>{} : found->second;
  }
  int looks(const std::string& step) const {
    const std::lock_guard lock(mutex_);
    const auto found = looks_.find(step);
    return found == looks_.end() ? 0 : found->second;
  }
  // Waits until `holds`; looked at after each call and every few milliseconds.
  bool eventually(const std::function<bool()>& holds) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::unique_lock lock(mutex_);
      called_.wait_for(lock, std::chrono::milliseconds(5));
    }
    return true;
  }

  // Functions are invoked by the real ledger, as often as the step's token is new to it.
  void invoke_by(functions::Ledger& ledger) { ledger_ = &ledger; }
  // How often the step's function began to run.
  int invocations(const std::string& step) const {
    const std::lock_guard lock(mutex_);
    const auto found = invocations_.find(step);
    return found == invocations_.end() ? 0 : found->second;
  }
  // The next function that runs ends the server.
  struct Death {};
  void die_in_the_next_function() { dies_ = true; }

  std::optional<Observation> carry_out(const Task& task) {
    switch (task.effect.what) {
      case Effect::What::kLook:
        return look(task);
      case Effect::What::kStop:
        return stop(task);
      case Effect::What::kForget:
        forget(task);
        return std::nullopt;
      default:
        return start(task);
    }
  }

  Observation start(const Task& task) override {
    Observation seen = observed(task, Observation::What::kStarted);
    if (task.effect.what == Effect::What::kEvaluate) {
      try {
        Scope scope;
        scope.read = [&](const std::string& uri) { return read(task.key.account, uri); };
        seen.output = resolve(task.effect.arguments, scope);
        seen.what = Observation::What::kSucceeded;
      } catch (const Error& error) {
        seen.what = Observation::What::kFailed;
        seen.reason = error.message();
      }
      return seen;
    }
    if (task.step().type == StepType::kLambda && ledger_ != nullptr) return invoke(task);
    const std::lock_guard lock(mutex_);
    called_.notify_all();
    const std::string& step = task.step().name;
    tokens_[step].insert(task.effect.token);
    seen.subject = "arn:" + task.effect.name;
    if (task.step().type == StepType::kCallback) {
      const std::string token = callback_token(task.key.id, step, task.effect.attempt);
      seen.subject = "callback/" + token;
      seen.metadata = {{"Callback", {{"CallbackToken", token}}}};
      seen.output = task.effect.arguments;
    }
    const auto failure = failures_.find(step);
    if (failure != failures_.end() && failure->second.times-- > 0) {
      seen.what = Observation::What::kFailed;
      seen.reason = failure->second.reason;
      seen.exception = failure->second.exception;
    }
    return seen;
  }

  Observation look(const Task& task) override {
    const std::lock_guard lock(mutex_);
    called_.notify_all();
    ++looks_[task.step().name];
    Observation seen = observed(task, Observation::What::kRunning);
    if (held_.contains(task.step().name)) return seen;
    seen.what = Observation::What::kSucceeded;
    seen.output = {{"TrainingJobName", task.effect.name}};
    return seen;
  }

  Observation stop(const Task& task) override {
    return observed(task, Observation::What::kStopped);
  }

  void forget(const Task& task) override {
    if (ledger_ != nullptr) ledger_->forget(task.key.account, task.effect.token);
  }

  Json read(const std::string&, const std::string& uri) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(uri);
    if (found == files_.end()) throw Error("NoSuchKey", "There is no " + uri);
    return found->second;
  }

 private:
  struct Failure {
    std::string reason, exception;
    int times = 0;
  };

  static Observation observed(const Task& task, Observation::What what) {
    Observation seen;
    seen.what = what;
    seen.step = task.effect.step;
    seen.attempt = task.effect.attempt;
    return seen;
  }

  Observation invoke(const Task& task) {
    Observation seen = observed(task, Observation::What::kSucceeded);
    try {
      ledger_->carry_out(task.key.account, task.effect.token, [&] {
        const std::lock_guard lock(mutex_);
        ++invocations_[task.step().name];
        if (std::exchange(dies_, false)) throw Death();
        return functions::Outcome{.payload = "{}", .error = "", .log_tail = "", .reached = true};
      });
      seen.output = Json::object();
    } catch (const Error& error) {
      seen.what = Observation::What::kFailed;
      seen.reason = error.message();
      seen.exception = "Step.SERVICE_FAULT";
      seen.may_have_run = error.code() == functions::kInterrupted;
    }
    return seen;
  }

  functions::Ledger* ledger_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::condition_variable called_;
  // Guarded by mutex_:
  std::map<std::string, Failure> failures_;
  std::set<std::string> held_;
  std::map<std::string, Json> files_;
  std::map<std::string, std::set<std::string>> tokens_;
  std::map<std::string, int> looks_;
  std::map<std::string, int> invocations_;
  bool dies_ = false;
};

}  // namespace slipway::pipelines::testing_parts
