#include "ci_config/validate.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "ci_config/ci_config.h"
#include "ci_config/conditions.h"
#include "ci_config/keywords.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kLongestName = 255;
constexpr std::string_view kMultiplePipelines =
    " may allow multiple pipelines to run for a single action due to `rules:when` clause with no "
    "`workflow:rules` - read more: "
    "https://docs.gitlab.com/ee/ci/jobs/job_troubleshooting.html#"
    "job-may-allow-multiple-pipelines-to-run-for-a-single-action-warning";

constexpr std::string_view kSettings[] = {"default",   "include", "before_script", "image",
                                          "services",  "stages",  "after_script",  "types",
                                          "variables", "cache",   "workflow",      "spec"};

constexpr std::string_view kGlobals[] = {"image", "services", "cache", "before_script",
                                         "after_script"};

constexpr std::string_view kDefaults[] = {
    "before_script", "image",   "services", "after_script", "cache",
    "interruptible", "timeout", "retry",    "tags",         "artifacts"};

// Taken, but without effect here: said once a job.
constexpr std::string_view kIgnored[] = {"release", "secrets",  "id_tokens", "hooks",
                                         "pages",   "identity", "publish"};

void check_default(Entry entry, const Node& root) {
  if (!entry.want_mapping()) return;
  entry.want_keys({"after_script", "artifacts", "before_script", "cache", "hooks", "id_tokens",
                   "image", "interruptible", "retry", "services", "tags", "timeout", "identity"});
  if (!entry.ok()) return;
  for (const std::string_view key : kDefaults) {
    if (!entry.node().given(key)) continue;
    if (root.given(key) &&
        std::find(std::begin(kGlobals), std::end(kGlobals), key) != std::end(kGlobals)) {
      entry.fail_as_is(std::string(key) + " is defined in top-level and `default:` entry");
    }
    check_default_keyword(key, entry.child(key));
  }
}

void check_workflow(Entry entry) {
  if (!entry.want_mapping()) return;
  entry.want_keys({"rules", "name", "auto_cancel"});
  if (const Node* name = entry.node().given("name"); name && name->text.size() > kLongestName) {
    entry.fail("name is too long (maximum is 255 characters)", *name);
  }
  if (!entry.ok()) return;
  if (entry.node().find("rules")) {
    Entry rules = entry.child("rules");
    check_rules(std::move(rules), RulesOf::kWorkflow);
  }
  if (entry.node().given("auto_cancel")) check_auto_cancel(entry.child("auto_cancel"));
}

// Rails shows an attribute's name as words; the entry puts the underscores back where it can.
std::string name_in_message(const std::string& name) {
  std::string text = base::lower(name);
  text.erase(0, std::min(text.find_first_not_of('_'), text.size()));
  std::replace(text.begin(), text.end(), '_', ' ');
  const bool letters = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || std::isspace(static_cast<unsigned char>(c));
  });
  if (letters) std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

// What jobs with a script and jobs with a trigger have in common.
void check_common(Entry& entry, const Member& member) {
  const Node& job = entry.node();
  if (is_blank(&job)) entry.fail("config can't be blank");
  if (base::trim(member.key).empty()) {
    entry.fail_as_is("jobs:job name can't be blank");
  } else if (member.key_kind != Kind::kText) {
    entry.fail("name should be a symbol");
  }
  if (member.key.size() > kLongestName) entry.fail("name is too long (maximum is 255 characters)");
  if (job.given("rules")) {
    std::vector<std::string> keys;
    for (const Member& one : job.members) {
      if ((one.key == "only" || one.key == "except" || one.key == "start_in") &&
          !one.value.is_null()) {
        keys.push_back(one.key);
      }
    }
    if (!keys.empty()) {
      entry.fail("config key may not be used with `rules`: " + base::join(keys, ", "));
    }
  }
  entry.text_or_texts("extends");
  entry.text("resource_group");
}

void check_start_in(Entry& entry) {
  const Node& job = entry.node();
  const Node* when = job.given("when");
  const bool delayed = when && when->text == "delayed";
  if (delayed) {
    if (is_blank(job.find("start_in"))) entry.fail("start in should be a duration");
    entry.duration("start_in", "1 week");
  }
  if ((job.given("rules") || !delayed) && job.given("start_in")) {
    entry.fail("start in must be blank", *job.find("start_in"));
  }
}

// `dependencies` may only name what `needs` names, where there are needs.
void check_dependencies(Entry& entry) {
  const Node* dependencies = entry.node().given("dependencies");
  const Node* needs = entry.node().given("needs");
  if (!dependencies || !needs || is_blank(dependencies) || is_blank(needs)) return;
  std::vector<std::string> needed;
  for (const Node& need : needs->items) {
    const Node* job = need.is_mapping() ? need.given("job") : &need;
    if (job) needed.push_back(job->text);
  }
  std::vector<std::string> missing;
  for (const Node& one : dependencies->items) {
    if (std::find(needed.begin(), needed.end(), one.text) == needed.end()) {
      missing.push_back(one.text);
    }
  }
  if (!missing.empty()) {
    entry.fail("dependencies the " + base::join(missing, ", ") + " should be part of needs",
               *dependencies);
  }
}

void check_flow_keywords(const Entry& entry, JobKind kind) {
  const Node& job = entry.node();
  if (const Node* stage = job.given("stage"); stage && !stage->is_text()) {
    entry.child("stage").fail("config should be a string");
  }
  if (job.given("only")) check_policy(entry.child("only"));
  if (job.given("except")) check_policy(entry.child("except"));
  if (job.given("rules")) check_rules(entry.child("rules"), RulesOf::kJob);
  if (job.given("variables")) check_variables(entry.child("variables"), VariablesOf::kJob);
  if (job.given("inherit")) check_inherit(entry.child("inherit"));
  if (job.given("needs")) {
    check_needs(entry.child("needs"), kind == JobKind::kScript ? NeedsOf::kJob : NeedsOf::kTrigger);
  }
  if (job.given("environment")) check_environment(entry.child("environment"));
  if (job.given("parallel")) check_parallel(entry.child("parallel"));
  if (job.given("interruptible")) entry.child("interruptible").want_boolean();
}

void check_script_job(Entry entry, const Member& member) {
  const Node& job = entry.node();
  check_common(entry, member);
  entry.want_keys(
      {"tags",        "script",        "image",        "services",      "start_in",
       "artifacts",   "cache",         "dependencies", "before_script", "after_script",
       "environment", "coverage",      "retry",        "parallel",      "interruptible",
       "timeout",     "release",       "secrets",      "id_tokens",     "hooks",
       "pages",       "publish",       "identity",     "inputs",        "manual_confirmation",
       "run",         "extends",       "stage",        "only",          "except",
       "rules",       "variables",     "inherit",      "allow_failure", "when",
       "needs",       "resource_group"});
  if (job.find("script") && job.find("run")) {
    entry.fail("config these keys cannot be used together: script, run");
  }
  if (job.find("run") && !job.find("script")) {
    entry.fail("`run` is not supported, use `script`", *job.find("run"));
  }
  if (job.find("script") && is_blank(job.find("script"))) entry.fail("script can't be blank");
  entry.one_of("when", {"on_success", "on_failure", "always", "manual", "delayed"},
               "should be one of: on_success, on_failure, always, manual, delayed");
  entry.texts("dependencies");
  if (const Node* allow = job.given("allow_failure");
      allow && !allow->is_mapping() && !allow->is(Kind::kBoolean)) {
    entry.fail("allow failure should be a hash or a boolean value", *allow);
  }
  entry.text("manual_confirmation");
  check_start_in(entry);
  if (!entry.ok()) return;
  check_flow_keywords(entry, JobKind::kScript);
  if (job.given("script")) entry.child("script").want_script();
  for (const std::string_view key : kDefaults) {
    if (key != "interruptible" && job.given(key)) check_default_keyword(key, entry.child(key));
  }
  if (job.given("coverage")) check_coverage(entry.child("coverage"));
  if (job.given("allow_failure")) check_allow_failure(entry.child("allow_failure"));
  check_dependencies(entry);
  for (const std::string_view key : kIgnored) {
    if (!job.given(key)) continue;
    entry.problems().warnings.push_back(entry.location() + " `" + std::string(key) +
                                        "` is not supported and has no effect");
  }
}

void check_trigger_job(Entry entry, const Member& member) {
  const Node& job = entry.node();
  check_common(entry, member);
  entry.want_keys({"trigger", "parallel", "environment", "interruptible", "manual_confirmation",
                   "extends", "stage", "only", "except", "rules", "variables", "inherit",
                   "allow_failure", "when", "needs", "resource_group", "start_in"});
  entry.one_of("when", {"on_success", "on_failure", "always", "manual"},
               "should be one of: on_success, on_failure, always, manual");
  entry.boolean("allow_failure");
  if (job.given("start_in")) entry.fail("start in must be blank", *job.find("start_in"));
  if (!job.given("trigger"))
    entry.fail("config should contain either a trigger or a needs:pipeline");
  if (!entry.ok()) return;
  check_trigger(entry.child("trigger"));
  if (const Node* parallel = job.given("parallel"); parallel && !parallel->is_mapping()) {
    return entry.child("parallel").fail("config cannot use \"parallel: <number>\".");
  }
  check_flow_keywords(entry, JobKind::kTrigger);
}

// A last rule that is only a `when` lets branch and merge request pipelines both run.
void warn_about_rules(Entry entry, bool has_workflow_rules) {
  const Node* rules = entry.node().given("rules");
  if (has_workflow_rules || !rules || !rules->is_sequence() || rules->items.empty()) return;
  const Node* last = &rules->items.back();
  while (last->is_sequence() && !last->items.empty()) last = &last->items.back();
  if (last->members.size() != 1 || last->members.front().key != "when" ||
      last->members.front().value.text == "never") {
    return;
  }
  entry.problems().warnings.push_back(entry.location() + std::string(kMultiplePipelines));
}

void check_jobs(const Node& root, Problems& problems) {
  bool visible = false;
  bool sound = true;
  for (const Member& member : root.members) {
    if (is_setting(member.key)) continue;
    const JobKind kind = kind_of_job(member.key, member.value);
    if (kind == JobKind::kNone) {
      sound = false;
      problems.add("jobs " + name_in_message(member.key) +
                       " config should implement the script:, run:, or trigger: keyword",
                   member.value.position);
    }
    visible = visible || kind == JobKind::kScript || kind == JobKind::kTrigger;
  }
  if (!visible) problems.add("jobs config should contain at least one visible job", root.position);
  if (!sound || !visible) return;
  const Node* workflow = root.given("workflow");
  const bool has_workflow_rules = workflow && workflow->find("rules");
  for (const Member& member : root.members) {
    if (is_setting(member.key)) continue;
    Entry entry(problems, "jobs:" + member.key, member.value);
    switch (kind_of_job(member.key, member.value)) {
      case JobKind::kHidden:
        if (is_blank(&member.value)) entry.fail("config can't be blank");
        break;
      case JobKind::kScript:
        check_script_job(entry, member);
        warn_about_rules(entry, has_workflow_rules);
        break;
      case JobKind::kTrigger:
        check_trigger_job(entry, member);
        warn_about_rules(entry, has_workflow_rules);
        break;
      case JobKind::kNone:
        break;
    }
  }
}

}  // namespace

bool is_setting(std::string_view key) {
  return std::find(std::begin(kSettings), std::end(kSettings), key) != std::end(kSettings);
}

JobKind kind_of_job(std::string_view name, const Node& job) {
  if (name.starts_with('.')) return JobKind::kHidden;
  if (!job.is_mapping()) return JobKind::kNone;
  if (job.find("script") || job.find("run")) return JobKind::kScript;
  if (job.find("trigger") || job.find("needs")) return JobKind::kTrigger;
  return JobKind::kNone;
}

void validate(const Node& root, Problems& problems) {
  const Entry top(problems, "", root);
  if (root.given("default")) check_default(top.child("default"), root);
  for (const std::string_view key : kGlobals) {
    if (root.given(key)) check_default_keyword(key, top.child(key));
  }
  if (root.given("variables")) check_variables(top.child("variables"), VariablesOf::kRoot);
  for (const char* key : {"stages", "types"}) {
    const Node* stages = root.given(key);
    if (stages && !is_text_list(*stages, 10)) {
      top.child(key).fail("config should be an array of strings");
    }
  }
  if (root.given("workflow")) check_workflow(top.child("workflow"));
  check_jobs(root, problems);
}

}  // namespace slipway::ci_config
