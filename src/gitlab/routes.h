#pragma once

// The endpoints, by group; each function is in the file of its name.

#include <vector>

#include "gitlab/call.h"
#include "gitlab/presenter.h"
#include "gitlab/router.h"

namespace slipway::gitlab {

std::vector<Route> user_routes();
std::vector<Route> group_routes();
std::vector<Route> project_routes();
std::vector<Route> member_routes();
std::vector<Route> protected_routes();
std::vector<Route> hook_routes();
std::vector<Route> job_scope_routes();
std::vector<Route> token_routes();
std::vector<Route> repository_routes();
std::vector<Route> file_routes();
std::vector<Route> commit_routes();
std::vector<Route> ref_routes();
std::vector<Route> merge_request_routes();
std::vector<Route> pipeline_routes();
std::vector<Route> test_report_routes();
std::vector<Route> job_routes();
std::vector<Route> artifact_routes();
std::vector<Route> schedule_routes();
std::vector<Route> trigger_routes();
std::vector<Route> variable_routes();
std::vector<Route> runner_routes();
std::vector<Route> lint_routes();
std::vector<Route> environment_routes();
std::vector<Route> deployment_routes();
std::vector<Route> resource_group_routes();
// All of them, in the order in which they are tried.
std::vector<Route> all_routes();

Presenter presenter(const Call& call);

}  // namespace slipway::gitlab
