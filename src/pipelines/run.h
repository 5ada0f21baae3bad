#pragma once

// An execution as its history tells it: what it was started with, and where each step stands.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/definition.h"

namespace slipway::pipelines {

enum class RunStatus { kExecuting, kStopping, kStopped, kFailed, kSucceeded };
std::string_view text_of(RunStatus status);
std::optional<RunStatus> parse_run_status(std::string_view text);

// What can happen to an execution; the types of the events of its history.
enum class Happening {
  kExecutionStarted,
  kExecutionStopping,  // somebody asked it to stop
  kExecutionRetried,   // what failed or was stopped runs again
  kExecutionEnded,     // {Status, FailureReason?}
  kStepStarting,       // {Attempt, Name, Token, Ready}: recorded before anything is started
  kStepStarted,        // {Subject?, Metadata?, CacheKey?, Arguments?}: what was started
  kStepRetrying,       // {NotBefore, Reason}
  kStepStopping,
  kStepStopped,    // {Reason?}
  kStepSucceeded,  // {Output?, Metadata?, CacheKey?, CacheSource?; Ready, Started: without
                   // kStepStarting}
  kStepFailed,     // {Reason, Metadata?; Ready, Started: without kStepStarting}
  kStepReused,     // {Source, Output, Metadata?}: taken over by a selective execution
};
std::string_view text_of(Happening happening);
std::optional<Happening> parse_happening(std::string_view text);

struct HistoryEvent {
  std::int64_t sequence = 0;  // counts from 1 in an execution
  base::Millis at = 0;
  Happening what = Happening::kExecutionStarted;
  std::string step;  // name; empty where it is about the execution
  Json detail = Json::object();
};

enum class Phase {
  kWaiting,   // for its dependencies or for its turn; also what will never run
  kStarting,  // recorded; what it starts may or may not be started
  kRunning,
  kRetrying,  // failed, and starts again at `not_before`
  kStopping,
  kSucceeded,
  kFailed,
  kStopped,
  kReused,
};

struct StepState {
  Phase phase = Phase::kWaiting;
  int attempt = 0;  // of the last start, counting from 1
  int retries = 0;  // by its policies, since the execution was started or retried
  int order = 0;    // in which steps came to be; 0: not yet
  std::optional<base::Millis> ready, started, ended;
  std::optional<base::Millis> first_started;  // since the execution was started or retried
  base::Millis not_before = 0;                // kRetrying only
  std::string name;                           // of the job or resource to start
  std::string token;
  std::string subject;  // the ARN whose events concern the step, or "callback/<token>"
  std::string cache_key;
  std::string cache_source;  // the execution whose result was taken
  std::string reason;
  Json metadata = Json::object();
  Json output;  // the properties for Get, once it has succeeded

  // Not in the history, thus forgotten by a restart:
  bool busy = false;                    // an effect on it is under way
  bool look_again = false;              // something happened meanwhile
  bool watched = false;                 // was looked at since it runs
  std::optional<base::Millis> turn_at;  // kStarting: it was not its turn; asks again then
};

struct ExecutionInfo {
  std::string account;
  std::string id;
  std::string arn;
  std::string pipeline;  // the name as it was created
  std::string pipeline_arn;
  std::int64_t pipeline_version = 1;
  std::string role;
  base::Millis started = 0;
  Json parameters = Json::object();   // all of them, of their types
  int parallelism = 0;                // steps at a time; 0: any number
  std::vector<std::string> selected;  // SelectiveExecutionConfig; empty: all steps
  std::shared_ptr<const Definition> definition;
};

struct Run {
  ExecutionInfo info;
  RunStatus status = RunStatus::kExecuting;
  std::int64_t sequence = 0;  // of the last event
  base::Millis resumed = 0;   // when it was started or last retried
  std::optional<base::Millis> ended;
  std::string failure_reason;
  std::vector<StepState> steps;  // as the definition's

  bool has_ended() const;
};

// Before its first event. Requires: `info.definition`.
Run new_run(ExecutionInfo info);
// The next event of its history. Events of steps that the definition lacks change nothing.
void apply(Run& run, const HistoryEvent& event);

// Whether a selective execution leaves the step out.
bool is_excluded(const Run& run, std::size_t step);
// Whether the step stands in a branch that is not taken.
bool is_skipped(const Run& run, std::size_t step);

}  // namespace slipway::pipelines
