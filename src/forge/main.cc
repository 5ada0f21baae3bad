// The program that git runs as a hook: asks the server and prints what it says.
//
// A program of its own and not a role of the server's: it is linked statically and starts in a
// tenth of the time, twice in every push. The server has it in itself (git_hook_program.h).

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "base/strings.h"
#include "base/subprocess.h"
#include "forge/decide.h"
#include "forge/hook_wire.h"

namespace slipway::forge {
namespace {

constexpr std::size_t kMostUpdates = 20'000;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Whether the old commit is not among the new one's ancestors. Runs in the hook, because only
// here git sees the objects that are still in quarantine.
bool leaves_commits(const std::string& before, const std::string& after) {
  return base::run({.arguments = {"git", "merge-base", "--is-ancestor", before, after}})
             .exit_code != 0;
}

Json read_updates(bool look_for_force) {
  Json updates = Json::array();
  std::string line;
  while (updates.size() < kMostUpdates && std::getline(std::cin, line)) {
    const std::vector<std::string> words = base::split(line, ' ');
    if (words.size() != 3) continue;
    const bool moves_branch =
        branch_of(words[2]) && !is_no_commit(words[0]) && !is_no_commit(words[1]);
    updates.push_back(
        {{"before", words[0]},
         {"after", words[1]},
         {"ref", words[2]},
         {"forced", look_for_force && moves_branch && leaves_commits(words[0], words[1])}});
  }
  return updates;
}

Json push_options() {
  Json options = Json::array();
  const auto count = base::parse_integer(variable("GIT_PUSH_OPTION_COUNT")).value_or(0);
  for (std::int64_t at = 0; at < count && at < 1000; ++at) {
    options.push_back(variable(("GIT_PUSH_OPTION_" + std::to_string(at)).c_str()));
  }
  return options;
}

int run_hook(const std::string& name) {
  const bool before = name == "pre-receive";
  const Json updates = read_updates(before);
  if (before && std::cin.peek() != std::char_traits<char>::eof()) {
    std::cerr << "GitLab: A push may move " << kMostUpdates << " refs at most.\n";
    return 1;
  }
  const auto answer =
      ask_server(variable("SLIPWAY_FORGE_SOCKET"),
                 {{"hook", name},
                  {"session", variable("SLIPWAY_FORGE_SESSION")},
                  {"project", base::parse_integer(variable("SLIPWAY_FORGE_PROJECT")).value_or(0)},
                  {"user", base::parse_integer(variable("SLIPWAY_FORGE_USER")).value_or(0)},
                  {"updates", updates},
                  {"options", push_options()}});
  if (!answer || !answer->is_object()) {
    std::cerr << (before ? "GitLab: The server is busy; push again in a moment.\n"
                         : "The push is stored. What follows it is done later.\n");
    return 1;
  }
  const std::string error = base::text_or(*answer, "error");
  if (!error.empty()) {
    std::cerr << "GitLab: " << error << "\n";
    return 1;
  }
  for (const Json& line : base::array_or_empty(*answer, "lines")) {
    if (line.is_string()) std::cout << line.get<std::string>() << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace slipway::forge

int main(int, char** argv) {
  try {
    // Git runs it under the hook's name.
    return slipway::forge::run_hook(std::filesystem::path(argv[0]).filename().string());
  } catch (const std::exception& error) {
    std::cerr << "GitLab: " << error.what() << "\n";
    return 1;
  }
}
