#pragma once

// Git's own commands, run the same way whatever the machine's and the user's configuration say.

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/subprocess.h"

namespace slipway::forge {

// Settings that every git process of the forge has, and those of the processes that serve clients.
using GitSettings = std::multimap<std::string, std::string>;  // some names have several values
GitSettings git_settings();
GitSettings serving_settings(const std::filesystem::path& hooks);
// Environment that gives git these settings and takes the machine's own away.
std::map<std::string, std::string> git_environment(const GitSettings& settings);

struct GitCall {
  std::vector<std::string> arguments;  // after "git --git-dir=…"
  std::string input;
  std::map<std::string, std::string> environment;
  std::size_t output_limit = 64u << 20;  // bytes; more is an Error{413}
  std::chrono::milliseconds timeout{120'000};
};
// Runs and waits; a failing git is a result. Throws Error where it ran out of time or said too
// much.
base::CommandResult run_git(const std::filesystem::path& repository, const GitCall& call);
// The same for a command that does not fail where all is well: throws Error otherwise.
std::string git_output(const std::filesystem::path& repository, const GitCall& call);
[[noreturn]] void throw_git_failed(const GitCall& call, const base::CommandResult& result);

// Creates an empty bare repository, durably.
void make_repository(const std::filesystem::path& directory, const std::string& default_branch);
// What HEAD names; durably.
void point_head(const std::filesystem::path& directory, const std::string& default_branch);

// What a loose ref holds; nothing of one that is packed, symbolic or not there. A ref that was just
// moved is loose, and this starts no process.
std::optional<std::string> loose_ref(const std::filesystem::path& repository,
                                     const std::string& ref);
// What the ref holds now (of an annotated tag: the tag object); kNoCommit where there is none.
std::string ref_value(const std::filesystem::path& repository, const std::string& ref);
// Moves the ref if it still holds `before`; false where it does not. kNoCommit: absent.
bool move_ref(const std::filesystem::path& repository, const std::string& ref,
              const std::string& before, const std::string& after);

}  // namespace slipway::forge
