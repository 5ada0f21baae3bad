#pragma once

// The room's decisions, without effects.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "functions/types.h"

namespace slipway::functions {

// Nothing where the text names no function.
std::optional<Reference> parse_reference(std::string_view text);

// Where an invocation goes.
enum class Placement {
  kReuse,             // a warm container of the same revision
  kStart,             // a new container
  kReplaceOwn,        // a new one, for an idle one of the function's older revisions
  kReplaceOther,      // a new one, for the longest idle one of other functions
  kThrottleFunction,  // the function is at its own limit
  kThrottleServer,    // every container is busy
};
struct Load {
  bool warm = false;            // an idle container of this revision
  std::size_t busy_own = 0;     // of the function, starting ones included
  std::size_t idle_own = 0;     // of the function, any revision
  std::size_t idle_others = 0;  // of other functions
  std::size_t live = 0;         // all
  std::size_t limit_own = 0;    // at a time, of the function
  std::size_t limit_containers = 0;
};
Placement place(const Load& load);

// When a failed asynchronous invocation is tried again; nothing: not any more. `attempts`: that
// have failed. `pauses`: before the second attempt, the third, …
std::optional<base::Millis> pause_after_failure(
    int attempts, const std::vector<std::chrono::milliseconds>& pauses);
// When one that found no container is tried again: doubling from 1 s to 5 min, for six hours.
std::optional<base::Millis> pause_after_throttle(base::Millis age);

// The version that a call of the alias runs: FunctionVersion, or by the weights of RoutingConfig.
// `roll`: uniform in [0, 1).
std::string version_of_alias(const Json& alias, double roll);

// "*" and "?" as in ARN conditions.
bool matches(std::string_view pattern, std::string_view text);
// The statement that AddPermission adds. Throws Error{InvalidParameterValueException}.
Json statement_of(const Json& request, const std::string& arn);
// Whether one of the statements lets `service` invoke for `source_arn`.
bool permits(const Json& statements, std::string_view service, std::string_view source_arn);

// The lines that the platform itself writes to a function's log.
std::string start_line(std::string_view request_id, std::string_view version);
std::string end_line(std::string_view request_id);
std::string report_line(std::string_view request_id, double duration_ms, std::int64_t memory_mb,
                        std::optional<double> init_ms);
// "Task timed out after 3.00 seconds"
std::string timeout_text(std::chrono::milliseconds timeout);
// {"errorType", "errorMessage": "RequestId: … Error: …"}
std::string error_payload(std::string_view type, std::string_view request_id,
                          std::string_view message);
// "2026/11/22/[$LATEST]0123…"
std::string log_stream(base::Millis at, std::string_view version, std::string_view instance);

// "2026-11-22T20:34:48.000+0000", as Lambda writes LastModified.
std::string last_modified(base::Millis at);

}  // namespace slipway::functions
