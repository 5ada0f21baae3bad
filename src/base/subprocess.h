#pragma once

// Running other programs: the OCI runtime, git, the user's checks.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::base {

struct Command {
  std::vector<std::string> arguments;  // the first is the program, looked up in PATH
  std::optional<std::filesystem::path> directory;
  std::map<std::string, std::string> environment;  // added to this process's own
  std::string input;                               // written to its standard input
  std::chrono::milliseconds timeout{60'000};       // then SIGKILL to its process group
  std::size_t output_limit = 4u << 20;             // bytes kept of each stream
  // Called with each piece of standard output and error as it comes, where set.
  std::function<void(std::string_view)> on_output;
};

struct CommandResult {
  int exit_code = 0;  // 128 + signal where a signal ended it
  bool timed_out = false;
  std::string output;
  std::string error;
  bool ok() const { return exit_code == 0 && !timed_out; }
};

// Runs and waits. Throws Error where the program cannot be started; a program that
// fails is a result. Descriptors of this process are not inherited. Thread-safe.
CommandResult run(const Command& command);

// The full path of `program` in PATH, or nothing.
std::optional<std::filesystem::path> find_program(const std::string& program);

}  // namespace slipway::base
