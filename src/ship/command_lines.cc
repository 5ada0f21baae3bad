#include "ship/command_lines.h"

#include <string>

namespace slipway::ship {

base::CommandResult run_by_lines(base::Command command,
                                 const std::function<void(std::string_view)>& on_line) {
  std::string pending;
  command.on_output = [&](std::string_view piece) {
    pending.append(piece);
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1)
      on_line(std::string_view(pending).substr(begin, end - begin));
    pending.erase(0, begin);
  };
  base::CommandResult result = base::run(command);
  if (!pending.empty()) on_line(pending);
  return result;
}

}  // namespace slipway::ship
