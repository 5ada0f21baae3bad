#include "images/dependencies.h"

#include <array>
#include <cstdlib>
#include <deque>

#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/strings.h"
#include "images/layer_writer.h"
#include "images/unpack.h"

namespace slipway::images {
namespace {

constexpr const char* kBuild = "/opt/slipway/build";  // the step's own directory
constexpr const char* kPipCache = "/opt/slipway/pip-cache";
constexpr int kFormat = 1;  // grows when the layer's making changes, so that old ones are not used

constexpr const char* kProbe =
    "import sys, sysconfig, platform\n"
    "print('slipway-python', sys.implementation.cache_tag, sysconfig.get_platform(), "
    "*platform.libc_ver())\n"
    "try:\n"
    "    import pip\n"
    "    print('slipway-pip', pip.__version__)\n"
    "except ImportError:\n"
    "    pass\n";

[[noreturn]] void fail(const std::string& message) { throw Error("BuildError", message); }

struct Python {
  std::string tag;  // implementation, platform and C library
  bool has_pip = false;
};

// A directory that goes with the object.
class Workplace {
 public:
  explicit Workplace(const std::filesystem::path& cache)
      : path_(cache / "building" / base::random_hex(16)) {
    std::filesystem::create_directories(path_ / "python");
    std::filesystem::create_directories(path_ / "build" / "tmp");
  }
  ~Workplace() {
    try {
      remove_tree(path_);
    } catch (const std::exception&) {
      // Left behind; it is in no one's way.
    }
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  std::filesystem::path python() const { return path_ / "python"; }
  std::filesystem::path build() const { return path_ / "build"; }

 private:
  const std::filesystem::path path_;
};

std::map<std::string, std::string> step_environment(const UnpackedImage& base) {
  std::map<std::string, std::string> environment{
      {"HOME", "/tmp"}, {"LANG", "C.UTF-8"}, {"PYTHONDONTWRITEBYTECODE", "1"}};
  if (base.host_base) environment["PATH"] = kDefaultPath;
  return environment;
}

Python probe(const UnpackedImage& base, StepRunner& steps) {
  Python python;
  std::string last;
  const int code = steps.run(base, {"python3", "-c", kProbe}, step_environment(base), {},
                             [&](std::string_view line) {
                               if (line.starts_with("slipway-python ")) python.tag = line;
                               if (line.starts_with("slipway-pip ")) python.has_pip = true;
                               last = line;
                             });
  if (!python.tag.empty()) return python;
  fail(std::string("requirements.txt needs Python, but ") +
       (base.host_base ? "this machine has no python3 that containers can run; install the "
                         "package python3"
                       : "the base image has no python3; choose a base with Python") +
       " (exit code " + std::to_string(code) + (last.empty() ? "" : ": " + last) + ").");
}

bool names_a_file(std::string_view variable) {
  constexpr std::array kFiles{"PIP_CERT",       "PIP_CLIENT_CERT", "PIP_CONFIG_FILE",
                              "PIP_CONSTRAINT", "SSL_CERT_FILE",   "REQUESTS_CA_BUNDLE",
                              "CURL_CA_BUNDLE"};
  return std::find(kFiles.begin(), kFiles.end(), variable) != kFiles.end();
}

// pip's own places for its configuration, where no variable names one.
std::string pip_configuration(const std::map<std::string, std::string>& process) {
  std::vector<std::filesystem::path> places;
  const auto home = process.find("HOME");
  const auto config = process.find("XDG_CONFIG_HOME");
  if (config != process.end()) places.emplace_back(config->second + "/pip/pip.conf");
  if (home != process.end()) {
    places.emplace_back(home->second + "/.config/pip/pip.conf");
    places.emplace_back(home->second + "/.pip/pip.conf");
  }
  places.emplace_back("/etc/pip.conf");
  for (const auto& place : places) {
    if (std::filesystem::is_regular_file(place)) return place;
  }
  return "";
}

// Copies the files that variables name to where the step finds them.
void bring_files(std::map<std::string, std::string>& variables,
                 const std::filesystem::path& build) {
  for (auto& [name, value] : variables) {
    if (!names_a_file(name) || !std::filesystem::is_regular_file(value)) continue;
    std::filesystem::copy_file(value, build / name,
                               std::filesystem::copy_options::overwrite_existing);
    value = std::string(kBuild) + "/" + name;
  }
}

void install(const DependencyRequest& request, const Workplace& place,
             const std::filesystem::path& cache, StepRunner& steps,
             const std::function<void(std::string_view)>& progress) {
  std::map<std::string, std::string> variables = installation_variables(request.environment);
  if (!variables.contains("PIP_CONFIG_FILE")) {
    const std::string found = pip_configuration(request.environment);
    if (!found.empty()) variables["PIP_CONFIG_FILE"] = found;
  }
  bring_files(variables, place.build());
  for (const auto& [name, value] : step_environment(request.base)) variables[name] = value;
  variables["TMPDIR"] = std::string(kBuild) + "/tmp";
  variables["PIP_CACHE_DIR"] = kPipCache;
  variables["PIP_ROOT_USER_ACTION"] = "ignore";  // as a variable, for an older pip lacks it
  // Would install into another place than the one that becomes the layer.
  for (const char* name : {"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT"}) {
    variables.erase(name);
  }
  const std::filesystem::path pip_cache = cache / "pip";
  std::filesystem::create_directories(pip_cache);
  store::write_atomically(store::system_disk(), place.build() / "requirements.txt",
                          request.requirements);
  std::deque<std::string> errors;
  const int code = steps.run(
      request.base,
      {"python3", "-m", "pip", "install", "--no-compile", "--no-input",
       "--disable-pip-version-check", "--no-warn-script-location", "--target", kPackages,
       "--requirement", std::string(kBuild) + "/requirements.txt"},
      variables, {{place.python(), kPackages}, {place.build(), kBuild}, {pip_cache, kPipCache}},
      [&](std::string_view line) {
        if (line.starts_with("ERROR:")) errors.emplace_back(base::trim(line.substr(6)));
        if (errors.size() > 3) errors.pop_front();
        progress(line);
      });
  if (code == 0) return;
  const std::string why = errors.empty() ? "exit code " + std::to_string(code)
                                         : base::join({errors.begin(), errors.end()}, " ");
  fail("pip could not install requirements.txt: " + why);
}

std::optional<BuiltLayer> cached_layer(const std::filesystem::path& note,
                                       const std::filesystem::path& blobs) {
  if (!std::filesystem::exists(note)) return std::nullopt;
  const auto json = base::try_parse_json(store::read_file(note, 1u << 16));
  if (!json) return std::nullopt;
  BuiltLayer layer;
  layer.digest = base::text_or(*json, "digest");
  layer.diff_id = base::text_or(*json, "diff_id");
  layer.size = static_cast<std::uint64_t>(base::integer_or(*json, "size", 0));
  layer.media_type = base::text_or(*json, "media_type");
  if (layer.digest.size() != 71) return std::nullopt;
  layer.path = blobs / layer.digest.substr(7);
  std::error_code absent;
  if (std::filesystem::file_size(layer.path, absent) != layer.size || absent) return std::nullopt;
  return layer;
}

}  // namespace

std::string normalize_requirements(std::string_view text) {
  std::string result;
  for (const std::string& raw : base::split(text, '\n')) {
    std::string_view line = base::trim(raw);
    if (line.starts_with('#')) continue;
    // pip's rule: a comment needs a blank before it, for URLs have "#" too.
    const std::size_t comment = line.find(" #");
    if (comment != std::string_view::npos) line = base::trim(line.substr(0, comment));
    if (!line.empty()) result += std::string(line) + "\n";
  }
  return result;
}

std::map<std::string, std::string> installation_variables(
    const std::map<std::string, std::string>& process) {
  constexpr std::array kNames{"http_proxy",     "https_proxy",   "no_proxy",
                              "all_proxy",      "ssl_cert_file", "requests_ca_bundle",
                              "curl_ca_bundle", "ssl_cert_dir",  "source_date_epoch"};
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : process) {
    const std::string lower = base::lower(name);
    const bool named = std::find(kNames.begin(), kNames.end(), lower) != kNames.end();
    if (named || name.starts_with("PIP_")) result[name] = value;
  }
  return result;
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> result;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view line = *at;
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos) {
      result[std::string(line.substr(0, equals))] = line.substr(equals + 1);
    }
  }
  return result;
}

DependencyLayer dependency_layer(store::Disk& disk, const DependencyRequest& request,
                                 const std::filesystem::path& cache, StepRunner& steps,
                                 const std::function<void(std::string_view)>& progress) {
  const Python python = probe(request.base, steps);
  const Json identity{{"format", kFormat},           {"requirements", request.requirements},
                      {"base", request.base.digest}, {"python", python.tag},
                      {"time", request.time},        {"path", kPackages}};
  const std::filesystem::path note =
      cache / "layers" / (base::sha256_hex(base::dump_json(identity)) + ".json");
  const std::filesystem::path blobs = cache / "blobs";
  if (auto layer = cached_layer(note, blobs)) {
    progress("python packages: from the cache");
    return {std::move(*layer), true};
  }
  if (!python.has_pip) {
    fail(request.base.host_base
             ? "This machine's python3 has no pip; install the package python3-pip."
             : "The base image's python3 has no pip; choose a base with pip.");
  }
  progress("python packages: installing");
  const Workplace place(cache);
  install(request, place, cache, steps, progress);
  BuiltLayer layer =
      write_layer(disk, {place.python(), kPackages, nullptr}, {}, request.time, blobs);
  std::filesystem::create_directories(note.parent_path());
  store::write_atomically(disk, note,
                          base::dump_json_pretty(Json{{"digest", layer.digest},
                                                      {"diff_id", layer.diff_id},
                                                      {"size", layer.size},
                                                      {"media_type", layer.media_type},
                                                      {"identity", identity}}));
  return {std::move(layer), false};
}

}  // namespace slipway::images
