// slipway ci run: the pipeline of a working tree, uncommitted changes included, without a push.
// A server of its own, on a data directory that ends with it, runs it: the same engine.

#include <iostream>
#include <map>
#include <set>
#include <thread>

#include <CLI/CLI.hpp>
#include <signal.h>

#include "app/app.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/gitlab_client.h"
#include "cli/local_git.h"
#include "cli/session.h"
#include "ship/repository.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

struct CiRunOptions {
  std::string path = ".";
  std::string name;
  std::string branch;
  std::vector<std::string> others;  // "group/project=directory"
  std::vector<std::string> variables;
  int timeout = 3600;
};

// A commit of the working tree as it is, which no branch of the repository ever sees.
std::string commit_of_tree(const std::filesystem::path& directory,
                           const std::filesystem::path& scratch) {
  const std::map<std::string, std::string> environment{
      {"GIT_INDEX_FILE", (scratch / ("index-" + base::random_hex(8))).string()},
      {"GIT_AUTHOR_NAME", "slipway"},
      {"GIT_AUTHOR_EMAIL", "slipway@localhost"},
      {"GIT_COMMITTER_NAME", "slipway"},
      {"GIT_COMMITTER_EMAIL", "slipway@localhost"}};
  const std::string top = git(directory, {"rev-parse", "--show-toplevel"});
  git(top, {"read-tree", "HEAD"}, environment);
  git(top, {"add", "-A"}, environment);
  const std::string tree = git(top, {"write-tree"}, environment);
  return git(top, {"commit-tree", tree, "-p", "HEAD", "-m", git(top, {"log", "-1", "--format=%B"})},
             environment);
}

// A line of a trace without the marks by which GitLab's page folds it. They end in a carriage
// return, which would take the job's name off the terminal's line.
std::string without_sections(std::string line) {
  constexpr std::string_view kMark = "\x1b[0Ksection_";
  constexpr std::string_view kClear = "\r\x1b[0K";
  for (std::size_t start; (start = line.find(kMark)) != std::string::npos;) {
    const std::size_t end = line.find(kClear, start);
    if (end == std::string::npos) break;
    line.erase(start, end + kClear.size() - start);
  }
  return line;
}

// Ctrl-C and its like, taken by waiting for them: threads that are made later inherit the block.
class Interrupts {
 public:
  Interrupts() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  // Waits; the signal where one came, else 0.
  int wait(std::chrono::milliseconds time) const {
    const timespec limit{time.count() / 1000, time.count() % 1000 * 1000000};
    return std::max(0, sigtimedwait(&signals_, nullptr, &limit));
  }

 private:
  sigset_t signals_{};
};

constexpr std::chrono::milliseconds kBetweenLooks{200};
constexpr std::chrono::seconds kGrace{20};

class CiRun {
 public:
  CiRun(const Globals& globals, const CiRunOptions& options)
      : options_(options),
        scratch_(cache_directory() / "runs" / base::random_hex(12)),
        app_(start(globals, scratch_)),
        gitlab_(
            app_->endpoint(),
            std::string(base::trim(store::read_file(scratch_ / "data" / "gitlab-token", 4096)))) {}
  ~CiRun() {
    try {
      end_jobs();
    } catch (const std::exception& error) {
      std::cerr << "slipway: jobs may still run: " << error.what() << "\n";
    }
    app_->stop();
    app_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
  }
  CiRun(const CiRun&) = delete;
  CiRun& operator=(const CiRun&) = delete;

  int run() {
    for (const std::string& other : options_.others) {
      const auto equals = other.find('=');
      if (equals == std::string::npos)
        throw Error("Usage", "--project wants group/project=directory, not " + other);
      push_other(other.substr(equals + 1), other.substr(0, equals));
    }
    const auto [project, commit] = push_own();
    const auto pipelines = gitlab_.get("/projects/" + project + "/pipelines?sha=" + commit);
    if (pipelines.empty()) {
      std::cout << "no pipeline: no job fits a push to this branch\n";
      return 0;
    }
    const std::string id = std::to_string(base::integer_or(pipelines[0], "id", 0));
    return follow("/projects/" + project + "/pipelines/" + id);
  }

 private:
  static std::unique_ptr<app::App> start(const Globals& globals,
                                         const std::filesystem::path& scratch) {
    base::set_log(base::Level::kError, base::LogFormat::kText);
    app::AppOptions options;
    options.data = scratch / "data";
    options.port = 0;
    options.self = globals.self;
    std::filesystem::create_directories(scratch);
    return app::App::start(options);
  }

  std::string own_name() const {
    if (!options_.name.empty()) return options_.name;
    const std::string top = git(options_.path, {"rev-parse", "--show-toplevel"});
    return "local/" + std::filesystem::path(top).filename().string();
  }

  // Makes it, and the groups that it is in, where they are not there.
  Json id_of_group(const std::string& path) {
    if (const auto found = gitlab_.find("/groups/" + GitlabClient::project(path)))
      return (*found)["id"];
    const auto slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    Json group{{"name", name}, {"path", name}};
    if (slash != std::string::npos) group["parent_id"] = id_of_group(path.substr(0, slash));
    return gitlab_.post("/groups", group)["id"];
  }

  Json make_project(const std::string& name, const std::string& main) {
    const auto slash = name.rfind('/');
    if (slash == std::string::npos)
      throw Error("Usage", "a project's name is group/project, not " + name);
    return gitlab_.post("/projects", {{"path", name.substr(slash + 1)},
                                      {"name", name.substr(slash + 1)},
                                      {"namespace_id", id_of_group(name.substr(0, slash))},
                                      {"default_branch", main}});
  }

  // A repository that is triggered or included is asked by its default branch.
  void push_other(const std::filesystem::path& directory, const std::string& name) {
    const std::string branch = default_branch(directory).name;
    make_project(name, branch);
    push(directory, name, commit_of_tree(directory, scratch_), branch, {"-o", "ci.skip"});
  }

  // Makes the project and pushes the tree to it as the branch that it is on; the project's id and
  // the commit. The default branch comes first where it is another: rules compare with it.
  std::pair<std::string, std::string> push_own() {
    const std::string name = own_name();
    const DefaultBranch main = default_branch(options_.path);
    std::string branch = options_.branch;
    if (branch.empty()) branch = current_branch(options_.path).value_or(main.name);
    const Json project = make_project(name, main.name);
    if (branch != main.name && !main.commit.empty())
      push(options_.path, name, main.commit, main.name, {"-o", "ci.skip"});
    std::vector<std::string> words;
    for (const std::string& variable : options_.variables)
      words.insert(words.end(), {"-o", "ci.variable=" + variable});
    const std::string commit = commit_of_tree(options_.path, scratch_);
    push(options_.path, name, commit, branch, words);
    return {std::to_string(base::integer_or(project, "id", 0)), commit};
  }

  void push(const std::filesystem::path& directory, const std::string& name,
            const std::string& commit, const std::string& branch,
            const std::vector<std::string>& words) {
    const std::string token = base::base64("oauth2:" + gitlab_.token());
    std::vector<std::string> arguments{"push", "-q"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    arguments.insert(arguments.end(),
                     {gitlab_.url() + "/" + name + ".git", commit + ":refs/heads/" + branch});
    git(directory, arguments,
        {{"GIT_CONFIG_COUNT", "1"},
         {"GIT_CONFIG_KEY_0", "http.extraHeader"},
         {"GIT_CONFIG_VALUE_0", "Authorization: Basic " + token}});
  }

  int follow(const std::string& path) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options_.timeout);
    for (;;) {
      const Json pipeline = gitlab_.get(path);
      const bool below_is_over = show_jobs(path, "");
      const std::string status = base::text_or(pipeline, "status");
      if (is_over(status) && below_is_over) {
        if (pipeline.contains("yaml_errors") && pipeline["yaml_errors"].is_string())
          show_errors(pipeline);
        std::cout << (status == "success" || status == "manual" ? "✓" : "✗") << " pipeline "
                  << status << std::endl;
        return status == "success" || status == "manual" ? 0 : 1;
      }
      if (std::chrono::steady_clock::now() > deadline)
        throw Error("Timeout", "the pipeline is still " + status);
      if (const int signal = interrupts_.wait(kBetweenLooks); signal != 0) {
        std::cout << "✗ interrupted" << std::endl;
        return 128 + signal;
      }
    }
  }

  static void show_errors(const Json& pipeline) {
    const auto errors = base::split(base::text_or(pipeline, "yaml_errors"), '\n');
    const Json& places = base::array_or_empty(pipeline, "yaml_error_places");
    for (std::size_t i = 0; i < errors.size(); ++i) {
      const std::string place =
          errors.size() == places.size() ? places[i].get<std::string>() : std::string();
      std::cout << (place.empty() ? "" : place + ": ") << errors[i] << "\n";
    }
  }

  static bool is_over(const std::string& status) {
    static const std::set<std::string> kOver{"success", "failed", "canceled", "skipped", "manual"};
    return kOver.contains(status);
  }

  // Cancels whatever runs, in every repository, and waits until its containers are gone.
  void end_jobs() {
    const std::filesystem::path containers = scratch_ / "data" / "containers";
    const auto deadline = std::chrono::steady_clock::now() + kGrace;
    for (const Json& project : gitlab_.all("/projects")) {
      const std::string path = "/projects/" + std::to_string(base::integer_or(project, "id", 0));
      for (const Json& pipeline : gitlab_.all(path + "/pipelines"))
        if (!is_over(base::text_or(pipeline, "status")))
          gitlab_.post(path + "/pipelines/" + std::to_string(base::integer_or(pipeline, "id", 0)) +
                       "/cancel");
    }
    while (has_jobs(containers)) {
      if (std::chrono::steady_clock::now() > deadline)
        throw Error("Timeout", "their containers are in " + containers.string());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  static bool has_jobs(const std::filesystem::path& containers) {
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(containers, absent))
      if (entry.path().filename().string().starts_with("ci-")) return true;
    return false;
  }

  // Whether the pipelines that it triggered are over.
  bool show_jobs(const std::string& path, const std::string& prefix) {
    const std::string project = path.substr(0, path.find("/pipelines"));
    bool over = true;
    for (const Json& job : gitlab_.all(path + "/jobs")) show_job(project, prefix, job);
    for (const Json& bridge : gitlab_.all(path + "/bridges")) {
      const Json& downstream = base::object_or_empty(bridge, "downstream_pipeline");
      if (const auto id = base::integer_or(downstream, "id", 0); id != 0) {
        over &= is_over(base::text_or(downstream, "status"));
        over &=
            show_jobs("/projects/" + std::to_string(base::integer_or(downstream, "project_id", 0)) +
                          "/pipelines/" + std::to_string(id),
                      prefix + base::text_or(bridge, "name") + " › ");
      }
      show_end(prefix, bridge);
    }
    return over;
  }

  void show_job(const std::string& project, const std::string& prefix, const Json& job) {
    const std::string status = base::text_or(job, "status");
    if (status == "pending") take_tags(job);
    if (status != "created" && status != "skipped")
      show_trace(project, std::to_string(base::integer_or(job, "id", 0)),
                 prefix + base::text_or(job, "name"));
    show_end(prefix, job);
  }

  // There is no other runner here: this one takes jobs with whatever tags.
  void take_tags(const Json& job) {
    const std::size_t before = tags_.size();
    for (const Json& tag : base::array_or_empty(job, "tag_list")) tags_.insert(tag);
    if (tags_.size() == before) return;
    for (const Json& runner : gitlab_.all("/runners/all"))
      gitlab_.put("/runners/" + std::to_string(base::integer_or(runner, "id", 0)),
                  {{"tag_list", tags_}});
  }

  // A line when a job or bridge has ended.
  void show_end(const std::string& prefix, const Json& job) {
    std::string& shown = shown_[std::to_string(base::integer_or(job, "id", 0))];
    const std::string status = base::text_or(job, "status");
    if (std::exchange(shown, status) == status) return;
    if (status == "success" || status == "failed" || status == "canceled")
      std::cout << (status == "success" ? "✓ " : "✗ ") << prefix << base::text_or(job, "name")
                << "  " << status << "  " << base::text_or(job, "failure_reason") << std::endl;
    if (base::text_or(job, "failure_reason") == "downstream_bridge_project_not_found")
      std::cout << "  give its repository: --project group/project=directory" << std::endl;
  }

  // Whole new lines of the trace.
  void show_trace(const std::string& project, const std::string& id, const std::string& name) {
    const std::string trace = gitlab_.text(project + "/jobs/" + id + "/trace");
    std::size_t& from = traced_[id];
    for (std::size_t end;
         from < trace.size() && (end = trace.find('\n', from)) != std::string::npos;
         from = end + 1) {
      const std::string line = trace.substr(from, end - from);
      const std::string shown = without_sections(line);
      if (!shown.empty() || line.empty()) std::cout << name << " │ " << shown << "\n";
    }
    std::cout << std::flush;
  }

  const CiRunOptions& options_;
  const Interrupts interrupts_;  // before any thread
  const std::filesystem::path scratch_;
  std::unique_ptr<app::App> app_;
  GitlabClient gitlab_;
  std::set<std::string> tags_;
  std::map<std::string, std::string> shown_;
  std::map<std::string, std::size_t> traced_;
};

}  // namespace

void add_ci_lint(CLI::App& parser, Run& run);

void add_ci(CLI::App& parser, const Globals& globals, Run& run) {
  auto* group = parser.add_subcommand("ci", "Try a .gitlab-ci.yml before it is pushed");
  group->require_subcommand(0, 1);
  add_ci_lint(*group, run);
  auto options = std::make_shared<CiRunOptions>();
  auto* command = group->add_subcommand(
      "run", "Run the pipeline of a working tree, uncommitted changes included");
  command->add_option("path", options->path, "The repository")->capture_default_str();
  command->add_option("--name", options->name, "Its group/project; local/<folder> if not given");
  command->add_option("--branch", options->branch,
                      "The branch it runs as; what is checked out if not given");
  command->add_option("--project", options->others,
                      "Another repository that it triggers or includes: group/project=directory");
  command->add_option("--variable", options->variables, "A pipeline variable: KEY=value");
  command->add_option("--timeout", options->timeout, "Seconds until it gives up")
      ->capture_default_str();
  command->callback([&globals, &run, options] {
    run = [&globals, options] {
      ship::Repository::open(options->path);  // says what to do where there is none
      return CiRun(globals, *options).run();
    };
  });
}

}  // namespace slipway::cli
