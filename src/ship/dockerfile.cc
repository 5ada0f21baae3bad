#include "ship/dockerfile.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/strings.h"
#include "images/dependencies.h"
#include "ship/command_lines.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"Dockerfile", "Containerfile"};
constexpr std::chrono::minutes kBuild{60};
constexpr std::size_t kLinesOfAFailure = 6;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidSpecification", "slipway.yaml: " + message);
}

[[noreturn]] void fail(const std::string& message) { throw Error("BuildError", message); }

// The last lines of what a command says.
class Tail {
 public:
  void add(std::string_view line) {
    if (base::trim(line).empty()) return;
    lines_.emplace_back(line.substr(0, 500));
    if (lines_.size() > kLinesOfAFailure) lines_.pop_front();
  }
  std::string text() const {
    std::string text;
    for (const std::string& line : lines_) text += "\n  " + line;
    return text;
  }

 private:
  std::deque<std::string> lines_;
};

// Names without a host are looked for on this server first: a Dockerfile needs no address in it,
// and builds offline where its base has been pushed here.
std::string registries_text(const RegistryAccess& registry) {
  return "unqualified-search-registries = [\"" + registry.host +
         "\", \"docker.io\"]\nshort-name-mode = \"disabled\"\n\n[[registry]]\nlocation = \"" +
         registry.host + "\"\ninsecure = " + (registry.plain ? "true" : "false") + "\n";
}

// The files that buildah reads, below `directory`.
struct Settings {
  fs::path registries, drop_ins, aliases, policy, login;
};

Settings write_settings(const fs::path& directory, const RegistryAccess& registry) {
  Settings settings{directory / "registries.conf", directory / "registries.conf.d",
                    directory / "aliases.conf", directory / "policy.json", directory / "auth.json"};
  fs::create_directories(settings.drop_ins);
  const auto write = [](const fs::path& path, const std::string& text) {
    // Readable by this user alone.
    store::write_atomically(store::system_disk(), path, text);
  };
  write(settings.registries, registries_text(registry));
  write(settings.policy, R"({"default":[{"type":"insecureAcceptAnything"}]})");
  Json logins = Json::object();
  if (!registry.user.empty())
    logins[registry.host] = {{"auth", base::base64(registry.user + ":" + registry.password)}};
  write(settings.login, base::dump_json({{"auths", logins}}));
  return settings;
}

class Buildah {
 public:
  Buildah(std::vector<std::string> program, const Settings& settings,
          const fs::path& runtime_directory, const std::function<void(std::string_view)>& on_line)
      : program_(std::move(program)),
        settings_(settings),
        runtime_directory_(runtime_directory),
        on_line_(on_line) {}

  base::CommandResult run(const std::vector<std::string>& arguments, Tail& tail) const {
    base::Command command;
    command.arguments = program_;
    for (const fs::path& word :
         {fs::path("--registries-conf"), settings_.registries, fs::path("--registries-conf-dir"),
          settings_.drop_ins, fs::path("--short-name-alias-conf"), settings_.aliases})
      command.arguments.push_back(word);
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment["XDG_RUNTIME_DIR"] = runtime_directory_;
    command.timeout = kBuild;
    return run_by_lines(std::move(command), [&](std::string_view line) {
      tail.add(line);
      on_line_(line);
    });
  }

 private:
  const std::vector<std::string> program_;
  const Settings& settings_;
  const fs::path runtime_directory_;
  const std::function<void(std::string_view)>& on_line_;
};

// The variables of installations that the Dockerfile asks for, by name: buildah takes their values
// from its environment, so none is on a command line.
std::vector<std::string> build_arguments(const std::string& dockerfile) {
  std::vector<std::string> offered;
  for (const auto& [name, value] : images::installation_variables(images::process_environment()))
    offered.push_back(name);
  std::vector<std::string> words;
  for (const std::string& name : declared_arguments(dockerfile, offered))
    words.insert(words.end(), {"--build-arg", name});
  return words;
}

void expect(const base::CommandResult& result, const std::string& what, const Tail& tail) {
  if (result.timed_out)
    fail("buildah was not done with " + what + " after an hour; its last lines:" + tail.text());
  if (result.exit_code != 0)
    fail("buildah could not build " + what + " (exit status " + std::to_string(result.exit_code) +
         "); its last lines:" + tail.text());
}

}  // namespace

std::optional<std::string> dockerfile_of(const ModelSpec& spec, const fs::path& source) {
  if (spec.dockerfile == "false") return std::nullopt;
  std::string found = spec.dockerfile;
  if (!found.empty() && !fs::is_regular_file(source / found))
    refuse("'dockerfile' names " + found + ", which is not in the commit");
  for (const char* name : kNames)
    if (found.empty() && fs::is_regular_file(source / name)) found = name;
  if (found.empty()) return std::nullopt;
  const std::string way_out = "; remove it, or say 'dockerfile: false' to build without " + found;
  if (spec.base != "host") refuse("'base' is what " + found + " says after FROM" + way_out);
  if (!spec.requirements.empty())
    refuse("'requirements' are installed by " + found + " itself" + way_out);
  return found;
}

std::vector<std::string> declared_arguments(std::string_view dockerfile,
                                            const std::vector<std::string>& offered) {
  std::vector<std::string> declared;
  for (const std::string& raw : base::split(dockerfile, '\n')) {
    const std::string_view line = base::trim(raw);
    if (base::lower(line.substr(0, 4)) != "arg ") continue;
    const std::string_view argument = base::trim(line.substr(4));
    const std::string name(argument.substr(0, argument.find_first_of("= \t")));
    if (std::find(offered.begin(), offered.end(), name) == offered.end()) continue;
    if (std::find(declared.begin(), declared.end(), name) == declared.end())
      declared.push_back(name);
  }
  return declared;
}

BuildahFacts buildah_facts() {
  BuildahFacts facts;
  facts.root = ::geteuid() == 0;
  std::ifstream file("/proc/self/setgroups");
  std::string word;
  facts.may_set_groups = !(file >> word) || word == "allow";
  for (const char* name : {"runc", "crun"})
    if (const auto path = base::find_program(name); path && facts.runtime.empty())
      facts.runtime = *path;
  return facts;
}

BuildahWords buildah_words(const BuildahFacts& facts, const DockerfileBuild& build) {
  BuildahWords words;
  const bool whole_root = facts.root && facts.may_set_groups;
  // In a namespace of one user buildah would ask for one with groups, which is refused. Given one
  // that it need not make, it goes on.
  if (facts.root && !facts.may_set_groups)
    words.program = {"unshare", "--user", "--map-root-user", "--mount"};
  words.program.insert(words.program.end(),
                       {"buildah", "--root", build.storage / "root", "--runroot",
                        build.storage / "run", "--storage-driver", "vfs"});
  if (whole_root) {
    words.isolation = {"--isolation", "chroot"};
    return words;
  }
  if (facts.runtime.empty())
    fail("the steps of a Dockerfile need an OCI runtime here: apt-get install runc");
  // With one user there is nobody to give files to.
  words.program.insert(words.program.end(), {"--storage-opt", "vfs.ignore_chown_errors=true"});
  words.isolation = {"--isolation", "rootless", "--runtime", facts.runtime};
  // A container may not mount a /proc of its own where parts of the outer one are masked.
  if (facts.root) words.isolation.insert(words.isolation.end(), {"--pid", "host"});
  return words;
}

fs::path build_dockerfile(const DockerfileBuild& build, const RegistryAccess& registry,
                          const std::function<void(std::string_view)>& on_line) {
  if (!base::find_program("buildah"))
    fail(build.dockerfile +
         " is built with buildah, which is not installed here: apt-get install buildah (for CI "
         "jobs on the server's machine or in the job's image), or say 'dockerfile: false' in "
         "slipway.yaml to build without it");
  const fs::path place = build.scratch / ("buildah-" + base::random_hex(8));
  fs::create_directories(place);
  ::chmod(place.c_str(), 0700);
  const Settings settings = write_settings(place, registry);
  const BuildahWords how = buildah_words(buildah_facts(), build);
  const Buildah buildah(how.program, settings, place, on_line);
  const std::string file = build.source / build.dockerfile;
  std::vector<std::string> words{"build", "--signature-policy", settings.policy, "--authfile",
                                 settings.login, "--network", "host", "--layers", "--format", "oci",
                                 // The same commit gives the same image where its steps do.
                                 "--timestamp", "0", "--iidfile", place / "id", "--tag",
                                 "localhost/" + build.name, "--file", file};
  words.insert(words.end(), how.isolation.begin(), how.isolation.end());
  const std::vector<std::string> arguments = build_arguments(store::read_file(file, 1u << 20));
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(build.source);
  Tail tail;
  expect(buildah.run(words, tail), build.dockerfile, tail);
  const std::string id(base::trim(store::read_file(place / "id", 256)));
  const fs::path layout = place / "layout";
  Tail copying;
  expect(buildah.run({"push", "--signature-policy", settings.policy, id,
                      "oci:" + layout.string() + ":image"},
                     copying),
         build.dockerfile, copying);
  // Keeps what the tag needs, this build's layers among it. That it fails is no reason to.
  Tail ignored;
  buildah.run({"rmi", "--prune"}, ignored);
  return layout;
}

}  // namespace slipway::ship
