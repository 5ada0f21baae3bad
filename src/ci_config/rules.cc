#include "ci_config/rules.h"

#include <algorithm>

#include "base/strings.h"
#include "ci_config/expression.h"
#include "ci_config/regex.h"

namespace slipway::ci_config {
namespace {

When when_of(const std::string& text) {
  if (text == "on_failure") return When::kOnFailure;
  if (text == "always") return When::kAlways;
  if (text == "manual") return When::kManual;
  if (text == "delayed") return When::kDelayed;
  if (text == "never") return When::kNever;
  return When::kOnSuccess;
}

std::chrono::seconds seconds_of(const Node* duration) {
  return duration ? parse_duration(duration->text).value_or(std::chrono::seconds(0))
                  : std::chrono::seconds(0);
}

// The first rule of a list of lists whose conditions hold.
const Node* first_match(const Node& rules, Conditions& conditions, const Variables& variables) {
  for (const Node& rule : rules.items) {
    if (rule.is_sequence()) {
      if (const Node* found = first_match(rule, conditions, variables)) return found;
    } else if (conditions.hold(rule, variables)) {
      return &rule;
    }
  }
  return nullptr;
}

void apply_rule(const Node& rule, Decision& decision) {
  if (const Node* when = rule.given("when")) {
    decision.when = when_of(when->text);
    decision.start_in = seconds_of(rule.given("start_in"));
  }
  decision.included = decision.when != When::kNever;
  if (const Node* allow = rule.given("allow_failure")) {
    decision.allow_failure = allow->boolean;
    decision.keeps_exit_codes = false;
  }
  if (const Node* variables = rule.given("variables")) {
    decision.variables = variables_of(*variables);
  }
  decision.needs = rule.given("needs");
  if (const Node* interruptible = rule.given("interruptible")) {
    decision.interruptible = interruptible->boolean;
  }
}

// "push" is also called "pushes", "merge_request_event" "merge_requests".
bool is_source(const std::string& pattern, std::string source) {
  if (pattern == source) return true;
  if (source.ends_with("_event")) source.resize(source.size() - 6);
  if (pattern == source) return true;
  const bool hisses = source.ends_with("sh") || source.ends_with("ch") || source.ends_with("s");
  return pattern == source + (hisses ? "es" : "s");
}

bool matches_ref(std::string pattern, const Run& run, const std::string& project) {
  const std::size_t at = pattern.find('@');
  if (at != std::string::npos) {
    if (pattern.substr(at + 1) != project) return false;
    pattern.resize(at);
  }
  const Context& context = run.context;
  // Its children are known by their ref.
  const bool merge_request = context.pipeline_source == "merge_request_event" ||
                             context.ref.starts_with("refs/merge-requests/");
  if (pattern == "tags" && context.tag) return true;
  if (pattern == "branches" && !context.tag && !merge_request) return true;
  if (is_source(pattern, context.pipeline_source)) return true;
  if (merge_request) return false;
  if (Regex::looks_like(pattern)) {
    const auto regex = Regex::parse(pattern);
    return regex && regex->matches(context.ref);
  }
  return pattern == context.ref;
}

bool any_ref(const std::vector<std::string>& patterns, const Run& run, const Variables& variables) {
  const std::string project = value_of(variables, "CI_PROJECT_PATH");
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return matches_ref(pattern, run, project);
  });
}

bool any_expression(const Node& expressions, const Variables& variables) {
  return std::any_of(expressions.items.begin(), expressions.items.end(), [&](const Node& one) {
    return Expression::is_valid(one.text) && Expression::parse(one.text).holds(variables);
  });
}

// The specifications of a policy, each of which holds or not. What `only` leaves out of refs is
// branches and tags.
std::vector<bool> policy(const Node* node, bool is_only, const Run& run,
                         const Variables& variables) {
  std::vector<bool> results;
  const bool complex = node && node->is_mapping();
  const Node* refs = complex ? node->given("refs") : node;
  if (refs) {
    results.push_back(any_ref(texts_of(*refs), run, variables));
  } else if (is_only) {
    results.push_back(any_ref({"branches", "tags"}, run, variables));
  }
  if (!complex) return results;
  if (const Node* expressions = node->given("variables")) {
    results.push_back(any_expression(*expressions, variables));
  }
  if (const Node* changes = node->given("changes")) {
    results.push_back(run.conditions.changed(*changes, variables));
  }
  if (node->given("kubernetes")) results.push_back(false);  // there is no cluster
  return results;
}

bool passes_policies(const Node& job, const Run& run, const Variables& variables) {
  const Node* only = job.given("only");
  const Node* except = job.given("except");
  if (only || !run.has_workflow_rules) {
    for (const bool holds : policy(only, true, run, variables)) {
      if (!holds) return false;
    }
  }
  if (except) {
    for (const bool holds : policy(except, false, run, variables)) {
      if (holds) return false;
    }
  }
  return true;
}

}  // namespace

std::string_view text(When when) {
  switch (when) {
    case When::kOnSuccess:
      return "on_success";
    case When::kOnFailure:
      return "on_failure";
    case When::kAlways:
      return "always";
    case When::kManual:
      return "manual";
    case When::kDelayed:
      return "delayed";
    case When::kNever:
      return "never";
  }
  return "on_success";
}

Decision decide(const Job& job, const Run& run, const Variables& variables) {
  const Node& config = *job.config;
  Decision decision;
  const Node* when = config.given("when");
  if (when) decision.when = when_of(when->text);
  decision.start_in = seconds_of(config.given("start_in"));
  // A manual job may be left alone; not so where a rule makes it manual, which this does not see.
  const Node* allow = config.given("allow_failure");
  decision.allow_failure =
      allow ? allow->is(Kind::kBoolean) && allow->boolean : decision.when == When::kManual;
  if (run.context.every_job) {
    decision.included = true;
    return decision;
  }
  const Node* rules = config.given("rules");
  if (!rules) {
    decision.included = passes_policies(config, run, variables);
    return decision;
  }
  const Node* rule = first_match(*rules, run.conditions, variables);
  if (rule) apply_rule(*rule, decision);
  return decision;
}

WorkflowDecision decide_workflow(const Node* workflow, Conditions& conditions,
                                 const Variables& variables) {
  WorkflowDecision decision;
  if (!workflow) return decision;
  const auto read_auto_cancel = [&decision](const Node& holder) {
    const Node* cancel = holder.given("auto_cancel");
    const Node* on_commit = cancel ? cancel->given("on_new_commit") : nullptr;
    if (on_commit) decision.auto_cancel = on_commit->text;
    const Node* on_failure = cancel ? cancel->given("on_job_failure") : nullptr;
    if (on_failure) decision.on_job_failure = on_failure->text;
  };
  read_auto_cancel(*workflow);
  const Node* rules = workflow->given("rules");
  if (!rules) return decision;
  const Node* rule = first_match(*rules, conditions, variables);
  const Node* when = rule ? rule->given("when") : nullptr;
  decision.runs = rule && (!when || when->text != "never");
  if (!decision.runs) return decision;
  if (const Node* mapping = rule->given("variables")) decision.variables = variables_of(*mapping);
  read_auto_cancel(*rule);
  return decision;
}

}  // namespace slipway::ci_config
