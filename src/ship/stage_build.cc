// From the commit to the image in the registry: validate, build, push.

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "base/strings.h"
#include "ship/stages.h"
#include "ship/step_container.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

// What the platform adds to a repository's own requirements to check it. Pinned: the same commit
// gets the same verdict.
constexpr const char* kCheckRequirements = "pylint==3.3.1\npytest==8.3.3\n";
constexpr const char* kProgram = "/opt/program";
constexpr const char* kChecked = "/opt/slipway/checked";
constexpr const char* kEntrypoint = "/opt/slipway/entrypoint";
constexpr const char* kRevision = "org.opencontainers.image.revision";

// The container contract: `train`, `serve` and `evaluate` come as the image's argument. Without a
// directory the files are where the image's own working directory is.
std::string entrypoint_script(const ModelSpec& spec, const std::string& directory) {
  const auto line = [&](const std::string& word, const std::string& file) {
    return "  " + word + ") exec python3 -u " + directory + file + " ;;\n";
  };
  return "#!/bin/sh\n" + (directory.empty() ? "" : "cd " + directory + " || exit 1\n") +
         "case \"$1\" in\n" + line("train", spec.train) + line("evaluate", spec.evaluate) +
         line("serve", spec.serve) + "  *) exec \"$@\" ;;\nesac\n";
}

std::string requirements_text(const ShipContext& context) {
  if (context.spec.requirements.empty()) return "";
  const auto path = context.source / context.spec.requirements;
  if (!std::filesystem::is_regular_file(path))
    throw Error("InvalidSpecification", "slipway.yaml: 'requirements' names " +
                                            context.spec.requirements +
                                            ", which is not in the commit");
  return store::read_file(path, 1u << 20);
}

// What is the same whoever builds the image's files.
images::BuildPlan common_plan(const ShipContext& context, const std::string& directory) {
  const ModelSpec& spec = context.spec;
  images::BuildPlan plan;
  if (!spec.train.empty()) {
    for (const std::string& file : {spec.train, spec.evaluate, spec.serve})
      if (!std::filesystem::is_regular_file(context.source / file))
        throw Error("InvalidSpecification",
                    "slipway.yaml names " + file + ", which is not in the commit");
    plan.extra_files[kEntrypoint] = entrypoint_script(spec, directory);
    plan.entrypoint = {kEntrypoint};
  }
  plan.environment = spec.environment;
  plan.environment["PYTHONUNBUFFERED"] = "1";
  plan.environment["PYTHONDONTWRITEBYTECODE"] = "1";
  plan.labels = {{kRevision, context.repository.head().id}};
  return plan;
}

images::BuildPlan plan_of(const ShipContext& context) {
  images::BuildPlan plan = common_plan(context, std::string(kProgram) + "/");
  plan.base = context.spec.base;
  plan.requirements = requirements_text(context);
  plan.source = context.source;
  plan.ignore = {".git", ".gitignore", "__pycache__"};
  plan.destination = kProgram;
  plan.working_directory = kProgram;
  return plan;
}

// A stage's log on the user's machine, and the command that shows it.
class StageLog {
 public:
  StageLog(ShipContext& context, const std::string& stage)
      : context_(context), path_(context.cache / "logs" / (context.run + "-" + stage + ".log")) {
    std::filesystem::create_directories(path_.parent_path());
    file_.open(path_);
  }
  void line(std::string_view text) {
    file_ << text << '\n' << std::flush;
    context_.observer.line(std::string(text));
    last_ = text;
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error("StageFailed", reason, 400, Json{{"log", "cat " + path_.string()}});
  }
  const std::string& last() const { return last_; }

 private:
  ShipContext& context_;
  const std::filesystem::path path_;
  std::ofstream file_;
  std::string last_;
};

// What the Dockerfile makes, built once in a run.
const std::filesystem::path& layout_of(ShipContext& context, const std::string& dockerfile,
                                       StageLog& log) {
  if (!context.state.layout) {
    const DockerfileBuild build{context.source, dockerfile, context.spec.repository(),
                                context.storage, context.scratch};
    try {
      context.state.layout = build_dockerfile(build, context.registry_access,
                                              [&](std::string_view text) { log.line(text); });
    } catch (const Error& error) {
      log.fail(error.message());
    }
  }
  return *context.state.layout;
}

images::BuiltImage build_with(ShipContext& context, const images::BuildPlan& plan, StageLog& log) {
  try {
    return images::build(plan, context.cache, &context.registry, context.steps,
                         [&](std::string_view text) { log.line(text); });
  } catch (const Error& error) {
    log.line(error.message());
    log.fail(error.message());
  }
}

// "Your code has been rated at 9.50/10" -> "9.50"
std::string rating_in(const std::string& line) {
  constexpr std::string_view kMark = "rated at ";
  const auto at = line.find(kMark);
  if (at == std::string::npos) return "";
  const auto slash = line.find('/', at);
  return line.substr(at + kMark.size(), slash - at - kMark.size());
}

std::string lint(ShipContext& context, const Step& base, StageLog& log) {
  Step step = base;
  std::array<char, 32> minimum{};
  std::snprintf(minimum.data(), minimum.size(), "%.2f", context.spec.lint_minimum);
  step.arguments = {"python3",
                    "-m",
                    "pylint",
                    "--recursive=y",
                    "--score=y",
                    "--fail-on=E,F",
                    std::string("--fail-under=") + minimum.data(),
                    "."};
  std::string rating;
  const int code = run_step(*context.engine, step, [&](std::string_view text) {
    log.line(text);
    if (const std::string found = rating_in(std::string(text)); !found.empty()) rating = found;
  });
  if (code != 0)
    log.fail("pylint " + (rating.empty() ? "failed" : "rated the code " + rating + " of 10") +
             "; needed are " + minimum.data() + " and no error");
  return "pylint " + rating + "/10";
}

std::string test(ShipContext& context, const Step& base, StageLog& log) {
  Step step = base;
  step.arguments = {"python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", context.spec.tests};
  const int code = run_step(*context.engine, step, [&](std::string_view text) { log.line(text); });
  // pytest: 5 = no test was collected, which is a mistake where tests were named.
  if (code != 0)
    log.fail(code == 5 ? "no test in " + context.spec.tests : "tests failed: " + log.last());
  return log.last();
}

// The checkers lie in a layer of their own below the model's: it is the same for every model, and
// where both bring a package the model's version counts.
images::UnpackedImage with_checkers(ShipContext& context, StageLog& log) {
  images::BuildPlan plan;
  plan.base = context.spec.base;
  plan.requirements = kCheckRequirements;
  const images::UnpackedImage checkers =
      images::unpack_locally(build_with(context, plan, log), context.cache);
  images::UnpackedImage image =
      images::unpack_locally(build_with(context, plan_of(context), log), context.cache);
  const auto own = std::find_if(
      image.layers.begin(), image.layers.end(), [&](const std::filesystem::path& layer) {
        return std::find(checkers.layers.begin(), checkers.layers.end(), layer) ==
               checkers.layers.end();
      });
  // Both begin with the base's layers.
  const auto common = own - image.layers.begin();
  image.layers.insert(own, checkers.layers.begin() + common, checkers.layers.end());
  image.config.environment.push_back("PYTHONPATH=/opt/slipway/python");
  image.keep = std::make_shared<std::pair<std::shared_ptr<void>, std::shared_ptr<void>>>(
      image.keep, checkers.keep);
  return image;
}

// A Dockerfile's image gets them above; it need not hold the tests, so the commit is shown to it.
Step checks_of(ShipContext& context, StageLog& log) {
  Step step;
  if (const auto dockerfile = dockerfile_of(context.spec, context.source)) {
    images::BuildPlan plan;
    plan.base_layout = layout_of(context, *dockerfile, log);
    plan.requirements = kCheckRequirements;
    step.image = images::unpack_locally(build_with(context, plan, log), context.cache);
    step.environment = context.spec.environment;
    step.environment["PYTHONDONTWRITEBYTECODE"] = "1";
    step.working_directory = kChecked;
    step.mounts = {{context.source, kChecked, containers::Access::kReadOnly}};
  } else {
    step.image = with_checkers(context, log);
    step.working_directory = kProgram;
  }
  step.environment["HOME"] = "/tmp";
  step.timeout = std::chrono::seconds(1800);
  return step;
}

}  // namespace

std::string validate_stage(ShipContext& context) {
  if (!context.spec.lint && context.spec.tests.empty()) return "no checks are configured";
  if (context.engine == nullptr)
    throw Error(
        "NoEngine",
        "the checks run in containers, and a CI job cannot start any; run pylint and pytest "
        "as commands of the job");
  StageLog log(context, "validate");
  std::vector<std::string> notes;
  try {
    const Step step = checks_of(context, log);
    if (context.spec.lint) notes.push_back(lint(context, step, log));
    if (!context.spec.tests.empty()) notes.push_back(test(context, step, log));
  } catch (const Error& error) {
    if (error.code() == "StageFailed") throw;
    log.fail(error.message());
  }
  return base::join(notes, ", ");
}

std::string build_stage(ShipContext& context) {
  StageLog log(context, "build");
  const std::string repository = context.spec.repository();
  const Json found = context.services
                         .call_if_exists("ecr", "DescribeRepositories",
                                         {{"repositoryNames", {repository}}}, "does not exist")
                         .value_or(Json::object());
  std::optional<Version> last;
  std::optional<std::string> last_commit;
  if (found.contains("repositories")) {
    context.state.account = base::text_or(found["repositories"][0], "registryId");
    last = latest(context.registry.tags(repository));
    if (last) {
      const Json config = context.registry.image_config(repository, last->image());
      last_commit = base::text_or(
          base::object_or_empty(base::object_or_empty(config, "config"), "Labels"), kRevision);
    }
  } else {
    const Json created =
        context.services.call("ecr", "CreateRepository", {{"repositoryName", repository}});
    context.state.account = base::text_or(created["repository"], "registryId");
  }
  context.state.role = "arn:aws:iam::" + context.state.account + ":role/slipway-execution";
  context.state.image_is_new = !last || last_commit != context.repository.head().id;
  context.state.version = context.state.image_is_new
                              ? next_version(last, context.repository.messages_since(last_commit))
                              : *last;
  context.state.image =
      context.registry_access.host + "/" + repository + ":" + context.state.version.image();
  const auto dockerfile = dockerfile_of(context.spec, context.source);
  if (dockerfile && !context.state.image_is_new) {
    // Its steps may give other files today: the version's image is the one that is there.
    context.state.image_digest =
        context.registry.manifest_digest(repository, context.state.version.image());
    return context.state.version.image() + ", built before";
  }
  images::BuildPlan plan = dockerfile ? common_plan(context, "") : plan_of(context);
  if (dockerfile) plan.base_layout = layout_of(context, *dockerfile, log);
  plan.labels["org.opencontainers.image.version"] = context.state.version.image();
  context.state.built = build_with(context, plan, log);
  context.state.image_digest = context.state.built->digest;
  return context.state.version.image() + ", " + (dockerfile ? "by " + *dockerfile + ", " : "") +
         (context.state.built->dependencies_cached ? "dependencies from the cache, " : "") +
         context.state.image_digest.substr(0, 19);
}

std::string push_stage(ShipContext& context) {
  if (!context.state.image_is_new) {
    context.state.image_digest =
        context.registry.manifest_digest(context.spec.repository(), context.state.version.image());
    return "this commit's image is there already";
  }
  images::push(*context.state.built, context.registry, context.spec.repository(),
               context.state.version.image());
  return context.state.image;
}

}  // namespace slipway::ship
