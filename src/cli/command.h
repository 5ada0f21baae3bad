#pragma once

// What every command gets and gives. One file a command: it adds its options to the
// parser and returns what to run.

#include <filesystem>
#include <functional>
#include <string>

#include "base/json.h"

namespace CLI {
class App;
}

namespace slipway::cli {

// Options before the command's name.
struct Globals {
  std::filesystem::path data;  // --data, SLIPWAY_DATA, ~/.slipway
  std::filesystem::path self;  // this binary
};

// Runs a command and returns the exit status. Throws Error for what main prints as one sentence.
using Run = std::function<int()>;

// Each adds a subcommand of `parser`; `run` is set when that subcommand was given.
void add_up(CLI::App& parser, const Globals& globals, Run& run);
void add_down(CLI::App& parser, const Globals& globals, Run& run);
void add_env(CLI::App& parser, const Globals& globals, Run& run);
void add_build(CLI::App& parser, const Globals& globals, Run& run);
void add_ship(CLI::App& parser, const Globals& globals, Run& run);
void add_package(CLI::App& parser, const Globals& globals, Run& run);
void add_logs(CLI::App& parser, const Globals& globals, Run& run);
void add_init(CLI::App& parser, const Globals& globals, Run& run);
void add_watch(CLI::App& parser, const Globals& globals, Run& run);
void add_decision(CLI::App& parser, const Globals& globals, Run& run);
void add_approve(CLI::App& parser, const Globals& globals, Run& run);  // and reject
void add_ci(CLI::App& parser, const Globals& globals, Run& run);       // lint and run
void add_notices(CLI::App& parser, const Globals& globals, Run& run);
void add_git_credential(CLI::App& parser, const Globals& globals, Run& run);

// The command line. Prints errors and help; never throws.
int run_command_line(int argc, char** argv);

}  // namespace slipway::cli
