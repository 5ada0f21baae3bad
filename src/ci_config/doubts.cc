#include "ci_config/doubts.h"

#include <algorithm>
#include <set>

namespace slipway::ci_config {
namespace {

// They exist once a job runs on a runner; a trigger job never does.
constexpr std::string_view kOfRunningJobs[] = {"CI_JOB_ID",
                                               "CI_JOB_TOKEN",
                                               "CI_JOB_URL",
                                               "CI_JOB_STARTED_AT",
                                               "CI_JOB_IMAGE",
                                               "CI_JOB_STATUS",
                                               "CI_JOB_TIMEOUT",
                                               "CI_JOB_JWT",
                                               "CI_REPOSITORY_URL",
                                               "CI_REGISTRY_USER",
                                               "CI_REGISTRY_PASSWORD",
                                               "CI_DEPLOY_USER",
                                               "CI_DEPLOY_PASSWORD",
                                               "CI_PROJECT_DIR",
                                               "CI_BUILDS_DIR",
                                               "CI_CONCURRENT_ID",
                                               "CI_CONCURRENT_PROJECT_ID",
                                               "CI_RUNNER_ID",
                                               "CI_RUNNER_DESCRIPTION",
                                               "CI_RUNNER_TAGS",
                                               "CI_RUNNER_VERSION",
                                               "CI_RUNNER_EXECUTABLE_ARCH"};

void look_at_trigger(const Job& job, std::vector<std::string>& doubts) {
  const Node* mapping = job.config->given("variables");
  if (!mapping) return;
  for (const Variable& variable : variables_of(*mapping)) {
    const std::string where = "jobs:" + job.base_name + ":variables:" + variable.key;
    if (variable.key.starts_with("CI_")) {
      doubts.push_back(where + " hides the downstream pipeline's own " + variable.key);
    }
    if (variable.raw) continue;
    for (const std::string& name : names_referred_to(variable.value)) {
      if (std::find(std::begin(kOfRunningJobs), std::end(kOfRunningJobs), name) ==
          std::end(kOfRunningJobs)) {
        continue;
      }
      doubts.push_back(where + " uses " + name +
                       ", which does not exist in a trigger job and becomes empty: pass it on in "
                       "a dotenv report of an earlier job");
    }
  }
}

// A circle of references keeps its values; GitLab refuses to make the pipeline.
void look_for_circles(const Job& job, const Variables& globals, std::set<std::string>& told,
                      std::vector<std::string>& doubts) {
  const Node* mapping = job.config->given("variables");
  Variables all = globals;
  if (mapping) {
    const Variables own = variables_of(*mapping);
    all.insert(all.end(), own.begin(), own.end());
  }
  for (const Variable& variable : all) {
    std::string key = variable.key;
    std::vector<std::string> path;
    while (std::find(path.begin(), path.end(), key) == path.end()) {
      path.push_back(key);
      const Variable* one = find(all, key);
      const auto names =
          one && !one->raw ? names_referred_to(one->value) : std::vector<std::string>();
      if (names.empty()) break;
      key = names.front();
    }
    if (path.size() < 2 || key != path.front()) continue;
    std::sort(path.begin(), path.end());
    std::string list;
    for (const std::string& name : path) list += (list.empty() ? "\"" : ", \"") + name + '"';
    std::string text = job.base_name + ": circular variable reference detected: [" + list + "]";
    if (told.insert(text).second) doubts.push_back(std::move(text));
  }
}

}  // namespace

std::vector<std::string> doubts_about(const Jobs& jobs, const Variables& globals) {
  std::vector<std::string> doubts;
  std::set<std::string> told, seen;
  for (const Job& job : jobs.all()) {
    if (!seen.insert(job.base_name).second) continue;  // one of parallel jobs speaks for all
    if (job.is_trigger) look_at_trigger(job, doubts);
    look_for_circles(job, globals, told, doubts);
  }
  return doubts;
}

}  // namespace slipway::ci_config
