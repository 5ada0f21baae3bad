// slipway down: the server's end and, with --all, that of its containers.

#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>
#include <signal.h>

#include "app/app.h"
#include "base/error.h"
#include "cli/command.h"
#include "containers/containers.h"
#include "store/database.h"

namespace slipway::cli {
namespace {

constexpr std::chrono::seconds kServerGrace{30};
constexpr std::chrono::seconds kContainerGrace{5};

// By the lock, not the process: a server that was killed leaves its number, which another program
// may have by now.
bool holds_data(const Globals& globals) {
  try {
    store::Database::open(globals.data / "slipway.db");
    return false;
  } catch (const Error& error) {
    if (error.code() == "DatabaseInUse") return true;
    throw;
  }
}

void stop_server(const Globals& globals, int process) {
  if (::kill(process, SIGTERM) != 0)
    throw Error("NotStopped", "may not stop process " + std::to_string(process) +
                                  "; run this as the user who started it");
  const auto deadline = std::chrono::steady_clock::now() + kServerGrace;
  while (holds_data(globals)) {
    if (std::chrono::steady_clock::now() > deadline)
      throw Error("Timeout", "process " + std::to_string(process) +
                                 " did not end within 30 s; look at " +
                                 (globals.data / "server.log").string());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::cout << "stopped\n";
}

// Their records stay: the next server sees that they ended, as after a reboot of the machine.
void stop_containers(const Globals& globals) {
  // Held meanwhile, so that no server starts others.
  const auto lock = store::Database::open(globals.data / "slipway.db");
  const auto engine = containers::Engine::open({globals.data / "containers", {}, globals.self});
  std::vector<std::string> running;
  for (std::string& id : engine->list())
    if (engine->state(id) == containers::State::kRunning) running.push_back(std::move(id));
  for (const std::string& id : running) engine->stop(id, kContainerGrace);
  for (const std::string& id : running)
    if (!engine->wait(id, 2 * kContainerGrace))
      throw Error("Timeout", "container " + id + " did not end");
  std::cout << "ended containers: " << running.size() << "\n";
}

int run_down(const Globals& globals, bool all) {
  const int process = app::read_server_file(globals.data).process;
  if (holds_data(globals))
    stop_server(globals, process);
  else if (!all)
    throw Error("NotRunning", "no server runs on " + globals.data.string());
  if (all) stop_containers(globals);
  return 0;
}

}  // namespace

void add_down(CLI::App& parser, const Globals& globals, Run& run) {
  auto* command = parser.add_subcommand(
      "down", "Stop the server; endpoints' and jobs' containers go on until it is back");
  auto all = std::make_shared<bool>(false);
  command->add_flag("--all", *all,
                    "End the containers too, also where no server runs; the next server starts "
                    "endpoints' again and fails the jobs");
  command->callback(
      [&globals, &run, all] { run = [&globals, all] { return run_down(globals, *all); }; });
}

}  // namespace slipway::cli
