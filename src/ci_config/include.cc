#include "ci_config/include.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/expression.h"
#include "ci_config/glob.h"
#include "ci_config/templates.h"
#include "ci_config/yaml_reader.h"

namespace slipway::ci_config {
namespace {

constexpr std::string_view kSubkeys[] = {"local",    "project",  "remote",
                                         "template", "artifact", "component"};

[[noreturn]] void fail(const std::string& message) { throw base::Error("InvalidConfig", message); }

[[noreturn]] void fail(const std::string& message, const Node& at, const std::string& file) {
  throw base::Error(
      "InvalidConfig", message, 400,
      at.position.line > 0 ? Json{{"file", file}, {"line", at.position.line}} : Json(nullptr));
}

bool is_url(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool has_yaml_extension(const std::string& location) {
  const std::string name = base::lower(location.substr(location.rfind('/') + 1));
  return (name.size() > 4 && name.ends_with(".yml")) ||
         (name.size() > 5 && name.ends_with(".yaml"));
}

std::string without_leading_slashes(const std::string& path) {
  const std::size_t first = path.find_first_not_of('/');
  return first == std::string::npos ? "" : path.substr(first);
}

void check_location(const Node& location, const std::string& text) {
  if (!location.is_text()) fail("Included file `" + text + "` needs to be a string");
  if (!has_yaml_extension(text)) {
    fail("Included file `" + text + "` does not have YAML extension!");
  }
}

// A string is a URL or a path of the same project.
Node normalised(const Node& entry) {
  if (entry.is_mapping()) return entry;
  if (!entry.is_text()) fail("Each include must be a hash or a string");
  Node mapping = Node::of_mapping(entry.position);
  mapping.set(is_url(entry.text) ? "remote" : "local", entry);
  return mapping;
}

std::string as_json(const Node& entry) {
  std::string text = "{";
  for (const Member& member : entry.members) {
    if (text.size() > 1) text += ',';
    text += base::dump_json(member.key) + ':' + base::dump_json(member.value.text);
  }
  return text + '}';
}

}  // namespace

Includes::Includes(Source& source, const Variables& variables, std::string file, Budget& budget,
                   const IncludeLimits& limits)
    : source_(source),
      variables_(variables),
      budget_(budget),
      limits_(limits),
      deadline_(std::chrono::steady_clock::now() + limits.time),
      files_{std::move(file)} {}

Node Includes::load(const std::string& text) {
  Node document = parse(text, 0);
  expand_includes(document, {&source_, value_of(variables_, "CI_PROJECT_PATH"),
                             value_of(variables_, "CI_COMMIT_SHA")});
  return document;
}

Node Includes::parse(const std::string& text, int file) {
  auto documents = read_yaml(text, file, budget_);
  if (documents.empty()) fail("Invalid configuration format");
  // A header of `spec:` may stand before the configuration.
  const bool has_header = documents.size() > 1 && documents.front().is_mapping() &&
                          documents.front().find("spec") != nullptr;
  if (has_header || (documents.front().is_mapping() && documents.front().find("spec"))) {
    const Node* spec = documents.front().find("spec");
    if (spec->is_mapping() && spec->given("inputs") && !spec->find("inputs")->members.empty()) {
      fail("`spec:inputs` is not supported", *spec, files_[static_cast<std::size_t>(file)]);
    }
    documents.front().erase("spec");
  }
  Node document = std::move(documents[has_header ? 1 : 0]);
  if (!document.is_mapping()) fail("Invalid configuration format");
  return document;
}

void Includes::expand_includes(Node& document, const Place& place) {
  const Node* found = document.find("include");
  if (!found) return;
  const Node include = budget_.copy(*found);
  document.erase("include");
  if (include.is_null()) return;
  std::vector<Node> entries = include.is_sequence() ? include.items : std::vector{include};
  Node merged = Node::of_mapping();
  // A reference or an anchor may put a list into the list.
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Node entry = entries[i];
    if (entry.is_null()) continue;
    if (entry.is_sequence()) {
      entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(i) + 1, entry.items.begin(),
                     entry.items.end());
      continue;
    }
    const Node one = normalised(entry);
    if (wanted(one, place)) include_entry(one, place, merged);
  }
  deep_merge(merged, document, budget_);
  merged.position = document.position;
  document = std::move(merged);
}

bool Includes::wanted(const Node& entry, const Place& place) {
  const Node* rules = entry.given("rules");
  if (!rules) return true;
  const std::string file = files_[static_cast<std::size_t>(entry.position.file)];
  if (!rules->is_sequence()) fail("include rules should be an array of hashes", *rules, file);
  for (const Node& rule : rules->items) {
    if (!rule.is_mapping()) fail("include rules should be an array of hashes", rule, file);
    for (const Member& member : rule.members) {
      if (member.key != "if" && member.key != "exists" && member.key != "changes" &&
          member.key != "when") {
        fail("include:rules:rule config contains unknown keys: " + member.key, rule, file);
      }
    }
    const Node* condition = rule.given("if");
    if (condition && !Expression::is_valid(condition->text)) {
      fail("include:rules:rule if invalid expression syntax", *condition, file);
    }
    const Node* when = rule.given("when");
    if (when && when->text != "never" && when->text != "always") {
      fail("include:rules:rule when unknown value: " + when->text, *when, file);
    }
    if (!conditions_of(place).hold(rule, variables_)) continue;
    const bool in = !when || when->text != "never";
    filtered_ = filtered_ || !in;
    return in;
  }
  filtered_ = true;
  return false;
}

Conditions& Includes::conditions_of(const Place& place) {
  Source* source = place.source ? place.source : &source_;
  auto& conditions = conditions_[source];
  if (!conditions) conditions = std::make_unique<Conditions>(*source);
  return *conditions;
}

void Includes::include_entry(const Node& entry, const Place& place, Node& into) {
  const auto given = std::count_if(std::begin(kSubkeys), std::end(kSubkeys),
                                   [&](std::string_view key) { return entry.given(key); });
  const std::string subkeys = [] {
    std::string text;
    for (const std::string_view key : kSubkeys) {
      text += (text.empty() ? "`" : "`, `") + std::string(key);
    }
    return text + '`';
  }();
  const std::string file = files_[static_cast<std::size_t>(entry.position.file)];
  if (given == 0) {
    fail("`" + as_json(entry) +
             "` does not have a valid subkey for include. Valid subkeys are: " + subkeys,
         entry, file);
  }
  if (given > 1) fail("Each include must use only one of: " + subkeys, entry, file);
  if (entry.given("inputs")) fail("`include:inputs` is not supported", entry, file);
  try {
    if (entry.given("local")) include_local(entry, place, into);
    if (entry.given("project")) include_project(entry, into);
    if (entry.given("remote")) include_remote(entry, place, into);
    if (entry.given("template")) include_template(entry, place, into);
    if (entry.given("artifact")) include_artifact(entry, place, into);
    if (entry.given("component")) fail("`include:component` is not supported");
  } catch (const base::Error& error) {
    // The innermost file that is known is the one to look at.
    if (!error.detail().is_null()) throw;
    fail(error.message(), entry, file);
  }
}

void Includes::include_local(const Node& entry, const Place& place, Node& into) {
  const std::string location = without_leading_slashes(expanded(entry, "local"));
  check_location(*entry.find("local"), location);
  if (!place.source) fail("Local file `" + location + "` does not have project!");
  std::vector<std::string> locations{location};
  if (location.find('*') != std::string::npos) {
    locations = place.source->paths();
    std::erase_if(locations, [&](const std::string& path) {
      return !matches_include_pattern(location, path);
    });
    std::sort(locations.begin(), locations.end());
  }
  for (const std::string& path : locations) {
    count_file();
    const auto text = place.source->local(path);
    if (!text) fail("Local file `" + path + "` does not exist!");
    list_.push_back(listed("local", path, place));
    merge_file(path, text, "Local file `" + path + "`", place, into);
  }
}

void Includes::include_project(const Node& entry, Node& into) {
  const Node* file = entry.given("file");
  if (!file || (file->is_sequence() && file->items.empty())) {
    fail("include config must specify the file where to fetch the config from");
  }
  const std::string project = expanded(entry, "project");
  const std::string ref = entry.given("ref") ? expanded(entry, "ref") : "";
  auto& source = projects_[project + '\n' + ref];
  for (const std::string& name : texts_of(*file)) {
    const std::string location =
        without_leading_slashes(expand(name, variables_, /*keep_unknown=*/false));
    check_location(Node::of_text(location), location);
    count_file();
    if (!source) source = source_.project(project, ref);
    const Place place{source.get(), project, ref.empty() ? "HEAD" : ref};
    const std::string what = "Project `" + project + "` file `" + location + "`";
    const auto text = source->local(location);
    if (!text) fail(what + " does not exist!");
    Json listing = listed("file", location, place);
    listing["extra"] = {{"project", project}, {"ref", place.ref}};
    list_.push_back(std::move(listing));
    merge_file(location, text, what, place, into);
  }
}

void Includes::include_remote(const Node& entry, const Place& place, Node& into) {
  const std::string location = expanded(entry, "remote");
  if (!entry.find("remote")->is_text()) {
    fail("Included file `" + location + "` needs to be a string");
  }
  // The path decides, not the query.
  check_location(*entry.find("remote"), location.substr(0, location.find_first_of("?#")));
  if (!is_url(location)) fail("Remote file `" + location + "` does not have a valid address!");
  count_file();
  const std::string failed = "Remote file `" + location + "` could not be fetched because of ";
  std::optional<std::string> text;
  try {
    text = source_.remote(location);
  } catch (const base::Error& error) {
    if (error.code() == "HttpStatus") fail(failed + "HTTP code `" + error.message() + "` error!");
    const bool late = error.message().find("timed out") != std::string::npos;
    fail(failed + (late ? "a timeout error!" : "a socket error!"));
  }
  if (!text) fail(failed + "HTTP error!");
  Json listing = listed("remote", location, place);
  listing["raw"] = location;
  list_.push_back(std::move(listing));
  merge_file(location, text, "Included file `" + location + "`", {nullptr, "", ""}, into);
}

void Includes::include_template(const Node& entry, const Place& place, Node& into) {
  const std::string location = expanded(entry, "template");
  check_location(*entry.find("template"), location);
  if (!location.ends_with(".gitlab-ci.yml")) {
    fail("Template file `" + location + "` is not a valid location!");
  }
  count_file();
  const auto text = find_template(location);
  if (!text) fail("Included file `" + location + "` is empty or does not exist!");
  list_.push_back(listed("template", location, place));
  merge_file(location, std::string(*text), "Included file `" + location + "`", {nullptr, "", ""},
             into);
}

void Includes::include_artifact(const Node& entry, const Place& place, Node& into) {
  const std::string location = expanded(entry, "artifact");
  check_location(*entry.find("artifact"), location);
  if (!entry.given("job")) {
    fail("include config must specify the job where to fetch the artifact from");
  }
  const std::string job = expanded(entry, "job");
  count_file();
  const auto text = source_.artifact(job, location);
  if (!text) {
    fail("Job `" + job + "` not found in parent pipeline or does not have artifacts!");
  }
  Json listing = listed("artifact", location, place);
  listing["extra"] = {{"job_name", job}};
  list_.push_back(std::move(listing));
  merge_file(location, text, "Artifact file `" + location + "`", place, into);
}

void Includes::merge_file(const std::string& location, const std::optional<std::string>& text,
                          const std::string& what, const Place& place, Node& into) {
  if (base::trim(*text).empty()) fail(what + " is empty!");
  const int file = static_cast<int>(files_.size());
  files_.push_back(place.source && place.source != &source_ ? place.project + ":" + location
                                                            : location);
  Node document;
  try {
    document = parse(*text, file);
  } catch (const base::Error& error) {
    Json detail = error.detail().is_object() ? error.detail() : Json::object();
    detail["file"] = files_.back();
    throw base::Error("InvalidConfig", "`" + location + "`: " + error.message(), 400, detail);
  }
  if (document.members.empty()) {
    fail("Included file `" + location + "` does not have valid YAML syntax!");
  }
  expand_includes(document, place);
  deep_merge(into, document, budget_);
}

void Includes::count_file() {
  if (count_ >= limits_.files) {
    fail("Maximum of " + std::to_string(limits_.files) + " nested includes are allowed!");
  }
  ++count_;
  if (std::chrono::steady_clock::now() > deadline_) {
    fail("Request timed out when fetching configuration files.");
  }
}

Json Includes::listed(const char* type, const std::string& location, const Place& place) const {
  Json result = {{"type", type},
                 {"location", location},
                 {"blob", nullptr},
                 {"raw", nullptr},
                 {"extra", Json::object()}};
  result["context_project"] = place.project.empty() ? Json(nullptr) : Json(place.project);
  result["context_sha"] = place.ref.empty() ? Json(nullptr) : Json(place.ref);
  return result;
}

std::string Includes::expanded(const Node& entry, const char* key) const {
  return expand(entry.find(key)->text, variables_, /*keep_unknown=*/false);
}

}  // namespace slipway::ci_config
