#include "ship/steps_here.h"

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "ship/command_lines.h"

namespace slipway::ship {
namespace {

using Mounts = std::vector<std::pair<std::filesystem::path, std::string>>;

std::string translated(std::string text, const Mounts& mounts) {
  for (const auto& [directory, target] : mounts)
    text = base::replace_all(text, target, directory.string());
  return text;
}

}  // namespace

int StepsHere::run(const images::UnpackedImage& base, const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment, const Mounts& mounts,
                   std::function<void(std::string_view)> on_line) {
  if (!base.host_base)
    throw Error("BuildError",
                "in a CI job only the base 'host' can be built on; for another base write a "
                "Dockerfile: it is built with buildah");
  base::Command command;
  for (const std::string& argument : arguments)
    command.arguments.push_back(translated(argument, mounts));
  for (const auto& [name, value] : environment)
    command.environment[name] = translated(value, mounts);
  command.timeout = std::chrono::hours(1);
  const base::CommandResult result = run_by_lines(std::move(command), on_line);
  if (result.timed_out) throw Error("Timeout", "a step of the build was not done after an hour");
  return result.exit_code;
}

}  // namespace slipway::ship
