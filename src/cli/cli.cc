#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/command.h"

namespace slipway::cli {
namespace {

std::filesystem::path default_data() {
  if (const char* data = std::getenv("SLIPWAY_DATA")) return data;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/var/lib" : home) / ".slipway";
}

// What to do about an error that says only what went wrong; empty where nothing is known.
std::string next_step(const Error& error) {
  const bool named =
      std::getenv("AWS_ENDPOINT_URL") != nullptr || std::getenv("GITLAB_URL") != nullptr;
  const std::string& code = error.code();
  if (code == "ConnectionError")
    return named ? "AWS_ENDPOINT_URL and GITLAB_URL say where the server is: does it run there?"
                 : "the server that this data directory is of does not run: slipway up --detach";
  if (code == "UnrecognizedClientException" || code == "InvalidClientTokenId" ||
      code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" ||
      code == "InvalidSignatureException" || (code == "GitlabError" && error.status() == 401))
    return named ? "the keys or the token in the environment are not this server's; on its machine "
                   "run: eval \"$(slipway env)\""
                 : "the data directory's keys are not this server's: name another with --data";
  return "";
}

}  // namespace

int run_command_line(int argc, char** argv) {
  Globals globals;
  globals.data = default_data();
  std::error_code ignored;
  globals.self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  Run run;
  CLI::App parser("Takes machine-learning models from a commit to a live endpoint.", "slipway");
  parser.add_option("--data", globals.data,
                    "Data directory of the server on this machine (SLIPWAY_DATA, ~/.slipway)");
  parser.set_version_flag("--version", "slipway 0.1.0");
  // None is answered with the help, one that is not known by its name.
  parser.require_subcommand(0, 1);
  parser.fallthrough();
  add_up(parser, globals, run);
  add_down(parser, globals, run);
  add_env(parser, globals, run);
  add_ship(parser, globals, run);
  add_build(parser, globals, run);
  add_package(parser, globals, run);
  add_logs(parser, globals, run);
  add_init(parser, globals, run);
  add_watch(parser, globals, run);
  add_approve(parser, globals, run);
  add_decision(parser, globals, run);
  add_ci(parser, globals, run);
  add_notices(parser, globals, run);
  add_git_credential(parser, globals, run);
  try {
    parser.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return parser.exit(error);
  }
  if (!run) {
    std::cerr << parser.help();
    return 2;
  }
  try {
    return run();
  } catch (const Error& error) {
    std::cerr << "slipway: " << error.message() << "\n";
    if (const std::string step = next_step(error); !step.empty()) std::cerr << "  " << step << "\n";
  } catch (const std::exception& error) {
    std::cerr << "slipway: internal error: " << error.what() << "\n";
  }
  return 1;
}

}  // namespace slipway::cli
