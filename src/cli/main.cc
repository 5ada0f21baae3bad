#include "cli/command.h"
#include "containers/containers.h"

int main(int argc, char** argv) {
  // The same binary also plays hidden roles around containers.
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  return slipway::cli::run_command_line(argc, argv);
}
