#pragma once

// What the pool keeps of a container and of an invocation. Guarded by the pool's mutex.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "functions/types.h"

namespace slipway::functions {

using Monotonic = std::chrono::steady_clock::time_point;

struct Job {
  Work work;
  std::string arn;
  std::chrono::milliseconds timeout{};
  Monotonic began = std::chrono::steady_clock::now();
  std::optional<Monotonic> handed;  // to the runtime
  bool done = false;
  Outcome outcome;
  std::condition_variable changed;
  std::uint64_t log_offset = 0;         // in the container's log, when it was handed
  std::vector<std::string> log_before;  // the platform's own lines around the function's
  std::vector<std::string> log_after;
};

struct Instance {
  std::string container;
  std::string token;
  std::string account;
  std::string name;
  std::string version;
  std::string revision;
  std::string log_group;
  std::string log_stream;
  std::int64_t memory_mb = 0;
  bool reports_itself = false;  // its runtime prints START, END and REPORT
  std::shared_ptr<Job> job;     // null: idle
  Monotonic started = std::chrono::steady_clock::now();
  Monotonic idle_since{};
  std::optional<double> init_ms;  // once it has asked for work
  bool init_reported = false;
  bool retired = false;        // ends after its invocation
  int readers = 0;             // calls that want the tail of its log: it is not removed before
  bool discarded = false;      // and waits for them
  base::Millis last_call = 0;  // later ones need newer credentials; 0: not known yet
};

}  // namespace slipway::functions
