#include "ci/predefined.h"

#include <cctype>
#include <utility>

#include "base/digest.h"
#include "base/strings.h"
#include "ci/add_variable.h"
#include "ci/merge_request.h"

namespace slipway::ci {
namespace {

// The GitLab whose behaviour this follows.
constexpr const char* kVersion = "17.11.0";

void add_secret(Variables& variables, std::string key, std::string value) {
  Variable& variable = add(variables, std::move(key), std::move(value));
  variable.masked = true;
  variable.is_public = false;
}

struct Address {
  std::string protocol, host, port;
};
Address address_of(const std::string& url) {
  Address address;
  const std::size_t scheme = url.find("://");
  address.protocol = scheme == std::string::npos ? "http" : url.substr(0, scheme);
  std::string rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  address.host = has_port ? rest.substr(0, colon) : rest;
  address.port = has_port ? rest.substr(colon + 1) : address.protocol == "https" ? "443" : "80";
  return address;
}

std::string web_url(const forge::Project& project, const std::string& url) {
  return url + "/" + project.full_path;
}

}  // namespace

std::string host_and_port(const std::string& url) {
  const Address address = address_of(url);
  const bool usual = (address.protocol == "http" && address.port == "80") ||
                     (address.protocol == "https" && address.port == "443");
  return usual ? address.host : address.host + ":" + address.port;
}

Variables project_variables(const forge::Project& project, const std::string& url) {
  const Address address = address_of(url);
  const std::string registry = host_and_port(url);
  Variables all;
  add(all, "CI", "true");
  add(all, "GITLAB_CI", "true");
  add(all, "CI_SERVER", "yes");
  add(all, "CI_SERVER_URL", url);
  add(all, "CI_SERVER_HOST", address.host);
  add(all, "CI_SERVER_PORT", address.port);
  add(all, "CI_SERVER_PROTOCOL", address.protocol);
  add(all, "CI_SERVER_FQDN", registry);
  add(all, "CI_SERVER_NAME", "GitLab");
  add(all, "CI_SERVER_VERSION", kVersion);
  const auto parts = base::split(kVersion, '.');
  add(all, "CI_SERVER_VERSION_MAJOR", parts[0]);
  add(all, "CI_SERVER_VERSION_MINOR", parts[1]);
  add(all, "CI_SERVER_VERSION_PATCH", parts[2]);
  add(all, "CI_SERVER_REVISION", "slipway");
  add(all, "GITLAB_FEATURES", "");
  add(all, "CI_API_V4_URL", url + "/api/v4");
  add(all, "CI_TEMPLATE_REGISTRY_HOST", "registry.gitlab.com");
  add(all, "CI_PROJECT_ID", std::to_string(project.id));
  add(all, "CI_PROJECT_NAME", project.path);
  add_raw(all, "CI_PROJECT_TITLE", project.name);
  add_raw(all, "CI_PROJECT_DESCRIPTION", project.description);
  add(all, "CI_PROJECT_PATH", project.full_path);
  add(all, "CI_PROJECT_PATH_SLUG", ci_config::slug(project.full_path));
  add(all, "CI_PROJECT_NAMESPACE", project.namespace_path());
  add(all, "CI_PROJECT_NAMESPACE_ID", std::to_string(project.space));
  add(all, "CI_PROJECT_ROOT_NAMESPACE", project.full_path.substr(0, project.full_path.find('/')));
  add(all, "CI_PROJECT_URL", web_url(project, url));
  add(all, "CI_PROJECT_VISIBILITY", std::string(forge::text(project.visibility)));
  add(all, "CI_DEFAULT_BRANCH", project.default_branch);
  add(all, "CI_CONFIG_PATH",
      project.ci_config_path.empty() ? ".gitlab-ci.yml" : project.ci_config_path);
  add(all, "CI_REGISTRY", registry);
  add(all, "CI_REGISTRY_IMAGE", registry + "/" + base::lower(project.full_path));
  return all;
}

Variables pipeline_variables(const Pipeline& pipeline, const std::string& schedule_description) {
  const Json& commit = base::object_or_empty(pipeline.context, "commit");
  const std::string message = base::text_or(commit, "message");
  const std::size_t title_end = message.find('\n');
  Variables all;
  if (pipeline.iid > 0) add(all, "CI_PIPELINE_IID", std::to_string(pipeline.iid));
  add(all, "CI_PIPELINE_SOURCE", pipeline.source);
  if (pipeline.created > 0) add(all, "CI_PIPELINE_CREATED_AT", base::iso8601(pipeline.created));
  if (!pipeline.name.empty()) add_raw(all, "CI_PIPELINE_NAME", pipeline.name);
  if (pipeline.source == "trigger") add(all, "CI_PIPELINE_TRIGGERED", "true");
  if (pipeline.schedule) add_raw(all, "CI_PIPELINE_SCHEDULE_DESCRIPTION", schedule_description);
  add(all, "CI_COMMIT_SHA", pipeline.sha);
  add(all, "CI_COMMIT_SHORT_SHA", pipeline.sha.substr(0, 8));
  add(all, "CI_COMMIT_BEFORE_SHA",
      pipeline.before_sha.empty() ? forge::kNoCommit : pipeline.before_sha);
  add(all, "CI_COMMIT_REF_NAME", source_ref(pipeline));
  add(all, "CI_COMMIT_REF_SLUG", ci_config::slug(source_ref(pipeline)));
  if (!is_merge_request_ref(pipeline.ref)) {
    add(all, pipeline.tag ? "CI_COMMIT_TAG" : "CI_COMMIT_BRANCH", pipeline.ref);
  }
  if (pipeline.tag) add_raw(all, "CI_COMMIT_TAG_MESSAGE", base::text_or(commit, "tag_message"));
  add_raw(all, "CI_COMMIT_MESSAGE", message);
  add_raw(all, "CI_COMMIT_TITLE", message.substr(0, title_end));
  add_raw(all, "CI_COMMIT_DESCRIPTION",
          title_end == std::string::npos
              ? ""
              : std::string(base::trim(std::string_view(message).substr(title_end))));
  add(all, "CI_COMMIT_TIMESTAMP", base::text_or(commit, "timestamp"));
  add_raw(all, "CI_COMMIT_AUTHOR", base::text_or(commit, "author"));
  add(all, "CI_COMMIT_REF_PROTECTED",
      base::boolean_or(pipeline.context, "protected", false) ? "true" : "false");
  const Variables more = merge_request_variables(pipeline);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Variables persisted_variables(const Pipeline& pipeline, const forge::Project& project,
                              const std::string& url) {
  Variables all;
  add(all, "CI_PIPELINE_ID", std::to_string(pipeline.id));
  add(all, "CI_PIPELINE_URL",
      web_url(project, url) + "/-/pipelines/" + std::to_string(pipeline.id));
  return all;
}

Variables user_variables(const forge::User& user) {
  Variables all;
  add(all, "GITLAB_USER_ID", std::to_string(user.id));
  add(all, "GITLAB_USER_LOGIN", user.username);
  add_raw(all, "GITLAB_USER_NAME", user.name);
  add_raw(all, "GITLAB_USER_EMAIL", user.email);
  return all;
}

Variables job_variables(const Job& job) {
  Variables all;
  add_raw(all, "CI_JOB_NAME", job.spec.name);
  add(all, "CI_JOB_NAME_SLUG", ci_config::slug(job.spec.name));
  add_raw(all, "CI_JOB_GROUP_NAME", job.spec.base_name);
  add_raw(all, "CI_JOB_STAGE", job.spec.stage);
  if (job.spec.when == ci_config::When::kManual) add(all, "CI_JOB_MANUAL", "true");
  if (job.spec.node_index > 0) add(all, "CI_NODE_INDEX", std::to_string(job.spec.node_index));
  add(all, "CI_NODE_TOTAL", std::to_string(job.spec.node_total));
  return all;
}

Variables build_variables(const Job& job, const std::string& token, const forge::Project& project,
                          const std::string& url, const std::optional<Runner>& runner) {
  const Address address = address_of(url);
  Variables all;
  add(all, "CI_JOB_ID", std::to_string(job.id));
  add(all, "CI_JOB_URL", web_url(project, url) + "/-/jobs/" + std::to_string(job.id));
  if (job.started) add(all, "CI_JOB_STARTED_AT", base::iso8601(*job.started));
  if (!token.empty()) {
    add_secret(all, "CI_JOB_TOKEN", token);
    add(all, "CI_REGISTRY_USER", "gitlab-ci-token");
    add_secret(all, "CI_REGISTRY_PASSWORD", token);
    add(all, "CI_REPOSITORY_URL",
        address.protocol + "://gitlab-ci-token:" + token + "@" + host_and_port(url) + "/" +
            project.full_path + ".git");
    all.back().is_public = false;
  }
  if (runner) {
    add(all, "CI_RUNNER_ID", std::to_string(runner->id));
    add_raw(all, "CI_RUNNER_DESCRIPTION", runner->description);
    add_raw(all, "CI_RUNNER_TAGS", base::dump_json(Json(runner->tags)));
  }
  return all;
}

Variables environment_variables(const Environment& environment, const std::string& action) {
  Variables all;
  add(all, "CI_ENVIRONMENT_NAME", environment.name);
  add(all, "CI_ENVIRONMENT_SLUG", environment.slug);
  if (!environment.url.empty()) add(all, "CI_ENVIRONMENT_URL", environment.url);
  add(all, "CI_ENVIRONMENT_ACTION", action.empty() ? "start" : action);
  add(all, "CI_ENVIRONMENT_TIER", environment.tier);
  if (environment.id > 0) add(all, "CI_ENVIRONMENT_ID", std::to_string(environment.id));
  return all;
}

std::string environment_name(const ci_config::JobSpec& spec) {
  if (spec.environment.is_string()) return spec.environment.get<std::string>();
  return spec.environment.is_object() ? base::text_or(spec.environment, "name") : "";
}

std::string environment_slug(const std::string& name) {
  std::string slug;
  for (const char c : base::lower(name)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain || (!slug.empty() && slug.back() != '-')) slug += plain ? c : '-';
  }
  if (slug.empty() || std::isalpha(static_cast<unsigned char>(slug.front())) == 0) {
    slug = "env-" + slug;
  }
  if (slug.size() > 24 || slug != name) {
    slug = slug.substr(0, 17);
    if (slug.back() != '-') slug += '-';
    slug += base::sha256_hex(name).substr(0, 6);
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug;
}

}  // namespace slipway::ci
