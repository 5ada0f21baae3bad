#include "ci_config/jobs.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/conditions.h"
#include "ci_config/validate.h"

namespace slipway::ci_config {
namespace {

constexpr std::string_view kPre = ".pre";
constexpr std::string_view kPost = ".post";
constexpr std::string_view kInherited[] = {
    "before_script", "image",   "services", "after_script", "cache",
    "interruptible", "timeout", "retry",    "tags",         "artifacts"};
constexpr std::string_view kGlobals[] = {"image", "services", "cache", "before_script",
                                         "after_script"};

bool inherits(const Node& job, std::string_view key) {
  const Node* inherit = job.given("inherit");
  const Node* which = inherit ? inherit->given("default") : nullptr;
  if (!which) return true;
  if (which->is(Kind::kBoolean)) return which->boolean;
  return std::any_of(which->items.begin(), which->items.end(),
                     [key](const Node& item) { return item.text == key; });
}

// The values that jobs inherit, of `default` or of the top. Looked up once: there may be as many
// keys at the top as there are jobs.
std::vector<std::pair<std::string_view, const Node*>> defaults_of(const Node& root) {
  std::vector<std::pair<std::string_view, const Node*>> found;
  const Node* defaults = root.given("default");
  for (const std::string_view key : kInherited) {
    const Node* value = defaults ? defaults->given(key) : nullptr;
    const bool global =
        std::find(std::begin(kGlobals), std::end(kGlobals), key) != std::end(kGlobals);
    if (!value && global) value = root.given(key);
    if (value) found.emplace_back(key, value);
  }
  return found;
}

std::vector<Variables> combinations(const Node& matrix) {
  std::vector<Variables> all;
  for (const Node& entry : matrix.items) {
    std::vector<Variables> some{{}};
    for (const Member& member : entry.members) {
      std::vector<Variables> longer;
      for (const Variables& begun : some) {
        for (const std::string& value : texts_of(member.value)) {
          longer.push_back(begun);
          longer.back().push_back({.key = member.key, .value = value});
        }
      }
      some = std::move(longer);
    }
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::string name_with(const std::string& base, const Variables& matrix) {
  std::vector<std::string> values;
  for (const Variable& variable : matrix) values.push_back(variable.value);
  return base + ": [" + base::join(values, ", ") + "]";
}

std::string text_or_empty(const Node& mapping, std::string_view key) {
  const Node* value = mapping.given(key);
  return value ? value->text : std::string();
}

}  // namespace

std::vector<std::string> stages_of(const Node& root) {
  const Node* given = root.given("stages");
  if (!given) given = root.given("types");
  std::vector<std::string> stages{std::string(kPre)};
  for (const std::string& stage :
       given ? texts_of(*given) : std::vector<std::string>{"build", "test", "deploy"}) {
    const bool known = std::find(stages.begin(), stages.end(), stage) != stages.end();
    if (!known && stage != kPost) stages.push_back(stage);
  }
  stages.emplace_back(kPost);
  return stages;
}

Variables variables_of(const Node& mapping) {
  Variables variables;
  for (const Member& member : mapping.members) {
    Variable variable{.key = member.key, .value = member.value.text};
    if (member.value.is_mapping()) {
      variable.value = text_or_empty(member.value, "value");
      const Node* expands = member.value.given("expand");
      variable.raw = expands && !expands->boolean;
    }
    variables.push_back(std::move(variable));
  }
  return variables;
}

Jobs::Jobs(const Node& root, Budget& budget) : stages_(stages_of(root)) {
  const auto defaults = defaults_of(root);
  for (const Member& member : root.members) {
    if (is_setting(member.key)) continue;
    const JobKind kind = kind_of_job(member.key, member.value);
    if (kind != JobKind::kScript && kind != JobKind::kTrigger) continue;
    Node config = budget.copy(member.value);
    // Key by key, nothing is merged: a job that has a key has all of it.
    for (const auto& [key, value] : defaults) {
      if (kind != JobKind::kScript || config.given(key) || !inherits(config, key)) continue;
      config.set(key, budget.copy(*value));
    }
    add(member.key, std::move(config), kind == JobKind::kTrigger);
  }
}

void Jobs::add(const std::string& name, Node config, bool is_trigger) {
  Job job{.name = name, .base_name = name, .is_trigger = is_trigger};
  job.stage = config.given("stage") ? text_or_empty(config, "stage") : "test";
  job.config = std::make_shared<const Node>(std::move(config));
  std::vector<Job> made;
  const Node* parallel = job.config->given("parallel");
  if (!parallel) {
    made.push_back(std::move(job));
  } else if (parallel->is(Kind::kInteger)) {
    for (int i = 1; i <= parallel->integer; ++i) {
      Job& one = made.emplace_back(job);
      one.name += ' ' + std::to_string(i) + '/' + std::to_string(parallel->integer);
    }
  } else {
    for (Variables& matrix : combinations(*parallel->find("matrix"))) {
      Job& one = made.emplace_back(job);
      one.name = name_with(name, matrix);
      one.matrix = std::move(matrix);
    }
  }
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (parallel) {
      made[i].node_index = static_cast<int>(i) + 1;
      made[i].node_total = static_cast<int>(made.size());
      parallel_[name].push_back(made[i].name);
    }
    if (jobs_.size() >= kMost) {
      throw base::Error("InvalidConfig",
                        "The number of jobs has exceeded the limit of " + std::to_string(kMost) +
                            ". Try splitting the configuration with parent-child-pipelines");
    }
    places_.emplace(made[i].name, jobs_.size());
    jobs_.push_back(std::move(made[i]));
  }
}

const Job* Jobs::find(const std::string& name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : &jobs_[place->second];
}

std::optional<std::size_t> Jobs::stage_index(const std::string& stage) const {
  const auto found = std::find(stages_.begin(), stages_.end(), stage);
  if (found == stages_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - stages_.begin());
}

std::vector<std::string> Jobs::names_of(const std::string& name) const {
  const auto found = parallel_.find(name);
  return found == parallel_.end() ? std::vector<std::string>{name} : found->second;
}

std::vector<Need> Jobs::needs_of(const Node& needs) const {
  std::vector<Need> result;
  if (needs.is_sequence()) {
    for (const Node& item : needs.items) {
      auto some = needs_of(item);
      result.insert(result.end(), some.begin(), some.end());
    }
    return result;
  }
  Need need;
  if (needs.is_text()) {
    need.job = needs.text;
  } else {
    need.job = text_or_empty(needs, "job");
    need.project = text_or_empty(needs, "project");
    need.ref = text_or_empty(needs, "ref");
    need.pipeline = text_or_empty(needs, "pipeline");
    if (const Node* artifacts = needs.given("artifacts")) need.artifacts = artifacts->boolean;
    if (const Node* optional = needs.given("optional")) need.optional = optional->boolean;
  }
  if (!need.project.empty() || !need.pipeline.empty()) return {need};
  std::vector<std::string> names = names_of(need.job);
  if (const Node* parallel = needs.given("parallel"); parallel && parallel->is_mapping()) {
    names.clear();
    for (const Variables& matrix : combinations(*parallel->find("matrix"))) {
      names.push_back(name_with(need.job, matrix));
    }
  }
  for (std::string& name : names) {
    need.job = std::move(name);
    result.push_back(need);
  }
  return result;
}

}  // namespace slipway::ci_config
