// The keywords that say when a job runs and what it hangs on.

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "ci_config/ci_config.h"
#include "ci_config/expression.h"
#include "ci_config/keywords.h"
#include "ci_config/regex.h"

namespace slipway::ci_config {
namespace {

constexpr int kNestedLevels = 10;
constexpr std::size_t kMostGlobs = 50;
constexpr std::size_t kMostChildIncludes = 3;

const Words kDefaultKeys = {"after_script", "artifacts", "before_script", "cache", "hooks",
                            "id_tokens",    "image",     "interruptible", "retry", "services",
                            "tags",         "timeout",   "identity"};

void check_globs(Entry& entry, std::string_view attribute, const Node& globs) {
  const std::string prefix(attribute);
  if (!is_text_list(globs)) {
    entry.fail(prefix + " should be an array of strings", globs);
  } else if (globs.items.size() > kMostGlobs) {
    entry.fail(prefix + " has too many entries (maximum " + std::to_string(kMostGlobs) + ")",
               globs);
  }
}

void check_changes(Entry entry) {
  const Node& node = entry.node();
  if (node.is_sequence()) return check_globs(entry, "config", node);
  if (!node.is_mapping()) {
    return entry.fail_as_is(entry.location() + " should be an array or a hash");
  }
  entry.want_keys({"paths", "compare_to"});
  entry.require({"paths"});
  if (const Node* paths = node.given("paths")) check_globs(entry, "paths", *paths);
  entry.text("compare_to");
}

void check_exists(Entry entry) {
  const Node& node = entry.node();
  if (node.is_text()) return;
  if (node.is_sequence()) return check_globs(entry, "config", node);
  if (!node.is_mapping()) {
    return entry.fail_as_is(entry.location() +
                            " should be a string, an array of strings, or a hash");
  }
  entry.want_keys({"paths", "project", "ref"});
  entry.require({"paths"});
  if (node.given("ref")) entry.require({"project"});
  if (const Node* paths = node.given("paths")) check_globs(entry, "paths", *paths);
  entry.text("project");
  entry.text("ref");
}

void check_rule(Entry entry, RulesOf whose) {
  const Node& node = entry.node();
  if (is_blank(&node)) entry.fail("config can't be blank");
  if (!node.is_mapping()) return entry.fail("config should be a hash");
  const Node* when = node.given("when");
  const bool delayed = when && when->text == "delayed";
  if (!delayed && node.find("start_in")) entry.fail("config contains disallowed keys: start_in");
  if (delayed && is_blank(node.find("start_in"))) entry.fail("start in can't be blank");
  if (delayed) entry.duration("start_in", "1 week");
  if (const Node* condition = node.given("if")) {
    if (!condition->is_text() || !Expression::is_valid(condition->text)) {
      entry.fail("if invalid expression syntax", *condition);
    }
  }
  entry.boolean("allow_failure");
  entry.boolean("interruptible");
  if (whose == RulesOf::kJob) {
    entry.want_keys({"if", "changes", "exists", "when", "start_in", "allow_failure", "variables",
                     "needs", "interruptible"});
  } else {
    entry.want_keys({"if", "changes", "exists", "when", "start_in", "allow_failure", "variables",
                     "needs", "auto_cancel"});
  }
  if (when && whose == RulesOf::kJob) {
    entry.one_of("when", {"on_success", "on_failure", "always", "never", "manual", "delayed"},
                 "unknown value: " + when->text);
  } else if (when) {
    entry.one_of("when", {"always", "never"}, "unknown value: " + when->text);
  }
  if (!entry.ok()) return;
  if (node.given("changes")) check_changes(entry.child("changes"));
  if (node.given("exists")) check_exists(entry.child("exists"));
  if (node.given("variables")) check_variables(entry.child("variables"), VariablesOf::kJob);
  if (node.given("needs")) check_needs(entry.child("needs"), NeedsOf::kRule);
  if (node.given("auto_cancel")) check_auto_cancel(entry.child("auto_cancel"));
}

void check_rule_list(const Entry& entry, const Node& list, RulesOf whose) {
  for (const Node& item : list.items) {
    if (item.is_sequence()) {
      check_rule_list(entry, item, whose);
    } else {
      check_rule(entry.child("rule", item), whose);
    }
  }
}

void check_job_need(Entry& entry) {
  entry.want_keys({"job", "artifacts", "optional", "parallel"});
  entry.filled_text("job");
  entry.boolean("artifacts");
  entry.boolean("optional");
  if (entry.ok() && entry.node().given("parallel")) check_parallel(entry.child("parallel"));
}

void check_need(Entry entry, NeedsOf whose) {
  const Node& need = entry.node();
  if (need.is_text()) {
    if (is_blank(&need)) entry.fail("config can't be blank");
    return;
  }
  if (!need.is_mapping()) return entry.fail_as_is(entry.location() + " has an unsupported type");
  const bool project = need.find("project") != nullptr;
  const bool pipeline = need.find("pipeline") != nullptr;
  if (project) {
    entry.want_keys({"project", "ref", "job", "artifacts"});
    for (const char* key : {"project", "ref", "job"}) entry.filled_text(key);
    entry.boolean("artifacts");
  } else if (pipeline && need.find("job")) {
    entry.want_keys({"pipeline", "job", "artifacts"});
    entry.filled_text("pipeline");
    entry.filled_text("job");
    entry.boolean("artifacts");
  } else if (pipeline) {
    return entry.fail_as_is(entry.location() + " needs:pipeline without a job is not supported");
  } else if (need.find("job")) {
    return check_job_need(entry);
  } else {
    return entry.fail_as_is(entry.location() + " has an unsupported type");
  }
  if (entry.ok() && whose != NeedsOf::kJob) {
    const std::string& location = entry.location();
    const std::string needs = location.substr(0, location.rfind(':'));
    entry.fail_as_is(base::lower(needs + " config uses invalid types: cross_dependency"));
  }
}

bool is_refs_item(const Node& item) {
  if (!item.is_text()) return false;
  const std::string pattern = item.text.substr(0, item.text.rfind('@'));
  if (!Regex::looks_like(item.text)) return !Regex::looks_like(pattern) || Regex::parse(pattern);
  return Regex::parse(item.text).has_value();
}

void check_refs(Entry& entry, std::string_view attribute, const Node& refs) {
  const bool valid =
      refs.is_sequence() && std::all_of(refs.items.begin(), refs.items.end(), is_refs_item);
  if (!valid) {
    entry.fail(std::string(attribute) +
                   " should be an array of strings or regular expressions using re2 syntax",
               refs);
  }
}

bool is_nested_mappings(const Node& node, int levels) {
  if (!node.is_sequence()) return false;
  return std::all_of(node.items.begin(), node.items.end(), [levels](const Node& item) {
    return item.is_mapping() || (levels > 0 && is_nested_mappings(item, levels - 1));
  });
}

void check_child_include(Entry entry) {
  const Node& include = entry.node();
  const auto check_one = [](Entry one) {
    const Node& node = one.node();
    if (node.is_text()) return;
    if (!node.is_mapping()) return one.fail("config should be a hash or a string");
    one.want_keys({"local", "file", "remote", "project", "ref", "integrity", "template", "artifact",
                   "inputs", "job", "rules", "component"});
    if (node.given("project") && is_blank(node.find("file"))) {
      one.fail("config must specify the file where to fetch the config from");
    }
    if (node.given("artifact") && is_blank(node.find("job"))) {
      one.fail("config must specify the job where to fetch the artifact from");
    }
  };
  if (!include.is_sequence()) return check_one(entry);
  if (include.items.size() > kMostChildIncludes) {
    entry.fail("config is too long (maximum is " + std::to_string(kMostChildIncludes) + ")");
    return;
  }
  for (const Node& item : include.items) check_one(entry.child("include", item));
}

}  // namespace

void check_rules(Entry entry, RulesOf whose) {
  if (is_blank(&entry.node())) return entry.fail("config can't be blank");
  if (!is_nested_mappings(entry.node(), kNestedLevels)) {
    const std::string& location = entry.location();
    return entry.fail_as_is(
        whose == RulesOf::kJob
            ? base::lower(location.substr(0, location.rfind(':'))) +
                  " rules should be an array containing hashes and arrays of hashes"
            : base::lower(location) + " config should be an array");
  }
  check_rule_list(entry, entry.node(), whose);
}

void check_policy(Entry entry) {
  const Node& node = entry.node();
  if (node.is_sequence()) return check_refs(entry, "config", node);
  if (!node.is_mapping()) {
    return entry.fail_as_is(entry.location() +
                            " has to be either an array of conditions or a hash");
  }
  if (node.members.empty()) entry.fail("config can't be blank");
  entry.want_keys({"refs", "kubernetes", "variables", "changes"});
  if (const Node* refs = node.given("refs")) check_refs(entry, "refs", *refs);
  const Node* kubernetes = node.given("kubernetes");
  if (kubernetes) entry.one_of("kubernetes", {"active"}, "unknown value: " + kubernetes->text);
  entry.texts("variables");
  entry.texts("changes");
  const Node* variables = node.given("variables");
  if (!variables || !variables->is_sequence()) return;
  for (const Node& item : variables->items) {
    if (!Expression::is_valid(item.text)) entry.fail("variables invalid expression syntax", item);
  }
}

void check_needs(Entry entry, NeedsOf whose) {
  const Node& node = entry.node();
  if (node.is_mapping()) return check_need(entry.child("need", node), whose);
  if (!node.is_sequence()) return entry.fail("config can only be a hash or an array");
  std::vector<const Node*> open{&node};
  while (!open.empty()) {  // a reference may have put a list into the list
    const Node* list = open.back();
    open.pop_back();
    for (const Node& item : list->items) {
      if (item.is_sequence()) {
        open.push_back(&item);
      } else {
        check_need(entry.child("need", item), whose);
      }
    }
  }
}

void check_variables(Entry entry, VariablesOf whose) {
  if (!entry.want_mapping()) return;
  for (const Member& member : entry.node().members) {
    Entry variable = entry.child(member.key, member.value);
    if (member.key_kind != Kind::kText && member.key_kind != Kind::kInteger) {
      variable.fail("key must be an alphanumeric string");
    }
    const Node& value = member.value;
    if (value.is(Kind::kBoolean) || value.is(Kind::kFloat)) {
      entry.problems().warnings.push_back(base::lower(variable.location()) + " is " + value.text +
                                          ", which GitLab may refuse: put it in quotes");
    }
    if (value.is_scalar()) continue;
    if (!value.is_mapping()) {
      variable.fail_as_is("variable definition must be either a string or a hash");
      continue;
    }
    std::vector<std::string> extra;
    for (const Member& data : value.members) {
      const bool allowed =
          data.key == "value" || data.key == "expand" ||
          (whose == VariablesOf::kRoot && (data.key == "description" || data.key == "options"));
      if (!allowed) extra.push_back(data.key);
    }
    for (const char* key : {"value", "description"}) {
      const Node* data = value.given(key);
      if (data && !data->is_scalar()) {
        variable.fail("config " + std::string(key) + " must be an alphanumeric string", *data);
      }
    }
    const Node* expands = value.given("expand");
    if (expands && !expands->is(Kind::kBoolean)) {
      variable.fail("config expand should be a boolean value", *expands);
    }
    const Node* options = value.given("options");
    if (options && !is_text_list(*options)) {
      variable.fail("config options should be an array of strings", *options);
    }
    if (!extra.empty()) variable.fail("config uses invalid data keys: " + base::join(extra, ", "));
    if (options && is_text_list(*options) && !options->items.empty()) {
      const Node* chosen = value.given("value");
      const bool found =
          chosen && std::any_of(options->items.begin(), options->items.end(),
                                [&](const Node& one) { return one.text == chosen->text; });
      if (!found) variable.fail("config value must be present in options");
    }
  }
}

void check_environment(Entry entry) {
  const Node& node = entry.node();
  const bool mapping = node.is_mapping();
  if (!mapping && !node.is_text()) entry.fail("config should be a hash or a string");
  const Node* name = mapping ? node.given("name") : &node;
  if (is_blank(name)) entry.fail("name can't be blank");
  constexpr std::string_view kNameRule =
      "name can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, but "
      "it cannot start or end with '/'";
  if (name && !is_blank(name)) {
    const std::string& text = name->text;
    const bool fits = name->is_text() && text.front() != '/' && text.back() != '/' &&
                      std::all_of(text.begin(), text.end(), [](char c) {
                        return std::isalnum(static_cast<unsigned char>(c)) ||
                               std::string_view("-_/${}. ").find(c) != std::string_view::npos;
                      });
    if (!fits) entry.fail(kNameRule, *name);
  }
  if (!mapping) return;
  entry.want_keys(
      {"name", "url", "action", "on_stop", "auto_stop_in", "deployment_tier", "kubernetes"});
  entry.text("url");
  if (const Node* url = node.given("url"); url && url->text.size() > 255) {
    entry.fail("url is too long (maximum is 255 characters)", *url);
  }
  const Node* action = node.given("action");
  if (action && !action->is_text()) {
    entry.fail("action should be a string", *action);
  } else {
    entry.one_of("action", {"start", "stop", "prepare", "verify", "access"},
                 "should be start, stop, prepare, verify, or access");
  }
  entry.one_of("deployment_tier", {"production", "staging", "testing", "development", "other"},
               "must be one of production, staging, testing, development, or other");
  entry.text("on_stop");
  const Node* stop = node.given("auto_stop_in");
  if (stop && stop->text.find('$') == std::string::npos) entry.duration("auto_stop_in");
  const Node* kubernetes = node.given("kubernetes");
  if (kubernetes && !kubernetes->is_mapping()) entry.fail("kubernetes should be a hash");
}

void check_inherit(Entry entry) {
  if (!entry.want_mapping()) return;
  entry.want_keys({"default", "variables"});
  if (!entry.ok()) return;
  if (const Node* node = entry.node().given("default"); node && !node->is(Kind::kBoolean)) {
    Entry inner = entry.child("default");
    if (!is_text_list(*node)) {
      inner.fail_as_is(inner.location() + " should be a bool or array of strings");
    } else {
      std::vector<std::string> unknown;
      for (const Node& item : node->items) {
        if (std::find(kDefaultKeys.begin(), kDefaultKeys.end(), item.text) == kDefaultKeys.end()) {
          unknown.push_back(item.text);
        }
      }
      if (!unknown.empty()) {
        inner.fail("config contains unknown values: " + base::join(unknown, ", "));
      }
    }
  }
  const Node* variables = entry.node().given("variables");
  if (variables && !variables->is(Kind::kBoolean) && !is_text_list(*variables)) {
    entry.problems().add(entry.location() + ":variables should be a bool or array of strings",
                         variables->position);
  }
}

void check_trigger(Entry entry) {
  const Node& node = entry.node();
  if (node.is_text()) {
    if (is_blank(&node)) entry.fail("config can't be blank");
    return;
  }
  if (!node.is_mapping()) {
    return entry.fail_as_is(entry.location() + " has to be either a string or a hash");
  }
  const Node* include = node.find("include");
  if (include) {
    entry.want_keys({"strategy", "include", "forward", "inputs"});
  } else {
    entry.want_keys({"project", "branch", "strategy", "forward", "inputs"});
    entry.filled_text("project");
    entry.text("branch");
  }
  entry.one_of("strategy", {"depend", "mirror"}, "should be depend or mirror");
  if (node.given("inputs")) entry.fail_as_is(entry.location() + " inputs is not supported");
  if (!entry.ok()) return;
  if (include) check_child_include(entry.child("include"));
  if (!node.given("forward")) return;
  Entry forward = entry.child("forward");
  if (!forward.want_mapping()) return;
  forward.want_keys({"yaml_variables", "pipeline_variables"});
  forward.boolean("yaml_variables");
  forward.boolean("pipeline_variables");
}

}  // namespace slipway::ci_config
