#include "runner/job_plan.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::runner {
namespace {

constexpr const char* kVersion = "1.0";  // as the executor calls itself when it takes jobs
#if defined(__aarch64__)
constexpr const char* kPlatform = "linux/arm64";
#else
constexpr const char* kPlatform = "linux/amd64";
#endif

bool is_false(std::string_view text) { return text == "false" || text == "0"; }

std::vector<std::string> clean_flags(const ci::Variables& variables) {
  const std::string text = ci_config::value_of(variables, "GIT_CLEAN_FLAGS", "-ffdx");
  if (text == "none") return {};
  std::vector<std::string> flags = base::split(base::replace_all(text, "\t", " "), ' ');
  std::erase(flags, "");
  return flags;
}

Sources sources_of(const ci::Assignment& assignment, const ci::Variables& variables) {
  Sources sources;
  sources.strategy = strategy_of(variables);
  sources.depth = depth_of(assignment.project, variables);
  sources.depth_is_asked = ci_config::find(variables, "GIT_DEPTH") != nullptr;
  sources.refspecs = refspecs(assignment.pipeline, sources.depth);
  sources.sha = assignment.pipeline.sha;
  sources.ref = assignment.pipeline.ref;
  sources.url = ci_config::value_of(variables, "CI_REPOSITORY_URL");
  sources.checkout = !is_false(ci_config::value_of(variables, "GIT_CHECKOUT", "true"));
  sources.clean_flags = clean_flags(variables);
  const std::string submodules = ci_config::value_of(variables, "GIT_SUBMODULE_STRATEGY");
  if (submodules == "normal") sources.submodules = Sources::Submodules::kNormal;
  if (submodules == "recursive") sources.submodules = Sources::Submodules::kRecursive;
  return sources;
}

void expand_each(std::vector<std::string>& values, const ci::Variables& variables) {
  for (std::string& value : values) value = expand_once(value, variables);
}

}  // namespace

ci::Variables runner_variables(const ci::Assignment& assignment, const PlanFacts& facts,
                               const std::string& image) {
  ci::Variables variables = assignment.variables;
  const std::string project = "/builds/" + assignment.project.full_path;
  const auto set = [&](const char* key, std::string value) {
    ci::Variable variable;
    variable.key = key;
    variable.value = std::move(value);
    variable.raw = true;
    variables.push_back(std::move(variable));
  };
  set("CI_BUILDS_DIR", "/builds");
  set("CI_PROJECT_DIR", project);
  set("CI_CONCURRENT_ID", std::to_string(facts.place));
  set("CI_CONCURRENT_PROJECT_ID", std::to_string(facts.slot));
  set("CI_SERVER", "yes");
  set("CI_JOB_STATUS", "running");
  set("CI_JOB_TIMEOUT", std::to_string(assignment.timeout.count()));
  set("CI_JOB_IMAGE", image);
  set("CI_DISPOSABLE_ENVIRONMENT", "true");
  set("CI_RUNNER_VERSION", kVersion);
  set("CI_RUNNER_REVISION", "slipway");
  set("CI_RUNNER_EXECUTABLE_ARCH", kPlatform);
  const auto value_of = [&](std::string_view name) -> std::string {
    const ci::Variable* found = ci_config::find(variables, name);
    if (!found) return "";
    return found->file ? project + ".tmp/" + found->key : found->value;
  };
  ci::Variables expanded;
  for (const ci::Variable& variable : variables) {
    // Of a key that comes twice the later counts.
    if (ci_config::find(variables, variable.key) != &variable) continue;
    expanded.push_back(variable);
    if (!variable.raw) expanded.back().value = expand_once(variable.value, value_of);
  }
  return expanded;
}

JobPlan plan_of(const ci::Assignment& assignment, const PlanFacts& facts) {
  const Json& options = assignment.job.spec.options;
  JobPlan plan;
  const Json image = options.contains("image") ? options["image"] : Json();
  std::string named = image.is_string() ? image.get<std::string>() : base::text_or(image, "name");
  ci::Variables variables = runner_variables(assignment, facts, named);
  plan.image = expand_once(named, variables);
  if (plan.image != named) variables = runner_variables(assignment, facts, plan.image);
  if (image.is_object() && image.contains("entrypoint") && !image["entrypoint"].is_null()) {
    plan.entrypoint = texts(image["entrypoint"]);
    std::erase(*plan.entrypoint, "");  // [""] means none
  }

  plan.script.project = "/builds/" + assignment.project.full_path;
  plan.script.temporary = plan.script.project + ".tmp";
  plan.script.script = assignment.job.spec.script;
  plan.script.after_script = assignment.job.spec.after_script;
  plan.sources = sources_of(assignment, variables);

  plan.artifacts = artifact_requests(options);
  for (ArtifactRequest& artifact : plan.artifacts) {
    artifact.name = expand_once(artifact.name, variables);
    expand_each(artifact.paths, variables);
    expand_each(artifact.exclude, variables);
  }
  plan.caches = cache_requests(options, facts.is_protected, facts.last_change);
  for (CacheRequest& cache : plan.caches) {
    cache.key = expand_once(cache.key, variables);
    cache.policy = expand_once(cache.policy, variables);
    expand_each(cache.paths, variables);
    expand_each(cache.fallback_keys, variables);
    const std::string last = ci_config::value_of(variables, "CACHE_FALLBACK_KEY");
    if (!last.empty()) cache.fallback_keys.push_back(last);
  }
  plan.services = service_requests(options);
  for (ServiceRequest& service : plan.services) {
    service.image = expand_once(service.image, variables);
    expand_each(service.aliases, variables);
    for (ci::Variable& variable : service.variables) {
      variable.value = expand_once(variable.value, variables);
    }
    // The names that gitlab-runner gives a service by its image.
    std::string name = service.image.substr(0, service.image.find('@'));
    const std::size_t colon = name.rfind(':');
    if (colon != std::string::npos && name.find('/', colon) == std::string::npos) {
      name.resize(colon);
    }
    service.aliases.push_back(base::replace_all(name, "/", "-"));
    for (const std::string& alias : service.aliases) plan.host_names.push_back(alias);
  }
  plan.script.variables = std::move(variables);
  return plan;
}

std::string hosts_with(std::string hosts, const std::vector<std::string>& names) {
  if (!hosts.empty() && !hosts.ends_with('\n')) hosts += '\n';
  for (const std::string& name : names) {
    // An image's name may have characters that no host's has; nobody can ask for that one.
    if (name.find_first_of(" \t\n#") == std::string::npos) hosts += "127.0.0.1 " + name + "\n";
  }
  return hosts;
}

std::map<std::string, std::string> trust_in(const std::string& bundle,
                                            const std::vector<std::string>& image_environment) {
  std::map<std::string, std::string> trust;
  for (const std::string name :
       {"AWS_CA_BUNDLE", "CI_SERVER_TLS_CA_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const bool is_set =
        std::any_of(image_environment.begin(), image_environment.end(),
                    [&](const std::string& entry) { return entry.starts_with(name + "="); });
    if (!is_set) trust[name] = bundle;
  }
  return trust;
}

}  // namespace slipway::runner
