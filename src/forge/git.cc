#include "forge/git.h"

#include <fstream>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/types.h"
#include "store/files.h"

namespace slipway::forge {

namespace fs = std::filesystem;

GitSettings git_settings() {
  return {
      // Repositories belong to the server, whoever runs it.
      {"safe.directory", "*"},
      // A push that was answered survives a power cut.
      {"core.fsync", "committed,reference"},
      {"core.logAllRefUpdates", "false"},
      {"core.quotePath", "false"},
      // Bounds on what one packing may take.
      {"pack.threads", "2"},
      {"pack.windowMemory", "128m"},
      // In the foreground: no process outlives its request.
      {"gc.autoDetach", "false"},
      {"maintenance.autoDetach", "false"},
  };
}

GitSettings serving_settings(const fs::path& hooks) {
  GitSettings settings = git_settings();
  settings.merge(GitSettings{
      {"core.hooksPath", hooks.string()},
      {"receive.advertisePushOptions", "true"},
      // The hook refuses to delete the default branch, with GitLab's words.
      {"receive.denyDeleteCurrent", "ignore"},
      {"receive.hideRefs", "refs/pipelines"},
      {"receive.hideRefs", "refs/merge-requests"},
      {"receive.fsckObjects", "true"},
      // Old repositories have these; they harm nobody.
      {"receive.fsck.badTimezone", "ignore"},
      {"receive.fsck.missingSpaceBeforeDate", "ignore"},
      {"receive.fsck.zeroPaddedFilemode", "ignore"},
      {"uploadpack.allowAnySHA1InWant", "true"},
      {"uploadpack.allowFilter", "true"},
  });
  return settings;
}

std::map<std::string, std::string> git_environment(const GitSettings& settings) {
  std::map<std::string, std::string> environment = {
      {"GIT_CONFIG_NOSYSTEM", "1"},       {"GIT_CONFIG_SYSTEM", "/dev/null"},
      {"GIT_CONFIG_GLOBAL", "/dev/null"}, {"GIT_TERMINAL_PROMPT", "0"},
      {"GIT_OPTIONAL_LOCKS", "0"},        {"LC_ALL", "C"},
  };
  std::size_t count = 0;
  for (const auto& [name, value] : settings) {
    environment["GIT_CONFIG_KEY_" + std::to_string(count)] = name;
    environment["GIT_CONFIG_VALUE_" + std::to_string(count)] = value;
    ++count;
  }
  environment["GIT_CONFIG_COUNT"] = std::to_string(count);
  return environment;
}

base::CommandResult run_git(const fs::path& repository, const GitCall& call) {
  base::Command command;
  command.arguments = {"git", "--git-dir=" + repository.string(), "--no-replace-objects"};
  command.arguments.insert(command.arguments.end(), call.arguments.begin(), call.arguments.end());
  command.directory = repository;
  command.environment = git_environment(git_settings());
  for (const auto& [name, value] : call.environment) command.environment[name] = value;
  command.input = call.input;
  command.timeout = call.timeout;
  // One more byte tells that there was more.
  command.output_limit = call.output_limit + 1;
  base::CommandResult result = base::run(command);
  if (result.timed_out) {
    throw Error("ServiceUnavailable", "The repository took too long to answer.", 503);
  }
  if (result.output.size() > call.output_limit) {
    throw Error("RequestEntityTooLarge",
                "The answer is larger than " + std::to_string(call.output_limit) + " bytes.", 413);
  }
  return result;
}

void throw_git_failed(const GitCall& call, const base::CommandResult& result) {
  const std::string_view error = base::utf8_prefix(base::trim(result.error), 500);
  base::throw_internal("git " + (call.arguments.empty() ? "" : call.arguments.front()) +
                       " failed with " + std::to_string(result.exit_code) + ": " +
                       std::string(error));
}

std::string git_output(const fs::path& repository, const GitCall& call) {
  base::CommandResult result = run_git(repository, call);
  if (!result.ok()) throw_git_failed(call, result);
  return std::move(result.output);
}

// By hand (see gitrepository-layout), because `git init` syncs nothing.
void make_repository(const fs::path& directory, const std::string& default_branch) {
  store::Disk& disk = store::system_disk();
  for (const char* part : {"objects/info", "objects/pack", "refs/heads", "refs/tags"}) {
    store::create_directories_durably(disk, directory / part);
  }
  store::write_atomically(disk, directory / "config",
                          "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n"
                          "\tbare = true\n");
  point_head(directory, default_branch);
}

void point_head(const fs::path& directory, const std::string& default_branch) {
  store::write_atomically(store::system_disk(), directory / "HEAD",
                          "ref: refs/heads/" + default_branch + "\n");
}

std::optional<std::string> loose_ref(const fs::path& repository, const std::string& ref) {
  constexpr std::size_t kDigits = 40;
  if (!is_ref_name(ref)) return std::nullopt;
  std::error_code error;
  const fs::path file = repository / ref;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  std::string text(kDigits + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream || text.back() != '\n') return std::nullopt;  // symbolic, or just being replaced
  text.pop_back();
  return is_commit_id(text) ? std::optional(text) : std::nullopt;
}

std::string ref_value(const fs::path& repository, const std::string& ref) {
  const GitCall call{.arguments = {"rev-parse", "--verify", "--quiet", "--end-of-options", ref}};
  const base::CommandResult result = run_git(repository, call);
  // 1 is git's way to say that there is none.
  if (result.exit_code == 1) return kNoCommit;
  if (!result.ok()) throw_git_failed(call, result);
  return std::string(base::trim(result.output));
}

bool move_ref(const fs::path& repository, const std::string& ref, const std::string& before,
              const std::string& after) {
  GitCall call{.arguments = {"update-ref", "--no-deref", ref, after, before}};
  if (after == kNoCommit) call.arguments = {"update-ref", "--no-deref", "-d", ref, before};
  const base::CommandResult result = run_git(repository, call);
  if (result.ok()) return true;
  if (ref_value(repository, ref) != before) return false;
  throw_git_failed(call, result);
}

}  // namespace slipway::forge
