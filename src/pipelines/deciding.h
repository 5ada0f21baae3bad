#pragma once

// Parts of the decision that the commands share with it.

#include <string>

#include "pipelines/decide.h"
#include "pipelines/expressions.h"

namespace slipway::pipelines {

// Adds events to a decision and applies them. Not thread-safe.
class Recorder {
 public:
  Recorder(Run& run, base::Millis now, Decision& decision)
      : run_(run), now_(now), decision_(decision) {}
  void record(Happening what, std::string step, Json detail);

 private:
  Run& run_;
  const base::Millis now_;
  Decision& decision_;
};

// Where a step's expressions find their values; files are left unread. `run` outlives it.
Scope scope_of(const Run& run, std::size_t step, int attempt, base::Millis now);
// The name for what the step's attempt starts.
std::string name_for(const Run& run, std::size_t step, const Json& arguments, int attempt);
// By which a service knows a repeated start; at most 36 letters, digits and '-'.
std::string start_token(const std::string& execution, const std::string& step, int attempt);

}  // namespace slipway::pipelines
