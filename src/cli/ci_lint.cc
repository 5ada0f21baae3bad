// slipway ci lint: whether GitLab would take a .gitlab-ci.yml, without a server.

#include <iostream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "ci_config/ci_config.h"
#include "cli/command.h"
#include "cli/local_git.h"
#include "net/client.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

struct LintOptions {
  std::string path = ".";
  std::string ref;
  std::string source = "push";
  bool preview = false;
  bool json = false;
};

// The working tree, as it is.
class WorkingTree final : public ci_config::Source {
 public:
  explicit WorkingTree(std::filesystem::path root) : root_(std::move(root)) {}

  std::optional<std::string> local(const std::string& path) override {
    const auto relative = std::filesystem::path(path).relative_path().lexically_normal();
    if (relative.empty() || *relative.begin() == "..") return std::nullopt;
    const auto file = root_ / relative;
    if (!std::filesystem::is_regular_file(file)) return std::nullopt;
    return store::read_file(file, 1u << 20);
  }
  std::vector<std::string> paths() override {
    base::Command list;
    list.arguments = {"git", "-C", root_.string(), "ls-files", "-co", "--exclude-standard", "-z"};
    const base::CommandResult result = base::run(list);
    std::vector<std::string> paths;
    for (const std::string& path : base::split(result.output, '\0'))
      if (!path.empty()) paths.push_back(path);
    return paths;
  }
  std::unique_ptr<Source> project(const std::string& path, const std::string&) override {
    throw Error("NoProject", "include:project '" + path +
                                 "' is on a server; lint it there: glab ci lint, or the project's "
                                 "/ci/lint");
  }
  std::optional<std::string> remote(const std::string& url) override {
    net::ClientRequest request;
    request.url = url;
    request.response_limit = 1u << 20;
    const net::ClientResponse response = http_.send(request);
    if (response.status >= 400) throw Error("HttpStatus", std::to_string(response.status));
    if (response.status != 200) return std::nullopt;
    return response.body;
  }
  std::optional<std::vector<std::string>> changed_paths(const std::string&) override { return {}; }

 private:
  const std::filesystem::path root_;
  net::Client http_;
};

Json as_json(const ci_config::Result& result) {
  Json jobs = Json::array();
  if (result.plan)
    for (const auto& job : result.plan->jobs)
      jobs.push_back({{"name", job.name},
                      {"stage", job.stage},
                      {"when", ci_config::text(job.when)},
                      {"allow_failure", job.allow_failure}});
  Json places = Json::array();
  for (const auto& where : result.error_places)
    places.push_back({{"file", where.file}, {"line", where.line}});
  return {{"valid", result.errors.empty()},
          {"errors", result.errors},
          {"error_places", places},
          {"warnings", result.warnings},
          {"jobs", jobs},
          {"merged_yaml", result.merged_yaml}};
}

int run_lint(LintOptions options) {
  std::filesystem::path file = options.path;
  if (std::filesystem::is_directory(file)) file /= ".gitlab-ci.yml";
  if (!std::filesystem::is_regular_file(file))
    throw Error("NoConfiguration", "there is no " + file.string());
  const std::filesystem::path folder = file.parent_path().empty() ? "." : file.parent_path();
  WorkingTree tree(folder);
  const std::string main = default_branch(folder).name;
  if (options.ref.empty()) options.ref = current_branch(folder).value_or(main);
  ci_config::Context context;
  context.file = file.filename().string();
  context.ref = options.ref;
  context.pipeline_source = options.source;
  context.predefined = {{"CI", "true"},
                        {"GITLAB_CI", "true"},
                        {"CI_COMMIT_REF_NAME", options.ref},
                        {"CI_COMMIT_BRANCH", options.ref},
                        {"CI_DEFAULT_BRANCH", main},
                        {"CI_PIPELINE_SOURCE", options.source}};
  const ci_config::Result result =
      ci_config::compile(store::read_file(file, 1u << 20), context, tree);
  if (options.json) {
    std::cout << base::dump_json_pretty(as_json(result)) << "\n";
    return result.errors.empty() ? 0 : 1;
  }
  if (options.preview) std::cout << result.merged_yaml << "\n";
  for (const std::string& warning : result.warnings) std::cerr << "warning: " << warning << "\n";
  for (std::size_t i = 0; i < result.errors.size(); ++i) {
    const ci_config::Where& where = result.error_places[i];
    std::cerr << "error: ";
    if (where.line > 0) std::cerr << where.file << ":" << where.line << ": ";
    std::cerr << result.errors[i] << "\n";
  }
  if (!result.errors.empty()) return 1;
  if (result.filtered) {
    std::cout << "valid; " << result.filter_reason << "\n";
    return 0;
  }
  std::cout << file.string() << " is valid: " << result.plan->jobs.size() << " jobs for a "
            << options.source << " to " << options.ref << "\n";
  for (const auto& job : result.plan->jobs) {
    std::string stage = job.stage;
    stage.resize(std::max<std::size_t>(stage.size(), 12), ' ');
    std::cout << "  " << stage << " " << job.name
              << (job.when == ci_config::When::kManual ? "  (manual)" : "") << "\n";
  }
  return 0;
}

}  // namespace

void add_ci_lint(CLI::App& parser, Run& run) {
  auto options = std::make_shared<LintOptions>();
  auto* command = parser.add_subcommand("lint", "Check a .gitlab-ci.yml as GitLab would");
  command->add_option("path", options->path, "The file, or the folder that holds it")
      ->capture_default_str();
  command->add_option("--ref", options->ref,
                      "Branch that rules see; what is checked out if not given");
  command->add_option("--source", options->source, "CI_PIPELINE_SOURCE that rules see")
      ->capture_default_str();
  command->add_flag("--preview", options->preview, "Print the merged configuration");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([&run, options] { run = [options] { return run_lint(*options); }; });
}

}  // namespace slipway::cli
