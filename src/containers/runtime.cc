#include "containers/runtime.h"

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace slipway::containers {
namespace {

// Empty, or why it is no good.
std::string refusal(const std::filesystem::path& program) {
  base::Command command;
  command.arguments = {program.string(), "--version"};
  command.timeout = std::chrono::seconds(10);
  command.output_limit = 4096;
  const base::CommandResult result = base::run(command);
  if (result.ok()) return "";
  return "\"" + program.string() + " --version\" failed: " +
         std::string(base::trim(result.error.empty() ? result.output : result.error));
}

}  // namespace

Runtime find_runtime(const std::string& wanted, CgroupLayout layout) {
  std::vector<std::string> tried;
  for (const std::string& name : runtimes_to_try(wanted, layout)) {
    const auto program = base::find_program(name);
    if (!program) {
      tried.push_back(name + " is not installed");
      continue;
    }
    const std::string why = refusal(*program);
    if (why.empty()) return {program->filename().string(), program->string()};
    tried.push_back(why);
  }
  std::string advice = "apt-get install runc";
  if (layout == CgroupLayout::kHybrid) {
    advice += " (crun does not work with this machine's hybrid control groups)";
  } else {
    advice += ", or apt-get install crun";
  }
  throw Error("ContainerRuntimeMissing",
              "no OCI runtime works on this machine (" + base::join(tried, "; ") +
                  "). Install one: " + advice,
              500);
}

}  // namespace slipway::containers
