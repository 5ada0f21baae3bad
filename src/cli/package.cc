// slipway package: what a CI job does with a model: its image in the registry with the next
// semantic version, its data and its pipelines in place.

#include <fstream>
#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "cli/stage_lines.h"
#include "cli/workspace.h"
#include "ship/definitions.h"
#include "ship/stages.h"

namespace slipway::cli {
namespace {

struct PackageOptions {
  std::string path = ".";
  std::string dotenv;
  std::string configuration;
  bool json = false;
};

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw Error("WriteFailed", "cannot write " + path);
}

int run_package(const Globals& globals, const PackageOptions& options) {
  Workspace workspace(globals, options.path);
  StageLines lines;
  ship::ShipContext context = workspace.context(lines);
  context.run = base::random_hex(6);
  ship::build_stage(context);
  ship::push_stage(context);
  ship::prepare_pipelines(context);
  const ship::ShipState& state = context.state;
  const std::string& model = workspace.spec.name;
  // In the order in which a person reads them.
  std::vector<std::pair<std::string, std::string>> facts{
      {"MODEL", model},
      {"MODEL_VERSION", state.version.text()},
      {"MODEL_COMMIT", workspace.repository.head().id},
      {"IMAGE", state.image},
      {"IMAGE_DIGEST", state.image_digest},
      {"TRAINING_DAG", ship::training_pipeline_name(model)},
      {"DEPLOYMENT_DAG", ship::deployment_pipeline_name(model)}};
  if (!workspace.spec.smoke_request.empty()) {
    facts.emplace_back("SMOKE_REQUEST", workspace.spec.smoke_request);
    facts.emplace_back("SMOKE_CONTENT_TYPE", workspace.spec.smoke_content_type);
  }
  if (!options.dotenv.empty()) {
    std::string text;
    for (const auto& [key, value] : facts) text += key + "=" + value + "\n";
    write_file(options.dotenv, text);
  }
  const Json parameters = ship::training_parameters_of(context);
  if (!options.configuration.empty())
    write_file(options.configuration, base::dump_json_pretty(parameters) + "\n");
  if (options.json) {
    Json result{{"configuration", parameters}, {"imageIsNew", state.image_is_new}};
    for (const auto& [key, value] : facts) result[key] = value;
    std::cout << base::dump_json(result) << "\n";
  } else {
    for (const auto& [key, value] : facts) std::cout << key << "=" << value << "\n";
  }
  return 0;
}

}  // namespace

void add_package(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<PackageOptions>();
  auto* command = parser.add_subcommand(
      "package", "Put the commit's image, data and pipelines in place, ready to train");
  command->add_option("path", options->path, "Model repository with its slipway.yaml")
      ->capture_default_str();
  command->add_option("--dotenv", options->dotenv,
                      "File for MODEL, MODEL_VERSION, IMAGE…: a dotenv report of a CI job");
  command->add_option("--configuration", options->configuration,
                      "File for the training pipeline's parameters, as JSON");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return run_package(globals, *options); };
  });
}

}  // namespace slipway::cli
