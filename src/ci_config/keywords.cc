#include "ci_config/keywords.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "ci_config/ci_config.h"
#include "ci_config/conditions.h"
#include "ci_config/regex.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kMostCaches = 4;
constexpr std::size_t kMostTags = 50;
constexpr std::size_t kMostKeyFiles = 2;
constexpr std::int64_t kMostParallel = 200;

const Words kReports = {"junit",
                        "codequality",
                        "sast",
                        "secret_detection",
                        "dependency_scanning",
                        "container_scanning",
                        "dast",
                        "performance",
                        "browser_performance",
                        "load_performance",
                        "license_scanning",
                        "metrics",
                        "lsif",
                        "dotenv",
                        "terraform",
                        "accessibility",
                        "coverage_fuzzing",
                        "api_fuzzing",
                        "cluster_image_scanning",
                        "requirements",
                        "requirements_v2",
                        "coverage_report",
                        "cyclonedx",
                        "annotations",
                        "repository_xray"};

const Words kRetryReasons = {"always",
                             "unknown_failure",
                             "script_failure",
                             "api_failure",
                             "stuck_or_timeout_failure",
                             "stuck_pending_with_matching_runners",
                             "stuck_pending_no_matching_runners",
                             "no_updates_running",
                             "no_updates_canceling",
                             "server_timeout_running",
                             "server_timeout_canceling",
                             "runner_system_failure",
                             "runner_configuration_error",
                             "runner_external_dependency_failure",
                             "runner_interrupted",
                             "runner_unsupported",
                             "missing_dependency_failure",
                             "stale_schedule",
                             "job_execution_timeout",
                             "job_execution_server_timeout",
                             "archived_failure",
                             "unmet_prerequisites",
                             "scheduler_failure",
                             "data_integrity_failure",
                             "forward_deployment_failure",
                             "insufficient_bridge_permissions",
                             "downstream_bridge_project_not_found",
                             "invalid_bridge_trigger",
                             "upstream_bridge_project_not_found",
                             "downstream_pipeline_creation_failed",
                             "secrets_provider_not_found",
                             "reached_max_descendant_pipelines_depth",
                             "ci_quota_exceeded",
                             "pipeline_loop_detected",
                             "no_matching_runner",
                             "trace_size_exceeded",
                             "builds_disabled",
                             "environment_creation_failure",
                             "deployment_rejected",
                             "job_token_expired",
                             "runner_provisioning_timeout"};

bool contains(Words words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Of an image or a service: a name, or a mapping with one.
void check_imageable(Entry& entry, Words keys) {
  const Node& node = entry.node();
  if (node.is_text()) {
    if (is_blank(&node)) entry.fail("name can't be blank");
    return;
  }
  if (!node.is_mapping()) return entry.fail("config should be a hash or a string");
  entry.want_keys(keys);
  entry.filled_text("name");
  entry.texts("entrypoint");
  const Node* policy = node.given("pull_policy");
  if (!policy || !entry.ok()) return;
  for (const std::string& one : texts_of(*policy)) {
    if (!contains({"always", "never", "if-not-present"}, one)) {
      entry.child("pull_policy").fail("config contains unknown values: " + one);
    }
  }
}

void check_reports(Entry entry) {
  if (!entry.want_mapping()) return;
  entry.want_keys(kReports);
  for (const Member& member : entry.node().members) {
    if (member.key != "coverage_report") entry.text_or_texts(member.key);
  }
  if (!entry.ok() || !entry.node().given("coverage_report")) return;
  Entry coverage = entry.child("coverage_report");
  if (!coverage.want_mapping()) return;
  coverage.want_keys({"coverage_format", "path"});
  coverage.filled_text("path");
  coverage.one_of("coverage_format", {"cobertura", "jacoco"}, "must be one of: cobertura, jacoco");
}

void check_cache_key(Entry entry) {
  const Node& key = entry.node();
  if (key.is_text()) {
    // Encoded as well: the key becomes part of a path.
    const std::string path = base::percent_decode(key.text);
    if (path.find('/') != std::string::npos && key.text.find('$') == std::string::npos) {
      entry.fail("cannot contain the \"/\" character");
    } else if (path == "." || path == "..") {
      entry.fail("cannot be \".\" or \"..\"");
    }
    return;
  }
  if (!key.is_mapping()) return entry.fail("should be a hash, a string or a symbol");
  entry.want_keys({"files", "files_commits", "prefix"});
  const bool files = key.find("files") != nullptr;
  if (files == (key.find("files_commits") != nullptr)) {
    entry.fail("config must use exactly one of these keys: files, files_commits");
  }
  if (!entry.ok()) return;
  Entry list = entry.child(files ? "files" : "files_commits");
  list.want_texts();
  if (list.ok() && list.node().items.empty()) list.fail("config requires at least 1 item");
  if (list.ok() && list.node().items.size() > kMostKeyFiles) {
    list.fail("config has too many items (maximum is " + std::to_string(kMostKeyFiles) + ")");
  }
  if (const Node* prefix = key.given("prefix"); prefix && !prefix->is_text()) {
    entry.child("prefix").fail("config should be a string or symbol");
  }
}

void check_cache(Entry entry) {
  if (!entry.want_mapping()) return;
  entry.want_keys({"key", "untracked", "paths", "when", "policy", "unprotect", "fallback_keys"});
  const Node* when = entry.node().given("when");
  if (when && !when->is_text()) entry.fail("when should be a string", *when);
  if (when && when->is_text()) {
    entry.one_of("when", {"on_success", "on_failure", "always"},
                 "should be one of: on_success, on_failure, always");
  }
  const Node* policy = entry.node().given("policy");
  if (policy && !policy->is_text()) entry.fail("policy should be a string", *policy);
  if (policy && policy->is_text() && policy->text.find('$') == std::string::npos) {
    entry.one_of("policy", {"pull-push", "push", "pull"},
                 "should be a variable or one of: pull-push, push, pull");
  }
  entry.texts("fallback_keys");
  if (!entry.ok()) return;
  if (entry.node().given("key")) check_cache_key(entry.child("key"));
  if (entry.node().given("untracked")) entry.child("untracked").want_boolean();
  if (entry.node().given("paths")) entry.child("paths").want_texts();
  if (entry.node().given("unprotect")) entry.child("unprotect").want_boolean();
}

void check_retry_number(Entry& entry, const std::string& attribute, const Node& value) {
  if (!value.is(Kind::kInteger)) {
    const bool number = value.is(Kind::kFloat);
    entry.fail_as_is("retry " + attribute + (number ? " must be an integer" : " is not a number"));
  } else if (value.integer < 0) {
    entry.fail_as_is("retry " + attribute + " must be greater than or equal to 0");
  } else if (value.integer > 2) {
    entry.fail_as_is("retry " + attribute + " must be less than or equal to 2");
  }
}

void check_matrix(Entry entry) {
  const Node& matrix = entry.node();
  const bool mappings =
      matrix.is_sequence() && std::all_of(matrix.items.begin(), matrix.items.end(),
                                          [](const Node& one) { return one.is_mapping(); });
  if (!mappings) return entry.fail("config should be an array of hashes");
  std::size_t jobs = 0;
  for (const Node& item : matrix.items) {
    std::size_t product = 1;
    if (item.members.empty()) entry.fail("config requires at least 1 items", item);
    for (const Member& member : item.members) {
      const Node& value = member.value;
      const bool list = value.is_sequence() && !value.items.empty() &&
                        std::all_of(value.items.begin(), value.items.end(),
                                    [](const Node& one) { return one.is_scalar(); });
      if (!list && !value.is_scalar()) {
        return entry.fail("config should be a hash of key value pairs, value can be an array",
                          value);
      }
      product = std::min<std::size_t>(product * (list ? value.items.size() : 1), 1'000'000);
    }
    jobs += product;
  }
  if (jobs > static_cast<std::size_t>(kMostParallel)) {
    entry.fail("config generates too many jobs (maximum is " + std::to_string(kMostParallel) + ")");
  }
}

}  // namespace

void check_image(Entry entry) {
  check_imageable(entry, {"name", "entrypoint", "ports", "pull_policy", "docker", "kubernetes"});
}

void check_services(Entry entry) {
  if (!entry.want_sequence()) return;
  for (const Node& item : entry.node().items) {
    Entry service = entry.child("service", item);
    check_imageable(service, {"name", "entrypoint", "command", "alias", "ports", "variables",
                              "pull_policy", "docker", "kubernetes"});
    if (!service.ok() || !item.is_mapping()) continue;
    service.texts("command");
    service.text("alias");
    if (service.ok() && item.given("variables")) {
      check_variables(service.child("variables"), VariablesOf::kJob);
    }
  }
}

void check_artifacts(Entry entry) {
  if (!entry.want_mapping()) return;
  const Node& node = entry.node();
  entry.want_keys({"name", "untracked", "paths", "reports", "when", "expire_in", "expose_as",
                   "exclude", "public", "access"});
  const Node* exposed = node.given("expose_as");
  if (exposed && is_blank(node.find("paths"))) entry.fail("paths can't be blank");
  if (node.find("access") && node.find("public")) {
    entry.fail("config these keys cannot be used together: access, public");
  }
  entry.text("name");
  entry.boolean("public");
  entry.boolean("untracked");
  entry.texts("paths");
  if (exposed) {
    const std::vector<std::string> paths =
        node.given("paths") ? texts_of(*node.given("paths")) : std::vector<std::string>();
    if (base::join(paths, "").find('*') != std::string::npos) {
      entry.fail("paths can't contain '*' when used with 'expose_as'");
    }
    entry.text("expose_as");
    const bool fits =
        !exposed->text.empty() && exposed->text[0] != '-' && exposed->text[0] != ' ' &&
        std::all_of(exposed->text.begin(), exposed->text.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == ' ';
        });
    if (exposed->text.size() > 100) entry.fail("expose as is too long (maximum is 100 characters)");
    if (exposed->is_text() && !fits) {
      entry.fail("expose as can contain only letters, digits, '-', '_' and spaces");
    }
  }
  entry.texts("exclude");
  const Node* reports = node.given("reports");
  if (reports && !reports->is_mapping()) entry.fail("reports should be a hash", *reports);
  entry.one_of("when", {"on_success", "on_failure", "always"},
               "should be one of: on_success, on_failure, always");
  entry.duration("expire_in");
  entry.one_of("access", {"none", "developer", "maintainer", "all"},
               "should be one of: none, developer, maintainer, all");
  if (entry.ok() && reports) check_reports(entry.child("reports"));
}

void check_caches(Entry entry) {
  const Node& node = entry.node();
  if (node.is_mapping()) return check_cache(std::move(entry));
  if (!node.is_sequence()) return entry.fail("config can only be a hash or an array");
  if (node.items.size() > kMostCaches) {
    return entry.fail("config no more than " + std::to_string(kMostCaches) +
                      " caches can be created");
  }
  for (const Node& item : node.items) check_cache(entry.child("cache", item));
}

// GitLab names neither the job nor the line here: its entry has a location of its own.
void check_retry(Entry entry) {
  const Node& node = entry.node();
  if (node.is(Kind::kInteger)) return check_retry_number(entry, "config", node);
  if (!node.is_mapping()) {
    return entry.fail_as_is("retry config has to be either an integer or a hash");
  }
  Entry retry(entry.problems(), "retry", node);
  retry.want_keys({"max", "when", "exit_codes"});
  if (const Node* max = node.given("max")) check_retry_number(retry, "max", *max);
  retry.text_or_texts("when");
  retry.integers("exit_codes");
  const Node* when = node.given("when");
  if (!retry.ok() || !when) return;
  if (when->is_text()) return retry.one_of("when", kRetryReasons, "is not included in the list");
  std::vector<std::string> unknown;
  for (const Node& item : when->items) {
    if (!contains(kRetryReasons, item.text)) unknown.push_back(item.text);
  }
  if (!unknown.empty()) {
    retry.fail("when contains unknown values: " + base::join(unknown, ", "), *when);
  }
}

void check_timeout(Entry entry) {
  if (!is_duration(entry.node()) || !parse_duration(entry.node().text)) {
    entry.fail("config should be a duration");
  } else if (*parse_duration(entry.node().text) > std::chrono::hours(24 * 30)) {
    entry.fail("config should not exceed the limit");
  }
}

void check_tags(Entry entry) {
  entry.want_texts();
  if (entry.node().is_sequence() && entry.node().items.size() >= kMostTags) {
    entry.fail("config must be less than the limit of " + std::to_string(kMostTags) + " tags");
  }
}

void check_coverage(Entry entry) {
  if (!entry.node().is_text() || !Regex::parse(entry.node().text)) {
    entry.fail("config must be a regular expression with re2 syntax");
  }
}

void check_parallel(Entry entry) {
  const Node& node = entry.node();
  if (node.is(Kind::kFloat)) return entry.fail("config must be an integer");
  if (node.is(Kind::kInteger)) {
    if (node.integer < 1) entry.fail("config must be greater than or equal to 1");
    if (node.integer > kMostParallel) {
      entry.fail("config must be less than or equal to " + std::to_string(kMostParallel));
    }
    return;
  }
  if (!node.is_mapping()) {
    return entry.fail_as_is(entry.location() + " should be an integer or a hash");
  }
  entry.want_keys({"matrix"});
  entry.require({"matrix"});
  if (entry.ok()) check_matrix(entry.child("matrix"));
}

void check_allow_failure(Entry entry) {
  if (!entry.node().is_mapping()) return;
  entry.want_keys({"exit_codes"});
  entry.integers("exit_codes");
  if (is_blank(entry.node().find("exit_codes"))) entry.fail("exit codes can't be blank");
}

void check_auto_cancel(Entry entry) {
  if (!entry.want_mapping()) return;
  entry.want_keys({"on_new_commit", "on_job_failure"});
  entry.one_of("on_new_commit", {"conservative", "interruptible", "none"},
               "must be one of: conservative, interruptible, none");
  entry.one_of("on_job_failure", {"none", "all"}, "must be one of: none, all");
}

void check_default_keyword(std::string_view key, Entry entry) {
  if (key == "image")
    check_image(std::move(entry));
  else if (key == "services")
    check_services(std::move(entry));
  else if (key == "artifacts")
    check_artifacts(std::move(entry));
  else if (key == "cache")
    check_caches(std::move(entry));
  else if (key == "retry")
    check_retry(std::move(entry));
  else if (key == "timeout")
    check_timeout(std::move(entry));
  else if (key == "tags")
    check_tags(std::move(entry));
  else if (key == "interruptible")
    entry.want_boolean();
  else if (key == "before_script" || key == "after_script")
    entry.want_script();
}

}  // namespace slipway::ci_config
