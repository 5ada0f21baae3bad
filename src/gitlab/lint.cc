#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

net::Response checked(const Call& call, const forge::Project& project, const std::string& content,
                      const std::string& ref) {
  const bool dry_run = call.parameters.boolean("dry_run", false);
  const ci_config::Result result =
      call.ci().lint(call.user().user, project.id, content, ref, dry_run);
  return json(200, presenter(call).lint(result, call.parameters.boolean("include_jobs", false)));
}

net::Response check(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  call.parameters.require({"content"});
  const std::string ref = call.parameters.text("ref", project.default_branch);
  return checked(call, project, call.parameters.text("content"), ref);
}

net::Response check_stored(Call& call) {
  const forge::Project project = call.project(Access::kDeveloper);
  const Parameters& given = call.parameters;
  const std::string from =
      given.text("content_ref", given.text("sha", given.text("ref", project.default_branch)));
  const forge::Repository repository = call.forge().repository(project.id);
  const auto commit = repository.resolve(from);
  if (!commit) not_found("Commit");
  const std::string file =
      project.ci_config_path.empty() ? ".gitlab-ci.yml" : project.ci_config_path;
  const auto content = repository.read(*commit, file);
  if (!content) {
    ci_config::Result missing;
    missing.errors.push_back("Please provide content of " + file);
    return json(200, presenter(call).lint(missing, given.boolean("include_jobs", false)));
  }
  return checked(call, project, *content,
                 given.text("dry_run_ref", given.text("ref", project.default_branch)));
}

constexpr Route kRoutes[] = {
    {"POST", "/projects/:id/ci/lint", Who::kUser, Scope::kApi, check},
    {"GET", "/projects/:id/ci/lint", Who::kUser, Scope::kReadApi, check_stored},
};

}  // namespace

std::vector<Route> lint_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
