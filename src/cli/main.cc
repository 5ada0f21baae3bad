#include <clocale>

#include "cli/command.h"
#include "containers/containers.h"

int main(int argc, char** argv) {
  // Names in archives are UTF-8, whatever the environment says: without this libarchive knows no
  // others than ASCII.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  // The same binary also plays hidden roles around containers.
  if (const auto status = slipway::containers::run_hidden_role(argc, argv)) return *status;
  return slipway::cli::run_command_line(argc, argv);
}
