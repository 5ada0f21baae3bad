// slipway build: the commit at HEAD as an image in the registry.

#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "cli/stage_lines.h"
#include "cli/workspace.h"
#include "ship/stages.h"

namespace slipway::cli {
namespace {

struct BuildOptions {
  std::string path = ".";
  bool push = false;
  bool json = false;
};

int run_build(const Globals& globals, const BuildOptions& options) {
  Workspace workspace(globals, options.path);
  StageLines lines;
  ship::ShipContext context = workspace.context(lines);
  context.run = base::random_hex(6);
  ship::build_stage(context);
  if (options.push) ship::push_stage(context);
  const ship::ShipState& state = context.state;
  if (options.json) {
    Json layers = Json::array();
    if (state.built)
      for (const auto& layer : state.built->layers)
        layers.push_back({{"digest", layer.digest}, {"size", layer.size}});
    std::cout << base::dump_json({{"image", state.image},
                                  {"digest", state.image_digest},
                                  {"version", state.version.image()},
                                  {"pushed", options.push},
                                  {"layers", layers}})
              << "\n";
  } else {
    std::cout << state.image << "\n" << state.image_digest << "\n";
  }
  return 0;
}

}  // namespace

void add_build(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<BuildOptions>();
  auto* command = parser.add_subcommand(
      "build", "Build the commit at HEAD into an image with its next semantic version");
  command->add_option("path", options->path, "Model repository with its slipway.yaml")
      ->capture_default_str();
  command->add_flag("--push", options->push, "Push it to the server's registry");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return run_build(globals, *options); };
  });
}

}  // namespace slipway::cli
