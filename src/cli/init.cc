// slipway init: a model repository from the template and, once, the MLOps repository with its
// trigger function, its token and its nightly schedule.

#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "cli/gitlab_client.h"
#include "cli/session.h"
#include "cli/templates.h"
#include "ship/zip.h"

namespace slipway::cli {
namespace {

constexpr const char* kTriggerFunction = "trigger-dag";
constexpr const char* kMlops = "mlops";
// The group of the templates: every mention of it becomes the user's own.
constexpr const char* kTemplateGroup = "health";

struct InitOptions {
  std::string project;    // "my-team/tumour"
  std::string directory;  // its last part where empty
};

std::string git(const std::filesystem::path& directory, std::vector<std::string> arguments) {
  base::Command command;
  command.arguments = {"git", "-C", directory.string()};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment["GIT_TERMINAL_PROMPT"] = "0";
  const base::CommandResult result = base::run(command);
  if (!result.ok())
    throw Error("GitError",
                "git " + arguments.at(0) + ": " + std::string(base::trim(result.error)));
  return std::string(base::trim(result.output));
}

// A person's own name signs commits where git knows it.
std::vector<std::string> signature(const std::filesystem::path& directory) {
  base::Command ask;
  ask.arguments = {"git", "-C", directory.string(), "config", "user.email"};
  if (base::run(ask).ok()) return {};
  return {"-c", "user.name=slipway", "-c", "user.email=slipway@localhost"};
}

std::set<std::string> models_of_template() {
  std::set<std::string> models;
  for (const TemplateFile& file : template_files())
    if (file.repository == "models" && file.path.ends_with("/slipway.yaml"))
      models.insert(std::string(file.path.substr(0, file.path.find('/'))));
  return models;
}

// The template's .gitlab-ci.yml has a part for each model under a line "# --- <model> ---…".
std::string only_model(const std::string& text, const std::string& model) {
  const std::set<std::string> models = models_of_template();
  std::string result;
  bool keep = true;
  for (const std::string& line : base::split(text, '\n')) {
    if (line.starts_with("# --- ")) {
      const std::string head = line.substr(6, line.find(' ', 6) - 6);
      keep = !models.contains(head) || head == model;
    }
    if (keep) result += line + "\n";
  }
  while (result.ends_with("\n\n")) result.pop_back();
  return result;
}

// As GitLab has paths of groups and projects; known before anything is made.
bool is_path(const std::string& text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed) && text.front() != '-' &&
         text.front() != '.' && !text.ends_with('.') && !text.ends_with(".git") &&
         !text.ends_with(".atom") && text.find("..") == std::string::npos;
}

class Init {
 public:
  Init(const Globals& globals, const InitOptions& options)
      : globals_(globals),
        options_(options),
        gitlab_(GitlabClient::open(globals)),
        session_(find_session(globals)),
        services_(http_, clock_, {session_.endpoint, session_.region, session_.key}) {
    const auto slash = options.project.rfind('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == options.project.size())
      throw Error("Usage", "name it group/project, e.g. slipway init my-team/tumour");
    for (const std::string& part : base::split(options.project, '/'))
      if (!is_path(part))
        throw Error("Usage", "'" + part +
                                 "' cannot be the name of a group or project: letters, digits, "
                                 "'_', '-' and '.', beginning with a letter, a digit or '_'");
    group_ = options.project.substr(0, slash);
    name_ = options.project.substr(slash + 1);
    if (name_ == kMlops)
      throw Error("Usage",
                  "mlops is the name of the MLOps repository, which is made with the first model "
                  "repository of its group; name the model repository otherwise");
    directory_ = options.directory.empty() ? name_ : options.directory;
  }

  int run() {
    if (std::filesystem::exists(directory_) && !std::filesystem::is_empty(directory_))
      throw Error("NotEmpty",
                  directory_.string() + " is not empty; choose another with --directory");
    if (!is_empty(options_.project))
      throw Error("AlreadyThere", options_.project +
                                      " is on the server already; get it: git -c "
                                      "credential.helper='!slipway git-credential' clone " +
                                      gitlab_.url() + "/" + options_.project + ".git");
    const Json group = ensure_group(group_);
    // Its first commit is the last thing made of it.
    if (is_empty(group_ + "/" + kMlops)) make_mlops(group);
    make_model_repository(group);
    std::cout << directory_.string() << " is a repository with the remote 'slipway'. Next:\n"
              << "  cd " << directory_.string() << "\n  git push slipway main\n  slipway watch\n";
    return 0;
  }

 private:
  // Whether nobody has pushed to the project yet, or there is none.
  bool is_empty(const std::string& project) {
    const auto found = gitlab_.find("/projects/" + GitlabClient::project(project));
    return !found || base::boolean_or(*found, "empty_repo", false);
  }

  // With the groups that it lies in.
  Json ensure_group(const std::string& path) {
    if (auto found = gitlab_.find("/groups/" + GitlabClient::project(path))) return *found;
    const std::string name = path.substr(path.rfind('/') + 1);
    Json request{{"name", name}, {"path", name}};
    if (const auto slash = path.rfind('/'); slash != std::string::npos)
      request["parent_id"] = ensure_group(path.substr(0, slash))["id"];
    return gitlab_.post("/groups", request);
  }

  Json ensure_project(const Json& group, const std::string& name) {
    const std::string path = base::text_or(group, "full_path") + "/" + name;
    if (auto found = gitlab_.find("/projects/" + GitlabClient::project(path))) return *found;
    return gitlab_.post("/projects",
                        {{"name", name}, {"path", name}, {"namespace_id", group["id"]}});
  }

  // Unpacks a template; the group's name is put in place of the template's.
  void unpack(const char* repository, const std::filesystem::path& directory,
              const std::string& model) {
    for (const TemplateFile& file : template_files()) {
      if (file.repository != repository) continue;
      const std::string path(file.path);
      const bool of_a_model =
          path.find('/') != std::string::npos && repository == std::string("models");
      if (!model.empty() && of_a_model && !path.starts_with(model + "/")) continue;
      std::string contents(file.contents);
      if (path.ends_with(".gitlab-ci.yml")) {
        if (!model.empty()) contents = only_model(contents, model);
        contents = base::replace_all(contents, std::string("project: ") + kTemplateGroup + "/",
                                     "project: " + group_ + "/");
      }
      if (path.ends_with("slipway.yaml"))
        contents = base::replace_all(contents, std::string("project: ") + kTemplateGroup + "\n",
                                     "project: " + base::replace_all(group_, "/", "-") + "\n");
      std::filesystem::create_directories((directory / path).parent_path());
      std::ofstream(directory / path, std::ios::binary) << contents;
    }
  }

  void commit(const std::filesystem::path& directory, const std::string& message) {
    git(directory, {"init", "-q", "-b", "main"});
    git(directory, {"add", "-A"});
    std::vector<std::string> arguments = signature(directory);
    arguments.insert(arguments.end(), {"commit", "-q", "-m", message});
    git(directory, arguments);
  }

  // git gets the token from `slipway git-credential`, so that it stands in no file.
  void add_remote(const std::filesystem::path& directory, const std::string& project) {
    git(directory, {"remote", "add", "slipway", gitlab_.url() + "/" + project + ".git"});
    const std::string helper = "credential." + gitlab_.url() + ".helper";
    git(directory, {"config", helper,
                    "!'" + globals_.self.string() + "' --data '" + globals_.data.string() +
                        "' git-credential"});
  }

  void make_model_repository(const Json& group) {
    const std::string model = models_of_template().contains(name_) ? name_ : "";
    ensure_project(group, name_);
    std::filesystem::create_directories(directory_);
    unpack("models", directory_, model);
    std::ofstream(directory_ / ".gitignore") << "__pycache__/\n.venv/\n.pytest_cache/\n";
    commit(directory_, "feat: " + (model.empty() ? std::string("models") : "the model " + model) +
                           " from the template");
    add_remote(directory_, options_.project);
    std::cout << "made " << options_.project << "\n";
  }

  // Each part where it is not there yet: an earlier try may have ended half way.
  void make_mlops(const Json& group) {
    const Json project = ensure_project(group, kMlops);
    const std::string path = "/projects/" + std::to_string(base::integer_or(project, "id", 0));
    make_function();
    if (!gitlab_.find(path + "/variables/ACCESS_TOKEN")) make_token(path);
    if (gitlab_.all(path + "/pipeline_schedules").empty())
      gitlab_.post(path + "/pipeline_schedules", {{"description", "retraining, every night"},
                                                  {"ref", "main"},
                                                  {"cron", "30 2 * * *"},
                                                  {"cron_timezone", "UTC"},
                                                  {"active", true}});
    push_mlops();
    std::cout << "made " << group_ << "/" << kMlops << " with its function " << kTriggerFunction
              << " and its nightly schedule\n";
  }

  void make_token(const std::string& path) {
    const Json token =
        gitlab_.post("/users/" + std::to_string(base::integer_or(gitlab_.get("/user"), "id", 1)) +
                         "/personal_access_tokens",
                     {{"name", "mlops reads artifacts"}, {"scopes", {"read_api"}}});
    gitlab_.post(path + "/variables", {{"key", "ACCESS_TOKEN"},
                                       {"value", base::text_or(token, "token")},
                                       {"masked", true},
                                       {"protected", false}});
  }

  void push_mlops() {
    const std::filesystem::path scratch =
        cache_directory() / "runs" / ("mlops-" + base::random_hex(8));
    std::filesystem::create_directories(scratch);
    try {
      unpack("mlops", scratch, "");
      commit(scratch, "feat: the MLOps repository from the template");
      add_remote(scratch, group_ + "/" + kMlops);
      git(scratch, {"push", "-q", "slipway", "main"});
    } catch (const std::exception&) {
      std::filesystem::remove_all(scratch);
      throw;
    }
    std::filesystem::remove_all(scratch);
  }

  void make_function() {
    const Json existing = services_.call_path("lambda", "GET", "/2015-03-31/functions/", nullptr);
    for (const Json& function : base::array_or_empty(existing, "Functions"))
      if (base::text_or(function, "FunctionName") == kTriggerFunction) return;
    std::map<std::string, std::string> files;
    for (const TemplateFile& file : template_files())
      if (file.repository == "mlops" && file.path.starts_with("trigger/") &&
          file.path.ends_with(".py") && file.path.find("test") == std::string_view::npos)
        files[std::string(file.path.substr(8))] = file.contents;
    services_.call_path(
        "lambda", "POST", "/2015-03-31/functions",
        {{"FunctionName", kTriggerFunction},
         {"Runtime", "python3.11"},
         {"Handler", "handler.handler"},
         {"Role", "arn:aws:iam::" + services_.account() + ":role/slipway-execution"},
         {"Timeout", 30},
         {"MemorySize", 128},
         {"Description", "starts a DAG by its name, with a configuration"},
         {"Code", {{"ZipFile", base::base64(ship::zip_of(files))}}}});
  }

  const Globals& globals_;
  const InitOptions& options_;
  base::SystemClock clock_;
  net::Client http_;
  GitlabClient gitlab_;
  const Session session_;
  wire::ServiceClient services_;
  std::string group_;
  std::string name_;
  std::filesystem::path directory_;
};

}  // namespace

void add_init(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<InitOptions>();
  auto* command = parser.add_subcommand(
      "init", "Make a model repository and, once in its group, the MLOps repository");
  command->add_option("project", options->project, "group/project, e.g. my-team/tumour")
      ->required();
  command->add_option("--directory", options->directory, "Where; the project's name if not given");
  command->footer(
      "A project named after a model of the template gets that model alone, any other all of "
      "them.");
  command->callback([&globals, &run, options] {
    run = [&globals, options] { return Init(globals, *options).run(); };
  });
}

}  // namespace slipway::cli
