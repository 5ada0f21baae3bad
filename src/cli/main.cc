#include "cli/command.h"
#include "containers/containers.h"
#include "forge/forge.h"

int main(int argc, char** argv) {
  // The same binary also plays hidden roles: around containers, and as the forge's git hooks.
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  if (const auto status = slipway::forge::run_git_hook(argc, argv)) return *status;
  return slipway::cli::run_command_line(argc, argv);
}
