#include "ship/model_spec.h"

#include <functional>
#include <set>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::ship {
namespace {

// Reads one mapping key by key, so that what is left over can be refused by its line.
class Reader {
 public:
  Reader(const std::string& file, const YAML::Node& node, std::string where)
      : file_(file), node_(node), where_(std::move(where)) {
    if (!node_.IsMap())
      fail(node_, (where_.empty() ? "the file" : "'" + where_ + "'") + " must be a mapping");
  }

  [[noreturn]] void fail(const YAML::Node& at, const std::string& message) const {
    const YAML::Mark mark = at.Mark();
    const int line = mark.line < 0 ? 1 : mark.line + 1;
    throw Error("InvalidSpecification", file_ + ":" + std::to_string(line) + ": " + message);
  }

  YAML::Node take(const std::string& key) {
    taken_.insert(key);
    return node_[key];
  }

  std::string text(const std::string& key, const std::string& otherwise) {
    const YAML::Node value = take(key);
    return value ? scalar(value, key) : otherwise;
  }

  std::string required(const std::string& key, const std::string& example) {
    const YAML::Node value = take(key);
    if (!value) fail(node_, "'" + path(key) + "' is missing; expected for example " + example);
    return scalar(value, key);
  }

  double number(const std::string& key, double otherwise, double least, double most) {
    const YAML::Node value = take(key);
    if (!value) return otherwise;
    const auto parsed = base::parse_number(scalar(value, key));
    if (!parsed || *parsed < least || *parsed > most)
      fail(value,
           "'" + path(key) + "' must be a number from " + shown(least) + " to " + shown(most));
    return *parsed;
  }

  bool truth(const std::string& key, bool otherwise) {
    const YAML::Node value = take(key);
    if (!value) return otherwise;
    const std::string word = scalar(value, key);
    if (word != "true" && word != "false") fail(value, "'" + path(key) + "' must be true or false");
    return word == "true";
  }

  std::map<std::string, std::string> texts(const std::string& key) {
    std::map<std::string, std::string> result;
    const YAML::Node value = take(key);
    if (!value) return result;
    if (!value.IsMap()) fail(value, "'" + path(key) + "' must be a mapping of names to values");
    for (const auto& entry : value)
      result[entry.first.as<std::string>()] =
          scalar(entry.second, key + "." + entry.first.as<std::string>());
    return result;
  }

  std::string scalar(const YAML::Node& value, const std::string& key) const {
    if (!value.IsScalar() || value.Scalar().empty())
      fail(value, "'" + path(key) + "' must be a text or a number");
    return value.Scalar();
  }

  // Refuses what nobody asked for.
  void finish() const {
    for (const auto& entry : node_) {
      const std::string key = entry.first.as<std::string>();
      if (taken_.contains(key)) continue;
      std::string known;
      for (const std::string& name : taken_) known += (known.empty() ? "" : ", ") + name;
      fail(entry.first, "'" + path(key) + "' is not a key that is known here; known are " + known);
    }
  }

  std::string path(const std::string& key) const {
    return where_.empty() ? key : where_ + "." + key;
  }

 private:
  static std::string shown(double number) {
    std::string text = std::to_string(number);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  }

  const std::string& file_;
  const YAML::Node node_;
  const std::string where_;
  std::set<std::string> taken_;
};

constexpr std::size_t kProject = 40;
// MWAA's own call takes paths of 64 characters: "/dags/<name>-deployment/dagRuns" is one.
constexpr std::size_t kName = 39;

bool is_name(const std::string& text, std::size_t most) {
  if (text.empty() || text.size() > most || text.front() == '-' || text.back() == '-') return false;
  for (const char c : text)
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  return true;
}

// Paths name things inside the repository and nothing else.
std::string inside(const Reader& reader, const YAML::Node& at, const std::string& key,
                   const std::string& path) {
  bool leaves = path.starts_with("/");
  for (const std::string& part : base::split(path, '/')) leaves = leaves || part == "..";
  if (leaves) reader.fail(at, "'" + key + "' must be a path inside the repository, not " + path);
  return path;
}

StageResources read_resources(Reader& parent, const std::string& file, const std::string& key) {
  StageResources result;
  const YAML::Node node = parent.take(key);
  if (!node) return result;
  Reader reader(file, node, parent.path(key));
  result.instance = reader.text("instance", result.instance);
  if (!result.instance.starts_with("ml."))
    reader.fail(node,
                "'" + reader.path("instance") + "' must be an instance type such as ml.m5.large");
  result.max_runtime_seconds =
      static_cast<int>(reader.number("max_runtime", result.max_runtime_seconds, 1, 432000));
  result.replicas = static_cast<int>(reader.number("replicas", result.replicas, 1, 16));
  reader.finish();
  return result;
}

void read_sections(Reader& root, const std::string& file, ModelSpec& spec) {
  if (const YAML::Node node = root.take("metrics")) {
    if (!node.IsSequence()) root.fail(node, "'metrics' must be a list of {name, regex}");
    for (const YAML::Node& item : node) {
      Reader reader(file, item, "metrics[]");
      spec.metrics.push_back(
          {reader.required("name", "validation:f1"), reader.required("regex", "'f1=([0-9.]+)'")});
      reader.finish();
    }
  }
  if (const YAML::Node node = root.take("decide")) {
    Reader reader(file, node, "decide");
    spec.decide_metric = reader.required("metric", "f1");
    const std::string direction = reader.text("direction", "maximize");
    if (direction != "maximize" && direction != "minimize")
      reader.fail(node["direction"], "'decide.direction' must be maximize or minimize");
    spec.direction = direction == "maximize" ? Direction::kMaximize : Direction::kMinimize;
    reader.finish();
  }
  if (const YAML::Node node = root.take("checks")) {
    Reader reader(file, node, "checks");
    spec.lint = reader.truth("lint", spec.lint);
    spec.lint_minimum = reader.number("lint_minimum", spec.lint_minimum, 0, 10);
    spec.tests = reader.text("tests", "");
    if (!spec.tests.empty()) inside(reader, node, "checks.tests", spec.tests);
    reader.finish();
  }
  if (const YAML::Node node = root.take("smoke")) {
    Reader reader(file, node, "smoke");
    spec.smoke_request =
        inside(reader, node, "smoke.request", reader.required("request", "tests/smoke.csv"));
    spec.smoke_content_type = reader.text("content_type", spec.smoke_content_type);
    reader.finish();
  }
  if (const YAML::Node node = root.take("resources")) {
    Reader reader(file, node, "resources");
    spec.training = read_resources(reader, file, "training");
    spec.evaluation = read_resources(reader, file, "evaluation");
    spec.endpoint = read_resources(reader, file, "endpoint");
    reader.finish();
  }
}

}  // namespace

ModelSpec parse_model_spec(const std::string& text, const std::string& file) {
  YAML::Node document;
  try {
    document = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error("InvalidSpecification",
                file + ":" + std::to_string(error.mark.line + 1) + ": not YAML: " + error.msg);
  }
  Reader root(file, document, "");
  ModelSpec spec;
  const auto name = [&](const std::string& key, const std::string& example, std::size_t most) {
    const std::string value = root.required(key, example);
    if (!is_name(value, most))
      root.fail(document[key], "'" + key +
                                   "' must be lower-case letters, digits and '-', at most " +
                                   std::to_string(most) + ", not " + value);
    return value;
  };
  const auto entry = [&](const std::string& key) {
    const std::string value = root.required(key, key + ".py");
    return inside(root, document[key], key, value);
  };
  spec.name = name("name", "tumour", kName);
  spec.project = name("project", "health", kProject);
  spec.base = root.text("base", spec.base);
  spec.dockerfile = root.text("dockerfile", "");
  const bool built_elsewhere = !spec.dockerfile.empty() && spec.dockerfile != "false";
  if (built_elsewhere) inside(root, document["dockerfile"], "dockerfile", spec.dockerfile);
  // None where the Dockerfile's image does all three itself.
  if (!built_elsewhere || document["train"] || document["evaluate"] || document["serve"]) {
    spec.train = entry("train");
    spec.evaluate = entry("evaluate");
    spec.serve = entry("serve");
  }
  spec.requirements = root.text("requirements", "");
  if (!spec.requirements.empty())
    inside(root, document["requirements"], "requirements", spec.requirements);
  spec.channels = root.texts("channels");
  for (const auto& [channel, source] : spec.channels)
    if (!source.starts_with("s3://"))
      inside(root, document["channels"][channel], "channels." + channel, source);
  spec.hyperparameters = root.texts("hyperparameters");
  spec.environment = root.texts("environment");
  read_sections(root, file, spec);
  if (spec.decide_metric.empty())
    root.fail(
        document,
        "'decide' is missing; expected for example decide: {metric: f1, direction: maximize}");
  root.finish();
  return spec;
}

}  // namespace slipway::ship
