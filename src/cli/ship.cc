// slipway ship: the commit at HEAD, from its checks to the live endpoint.

#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "cli/session.h"
#include "cli/workspace.h"
#include "ship/stages.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

struct ShipOptions {
  std::string path = ".";
  bool watch = false;
  bool json = false;
  bool approve = false;
  bool approve_if_better = false;
};

std::string seconds(std::chrono::milliseconds took) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%7.2f s", static_cast<double>(took.count()) / 1000);
  return text.data();
}

// Progress on the terminal. With --json nothing but the one object goes to standard output, so
// progress goes to standard error.
class Progress final : public ship::ShipObserver {
 public:
  Progress(std::ostream& out, bool show_lines) : out_(out), show_lines_(show_lines) {}

  void started(const std::string& stage, const std::string& summary) override {
    stage_ = stage;
    out_ << "▸ " << padded(stage) << summary << " …" << std::endl;
  }
  void ended(const std::string& stage, std::chrono::milliseconds took,
             const std::string& note) override {
    out_ << "✓ " << padded(stage) << seconds(took) << "   " << note << std::endl;
  }
  void line(const std::string& text) override {
    if (show_lines_ || stage_ == "approve") out_ << "    " << text << std::endl;
  }
  std::optional<bool> ask(const std::string& evidence, const std::string& question) override {
    if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
    out_ << evidence << question << " [y/N] " << std::flush;
    std::string answer;
    if (!std::getline(std::cin, answer)) return std::nullopt;
    return answer == "y" || answer == "Y" || answer == "yes";
  }

 private:
  static std::string padded(std::string text) {
    text.resize(std::max<std::size_t>(text.size(), 10), ' ');
    return text;
  }

  std::ostream& out_;
  const bool show_lines_;
  std::string stage_;
};

Json stages_json(const std::vector<ship::StageTime>& times) {
  Json list = Json::array();
  for (const ship::StageTime& time : times)
    list.push_back({{"stage", time.stage},
                    {"seconds", static_cast<double>(time.took.count()) / 1000},
                    {"note", time.note}});
  return list;
}

Json result_json(const ship::ShipContext& context, const std::vector<ship::StageTime>& times) {
  const ship::ShipState& state = context.state;
  Json result{{"status", "Succeeded"},
              {"model", context.spec.repository()},
              {"version", state.version.text()},
              {"commit", context.repository.head().id},
              {"image", state.image},
              {"imageDigest", state.image_digest},
              {"dataDigest", state.data_digest},
              {"trainingJob", state.training_job},
              {"evaluationJob", state.evaluation_job},
              {"modelData", state.model_data},
              {"modelPackage", state.model_package},
              {"metrics", state.metrics},
              {"endpoint", state.endpoint},
              {"stages", stages_json(times)}};
  if (state.live_metrics) {
    result["comparedWith"] = state.live_version;
    Json differences = Json::object();
    for (const ship::Difference& difference : ship::compare(state.metrics, state.live_metrics))
      if (difference.live) differences[difference.metric] = difference.now - *difference.live;
    result["difference"] = differences;
  }
  return result;
}

int report_failure(const Error& error, const ship::ShipContext& context, bool json,
                   std::ostream& out) {
  const std::string stage = base::text_or(error.detail(), "stage", "start");
  const std::string log = base::text_or(error.detail(), "log");
  if (json) {
    Json result{{"status", "Failed"},
                {"model", context.spec.repository()},
                {"commit", context.repository.head().id},
                {"stage", stage},
                {"reason", error.message()}};
    if (!log.empty()) result["log"] = log;
    std::cout << base::dump_json(result) << "\n";
  }
  out << "✗ " << stage << ": " << error.message() << "\n";
  if (error.detail().is_object() && error.detail().contains("evidence"))
    out << base::text_or(error.detail(), "evidence");
  if (!log.empty()) out << "  its log: " << log << "\n";
  return 1;
}

int run_ship(const Globals& globals, const ShipOptions& options) {
  std::ostream& out = options.json ? std::cerr : std::cout;
  Workspace workspace(globals, options.path);
  Progress progress(out, options.watch);
  ship::ShipContext context = workspace.context(progress);
  if (options.approve) context.approval = ship::Approval::kYes;
  if (options.approve_if_better) context.approval = ship::Approval::kIfBetter;
  context.run = base::random_hex(6);
  if (workspace.repository.has_uncommitted_changes())
    out << "! uncommitted changes are not shipped; the commit is "
        << workspace.repository.head().id.substr(0, 12) << "\n";
  out << workspace.spec.repository() << "  " << workspace.repository.head().id.substr(0, 12) << "  "
      << workspace.repository.head().subject << std::endl;
  try {
    const auto began = std::chrono::steady_clock::now();
    const std::vector<ship::StageTime> times = ship::run_stages(context);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began);
    if (options.json) std::cout << base::dump_json(result_json(context, times)) << "\n";
    out << "✓ " << context.state.version.text() << " is live" << seconds(took) << "   endpoint "
        << context.state.endpoint << "\n";
    return 0;
  } catch (const Error& error) {
    return report_failure(error, context, options.json, out);
  }
}

}  // namespace

void add_ship(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<ShipOptions>();
  auto* command = parser.add_subcommand(
      "ship", "Check, build, train, evaluate, approve and deploy the commit at HEAD");
  command->add_option("path", options->path, "Model repository with its slipway.yaml")
      ->capture_default_str();
  command->add_flag("--watch,-w", options->watch, "Show the output of every stage as it comes");
  auto* approve = command->add_flag("--approve", options->approve, "Deploy without asking");
  command
      ->add_flag("--approve-if-better", options->approve_if_better,
                 "Deploy where the deciding metric is better than the live version's, else reject")
      ->excludes(approve);
  command->add_flag("--json", options->json,
                    "Print one JSON object; progress goes to standard error");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return run_ship(globals, *options); };
  });
}

}  // namespace slipway::cli
