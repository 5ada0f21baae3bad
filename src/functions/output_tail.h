#pragma once

// The last lines of what a function printed in one invocation.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace slipway::functions {

struct TailQuery {
  std::filesystem::path log;  // the container's
  std::uint64_t offset = 0;   // where the invocation began
  // The runtime prints a REPORT line with the request id: its output is whole once that is there.
  bool reports_itself = false;
  std::string request_id;
  std::vector<std::string> before;  // the platform's own lines
  std::vector<std::string> after;
};

// At most kLogTail bytes. The container's log is written a moment after the function, so this waits
// a little: until the report is there, or nothing comes any more.
std::string output_tail(const TailQuery& query);

// Pure: lines of a container's log ("<epoch ms> <O|E> <text>") without time and stream.
std::string texts_of_log(std::string_view log);

}  // namespace slipway::functions
