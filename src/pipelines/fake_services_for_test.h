#pragma once

// Services that start nothing, and remember what they were asked to start.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/error.h"
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

  Observation carry_out(const Task& task) {
    if (task.effect.what == Effect::What::kLook) return look(task);
    return task.effect.what == Effect::What::kStop ? stop(task) : start(task);
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
    const std::lock_guard lock(mutex_);
    called_.notify_all();
    const std::string& step = task.step().name;
    tokens_[step].insert(task.effect.token);
    seen.subject = "arn:" + task.effect.name;
    if (task.step().type == StepType::kCallback) {
      const std::string token = callback_token(task.key.id, step, task.effect.attempt);
      seen.subject = "callback/" + token;
      seen.metadata = {{"Callback", {{"CallbackToken", token}}}};
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

  mutable std::mutex mutex_;
  mutable std::condition_variable called_;
  // Guarded by mutex_:
  std::map<std::string, Failure> failures_;
  std::set<std::string> held_;
  std::map<std::string, Json> files_;
  std::map<std::string, std::set<std::string>> tokens_;
  std::map<std::string, int> looks_;
};

}  // namespace slipway::pipelines::testing_parts
