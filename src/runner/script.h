#pragma once

// The shell scripts of a job, as gitlab-runner writes them.
//
// The container's first process is the driver, in POSIX shell: it runs script.sh in one shell and
// after.sh in another, and leaves the script's exit code in the file `.exit`. Told to stop
// (SIGTERM) it ends everything; where a file `.canceled` is there then, after.sh still runs.

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ci/types.h"

namespace slipway::runner {

struct ScriptSpec {
  std::string project;    // "/builds/health/tumour", the working directory
  std::string temporary;  // "/builds/health/tumour.tmp", where these files are in the container
  ci::Variables variables;
  std::vector<std::string> script;
  std::vector<std::string> after_script;
  std::chrono::seconds after_timeout{300};
};

// Files by name, for the directory that is `temporary` in the container.
std::map<std::string, std::string> make_scripts(const ScriptSpec& spec);
// The container's command: a shell that finds bash, else sh, and runs the driver in it.
std::vector<std::string> driver_command(const std::string& temporary);

// For POSIX shells, in single quotes.
std::string shell_word(std::string_view text);
// A line of a trace that begins a section with its title, and one that ends it.
std::string section_start(std::string_view name, std::string_view title, std::int64_t now_seconds);
std::string section_end(std::string_view name, std::int64_t now_seconds);

}  // namespace slipway::runner
