#include "runner/payload.h"

#include <algorithm>

#include "base/strings.h"
#include "runner/decide.h"

namespace slipway::runner {
namespace {

std::string host_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string::npos ? url : url.substr(scheme + 3);
}

Json variables_json(const ci::Variables& variables) {
  Json list = Json::array();
  for (const ci::Variable& variable : variables) {
    list.push_back({{"key", variable.key},
                    {"value", variable.value},
                    {"public", variable.is_public},
                    {"file", variable.file},
                    {"masked", variable.masked},
                    {"raw", variable.raw}});
  }
  return list;
}

Json step(const char* name, const std::vector<std::string>& script, std::int64_t timeout,
          const char* when, bool allow_failure) {
  return {{"name", name},
          {"script", script},
          {"timeout", timeout},
          {"when", when},
          {"allow_failure", allow_failure}};
}

// "image" and each of "services"; only what has the type that the runner takes.
Json image_json(const Json& option) {
  Json image = Json::object();
  if (option.is_string()) {
    image["name"] = option;
    return image;
  }
  image["name"] = base::text_or(option, "name");
  for (const char* list : {"entrypoint", "command", "pull_policy"}) {
    if (option.contains(list) && !option[list].is_null()) image[list] = texts(option[list]);
  }
  if (option.contains("alias")) image["alias"] = base::text_or(option, "alias");
  const Json& variables = base::object_or_empty(option, "variables");
  if (!variables.empty()) {
    Json list = Json::array();
    for (auto entry = variables.begin(); entry != variables.end(); ++entry) {
      list.push_back({{"key", entry.key()},
                      {"value", entry.value().is_string() ? entry.value().get<std::string>()
                                                          : entry.value().dump()},
                      {"public", true}});
    }
    image["variables"] = std::move(list);
  }
  for (const char* object : {"docker", "kubernetes"}) {
    const Json& own = base::object_or_empty(option, object);
    if (!own.empty()) image["executor_opts"][object] = own;
  }
  return image;
}

Json artifacts_json(const Json& options) {
  Json list = Json::array();
  for (const ArtifactRequest& request : artifact_requests(options)) {
    Json entry = {{"paths", request.paths},
                  {"when", request.when},
                  {"artifact_type", request.type},
                  {"artifact_format", request.format}};
    if (!request.name.empty()) entry["name"] = request.name;
    if (!request.expire_in.empty()) entry["expire_in"] = request.expire_in;
    if (request.untracked) entry["untracked"] = true;
    if (!request.exclude.empty()) entry["exclude"] = request.exclude;
    list.push_back(std::move(entry));
  }
  return list.empty() ? Json(nullptr) : list;
}

Json cache_json(const Json& options, const PayloadFacts& facts) {
  Json list = Json::array();
  for (const CacheRequest& request :
       cache_requests(options, facts.is_protected, facts.last_change)) {
    Json entry = {{"key", request.key},
                  {"untracked", request.untracked},
                  {"policy", request.policy},
                  {"paths", request.paths},
                  {"when", request.when}};
    if (!request.fallback_keys.empty()) entry["fallback_keys"] = request.fallback_keys;
    list.push_back(std::move(entry));
  }
  return list;
}

Json dependencies_json(const ci::Assignment& assignment) {
  Json list = Json::array();
  for (const ci::Job& job : assignment.dependencies) {
    for (const ci::Artifact& artifact : job.artifacts) {
      if (artifact.type != "archive") continue;
      list.push_back(
          {{"id", job.id},
           {"name", job.name()},
           {"token", assignment.token},
           {"artifacts_file",
            {{"filename", artifact.filename.empty() ? "artifacts.zip" : artifact.filename},
             {"size", artifact.size}}}});
    }
  }
  return list;
}

Json job_info(const ci::Assignment& assignment, base::Millis now) {
  const ci::Job& job = assignment.job;
  const forge::Project& project = assignment.project;
  const base::Millis waited = job.queued ? std::max<base::Millis>(now - *job.queued, 0) : 0;
  return {{"id", job.id},
          {"name", job.name()},
          {"stage", job.stage()},
          {"pipeline_id", assignment.pipeline.id},
          {"project_id", project.id},
          {"project_name", project.name},
          {"project_full_path", project.full_path},
          {"namespace_id", project.space},
          {"root_namespace_id", project.space},
          {"organization_id", 1},
          {"instance_id", "slipway"},
          {"instance_uuid", "slipway"},
          {"user_id", job.user},
          {"scoped_user_id", nullptr},
          {"time_in_queue_seconds", static_cast<double>(waited) / 1000.0},
          {"project_jobs_running_on_instance_runners_count", "0"},
          {"queue_size", 0},
          {"queue_depth", 0}};
}

std::string repository_url(const ci::Assignment& assignment, const std::string& server) {
  const std::string given = ci_config::value_of(assignment.variables, "CI_REPOSITORY_URL");
  if (!given.empty()) return given;
  const std::string scheme = server.substr(0, server.find("://"));
  return scheme + "://gitlab-ci-token:" + assignment.token + "@" + host_of(server) + "/" +
         assignment.project.full_path + ".git";
}

}  // namespace

Json job_payload(const ci::Assignment& assignment, const PayloadFacts& facts) {
  const ci::Pipeline& pipeline = assignment.pipeline;
  const Json& options = assignment.job.spec.options;
  const std::int64_t timeout = assignment.timeout.count();
  const int depth = depth_of(assignment.project, assignment.variables);

  Json steps = Json::array();
  steps.push_back(step("script", assignment.job.spec.script, timeout, "on_success", false));
  if (!assignment.job.spec.after_script.empty()) {
    steps.push_back(
        step("after_script", assignment.job.spec.after_script, timeout, "always", true));
  }
  Json services = Json::array();
  for (const Json& service : base::array_or_empty(options, "services")) {
    services.push_back(image_json(service));
  }
  const std::string registry =
      ci_config::value_of(assignment.variables, "CI_REGISTRY", host_of(facts.url));
  const bool has_image = options.contains("image") && !options["image"].is_null();
  return {{"id", assignment.job.id},
          {"token", assignment.token},
          {"allow_git_fetch", true},
          {"job_info", job_info(assignment, facts.now)},
          {"git_info",
           {{"repo_url", repository_url(assignment, facts.url)},
            {"repo_object_format", "sha1"},
            {"ref", pipeline.ref},
            {"sha", pipeline.sha},
            {"before_sha", pipeline.before_sha.empty() ? forge::kNoCommit : pipeline.before_sha},
            {"ref_type", pipeline.tag ? "tag" : "branch"},
            {"refspecs", refspecs(pipeline, depth)},
            {"depth", depth},
            {"protected", facts.is_protected}}},
          {"runner_info", {{"timeout", timeout}, {"runner_session_url", nullptr}}},
          {"variables", variables_json(assignment.variables)},
          {"steps", std::move(steps)},
          {"image", has_image ? image_json(options["image"]) : Json(nullptr)},
          {"services", std::move(services)},
          {"artifacts", artifacts_json(options)},
          {"cache", cache_json(options, facts)},
          {"credentials", Json::array({{{"type", "registry"},
                                        {"url", registry},
                                        {"username", "gitlab-ci-token"},
                                        {"password", assignment.token}}})},
          {"dependencies", dependencies_json(assignment)},
          {"hooks", Json::array()},
          {"secrets", Json::object()},
          {"inputs", Json::array()},
          {"features",
           {{"trace_sections", true},
            {"token_mask_prefixes", {"glpat-", "glcbt-", "glrt-", "glptt-"}},
            {"failure_reasons",
             {"unknown_failure", "script_failure", "runner_system_failure", "job_execution_timeout",
              "image_pull_failure", "runner_unsupported", "runner_provisioning_timeout"}}}}};
}

}  // namespace slipway::runner
