#pragma once

// Git repositories on this machine, through git's own commands.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::cli {

// What the command prints, without blank space around it. Throws Error{GitError} where it fails.
std::string git(const std::filesystem::path& directory, std::vector<std::string> arguments,
                std::map<std::string, std::string> environment = {});
// Nothing where it fails.
std::optional<std::string> try_git(const std::filesystem::path& directory,
                                   std::vector<std::string> arguments);

// The branch that is checked out; nothing outside of a repository and where HEAD is detached.
std::optional<std::string> current_branch(const std::filesystem::path& directory);

struct DefaultBranch {
  std::string name;
  std::string commit;  // empty where no such branch is here
};
// That of the remote "origin" where one is known, else main or master, else what is checked out.
DefaultBranch default_branch(const std::filesystem::path& directory);

}  // namespace slipway::cli
