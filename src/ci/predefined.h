#pragma once

// GitLab's predefined variables, from what they describe. Pure.

#include <optional>
#include <string>

#include "ci/types.h"
#include "forge/types.h"

namespace slipway::ci {

// Of the server and the project.
Variables project_variables(const forge::Project& project, const std::string& url);
// Of the commit (from pipeline.context) and the pipeline, as far as rules may use them.
Variables pipeline_variables(const Pipeline& pipeline, const std::string& schedule_description);
// CI_PIPELINE_ID and CI_PIPELINE_URL: only a pipeline that exists has them.
Variables persisted_variables(const Pipeline& pipeline, const forge::Project& project,
                              const std::string& url);
Variables user_variables(const forge::User& user);
// What trigger jobs have too: name, stage, place among its parallels.
Variables job_variables(const Job& job);
// What only a job on a runner has: id, token, credentials.
Variables build_variables(const Job& job, const std::string& token, const forge::Project& project,
                          const std::string& url, const std::optional<Runner>& runner);
Variables environment_variables(const Environment& environment, const std::string& action);

// "production" of {"name": "production"}, not expanded; empty where there is none.
std::string environment_name(const ci_config::JobSpec& spec);
// At most 24 letters, digits and dashes; different for different names.
std::string environment_slug(const std::string& name);
// "http://host:port/…" as "host:port".
std::string host_and_port(const std::string& url);

}  // namespace slipway::ci
