#pragma once

// What an execution does next: a pure function of its history, of what was seen since, and of
// the time.
//
// The caller records Decision::events in one transaction and only then carries out the effects;
// where recording fails it forgets the Run. Effects may be repeated after a restart: those that
// start something carry the name and the token that were recorded before.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/run.h"

namespace slipway::pipelines {

inline constexpr base::Millis kCallbackPatience = 7LL * 86'400'000;
// Of a step that waits until others have changed what it is to change: as long as an update of an
// endpoint may take at most. Between two looks whether it is its turn: the pause.
inline constexpr base::Millis kTurnPatience = 8LL * 3'600'000;
inline constexpr base::Millis kTurnPause = 500;

// What is seen of a step.
struct Observation {
  enum class What {
    kStarted,    // and it runs
    kNotYet,     // it is not its turn: start it later
    kRunning,    // still
    kSucceeded,  // also straight after the start
    kFailed,
    kStopped,
    kCall,  // an event concerns it: look
  };
  What what = What::kCall;
  std::size_t step = 0;
  int attempt = 0;
  std::string subject;
  std::string reason;     // kFailed
  std::string exception;  // kFailed: what a retry policy would call it; empty: nothing retries it
  // kFailed: it may have done its work, so that only the step's own policies may start it again.
  bool may_have_run = false;
  std::string cache_key;  // under which its result may be found again; empty: not
  std::string cache_source;
  Json metadata;  // null: as before
  Json output;
};

struct Effect {
  enum class What {
    kEvaluate,  // read files and tell a Condition's or Fail step's resolved arguments
    kStart,     // resolve `arguments` and start
    kLook,
    kStop,
    kForget,  // the token of a function's invocation: its end is durable here
  };
  What what = What::kLook;
  std::size_t step = 0;
  int attempt = 0;
  Json arguments;  // resolved but for files; of kLook for endpoints alone
  Json target;
  std::string name, token;
  std::string subject;
};

struct Decision {
  std::vector<HistoryEvent> events;  // already applied to the run
  std::vector<Effect> effects;
  bool again = false;                   // there is more to decide once this is durable
  std::optional<base::Millis> wake_at;  // decide again then at the latest
  bool status_changed = false;
};

// Moves `run` on by what was `seen`. A Condition step ends in the decision in which it begins;
// what depends on it begins in the next one, when that is durable.
void advance(Run& run, const std::vector<Observation>& seen, base::Millis now, Decision& decision);

// The commands of the API. They throw Error, and change nothing, where they do not fit.
void request_stop(Run& run, base::Millis now, Decision& decision);
// `parallelism`: 0 keeps what there is.
void request_retry(Run& run, int parallelism, base::Millis now, Decision& decision);
// Ends a Callback step. `outputs`: [{Name, Value}], or null where it failed with `reason`.
void answer_callback(Run& run, std::size_t step, const Json& outputs, const std::string& reason,
                     base::Millis now, Decision& decision);
// Steps that a selective execution takes from `source`, another run of the same pipeline; may be
// null. Throws Error where the selection does not work out.
void reuse_steps(Run& run, const Run* source, base::Millis now, Decision& decision);

// The end of a Condition or Fail step whose arguments are resolved.
Observation evaluated(const Run& run, std::size_t step, const Json& arguments);

// [{Name, Value}] of a step that answers with values, and the values as its properties. Throws
// Error{ValidationException} where one is missing or of another type.
struct Outputs {
  Json list, properties;
};
Outputs outputs_of(const Step& step, const Json& values);

// The name of what a step starts: "pipelines-<execution>-<step>-<hash>", at most 63 characters.
std::string generated_name(const std::string& prefix, const std::string& execution,
                           const std::string& step, int attempt);
// Ten letters and digits.
std::string callback_token(const std::string& execution, const std::string& step, int attempt);

}  // namespace slipway::pipelines
