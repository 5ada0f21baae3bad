// slipway git-credential: git asks it for the token of this server.
// Protocol: git-scm.com/docs/gitcredentials, "Custom helpers".

#include <iostream>

#include <CLI/CLI.hpp>

#include "cli/gitlab_client.h"

namespace slipway::cli {
namespace {

int answer(const Globals& globals, const std::string& action) {
  std::string line, protocol, host;
  while (std::getline(std::cin, line) && !line.empty()) {
    if (line.starts_with("protocol=")) protocol = line.substr(9);
    if (line.starts_with("host=")) host = line.substr(5);
  }
  if (action != "get") return 0;
  const GitlabClient gitlab = GitlabClient::open(globals);
  // Nobody else's server gets the token.
  if (gitlab.url() == protocol + "://" + host)
    std::cout << "username=oauth2\npassword=" << gitlab.token() << "\n";
  return 0;
}

}  // namespace

void add_git_credential(CLI::App& parser, const Globals& globals, Run& run) {
  auto action = std::make_shared<std::string>();
  auto* command = parser.add_subcommand("git-credential", "A credential helper for git");
  command->add_option("action", *action, "get, store or erase")->required();
  command->callback(
      [&globals, &run, action] { run = [&globals, action] { return answer(globals, *action); }; });
}

}  // namespace slipway::cli
