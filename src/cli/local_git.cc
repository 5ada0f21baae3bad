#include "cli/local_git.h"

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace slipway::cli {
namespace {

base::CommandResult run_git(const std::filesystem::path& directory,
                            std::vector<std::string> arguments,
                            std::map<std::string, std::string> environment) {
  base::Command command;
  command.arguments = {"git", "-C", directory.string()};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = std::move(environment);
  command.environment["GIT_TERMINAL_PROMPT"] = "0";
  return base::run(command);
}

}  // namespace

std::string git(const std::filesystem::path& directory, std::vector<std::string> arguments,
                std::map<std::string, std::string> environment) {
  const std::string what = arguments.at(0);
  const auto result = run_git(directory, std::move(arguments), std::move(environment));
  if (!result.ok())
    throw Error("GitError", "git " + what + ": " + std::string(base::trim(result.error)));
  return std::string(base::trim(result.output));
}

std::optional<std::string> try_git(const std::filesystem::path& directory,
                                   std::vector<std::string> arguments) {
  const auto result = run_git(directory, std::move(arguments), {});
  if (!result.ok()) return std::nullopt;
  return std::string(base::trim(result.output));
}

std::optional<std::string> current_branch(const std::filesystem::path& directory) {
  return try_git(directory, {"symbolic-ref", "--quiet", "--short", "HEAD"});
}

DefaultBranch default_branch(const std::filesystem::path& directory) {
  constexpr std::string_view kRemote = "origin/";
  const auto commit_of = [&](const std::string& ref) {
    return try_git(directory, {"rev-parse", "--verify", "--quiet", ref + "^{commit}"}).value_or("");
  };
  // As it is here, before as it was when it was fetched.
  const auto found = [&](const std::string& name) -> DefaultBranch {
    std::string commit = commit_of("refs/heads/" + name);
    if (commit.empty()) commit = commit_of("refs/remotes/origin/" + name);
    return {name, std::move(commit)};
  };
  const auto remote =
      try_git(directory, {"symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"});
  if (remote && remote->starts_with(kRemote)) return found(remote->substr(kRemote.size()));
  for (const char* name : {"main", "master"}) {
    if (auto branch = found(name); !branch.commit.empty()) return branch;
  }
  return found(current_branch(directory).value_or("main"));
}

}  // namespace slipway::cli
