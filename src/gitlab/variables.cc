#include <algorithm>

#include "gitlab/routes.h"
#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

// Whose variables the path names.
struct Holder {
  ci::Owner owner = ci::Owner::kInstance;
  forge::Id id = 0;
};

Holder holder_of(const Call& call) {
  const std::string_view path = call.request.path();
  if (path.starts_with("/api/v4/projects/"))
    return {ci::Owner::kProject, call.project(Access::kMaintainer).id};
  if (path.starts_with("/api/v4/groups/"))
    return {ci::Owner::kGroup, call.group(Access::kMaintainer).id};
  return {};
}

// filter[environment_scope] tells apart variables of one key.
std::optional<std::string> wanted_scope(const Call& call) {
  const Json& filter = base::object_or_empty(call.parameters.all(), "filter");
  if (!filter.contains("environment_scope")) return std::nullopt;
  return base::text_or(filter, "environment_scope");
}

ci::StoredVariable variable_of(const Call& call, const Holder& holder) {
  const auto scope = wanted_scope(call);
  std::vector<ci::StoredVariable> found;
  for (const ci::StoredVariable& each : call.ci().variables(holder.owner, holder.id)) {
    if (each.variable.key == call.value("key") && (!scope || *scope == each.environment_scope))
      found.push_back(each);
  }
  if (found.empty()) not_found("Variable");
  if (found.size() > 1)
    throw Error("Conflict",
                "There are multiple variables with provided parameters. Please use "
                "'filter[environment_scope]'",
                409);
  return found.front();
}

void apply(const Parameters& given, ci::StoredVariable& stored) {
  ci::Variable& variable = stored.variable;
  variable.value = given.text("value", variable.value);
  variable.file = given.one_of("variable_type", {"env_var", "file"},
                               variable.file ? "file" : "env_var") == "file";
  variable.is_protected = given.boolean("protected", variable.is_protected);
  variable.masked = given.boolean("masked", variable.masked);
  variable.raw = given.boolean("raw", variable.raw);
  variable.is_public = false;
  stored.environment_scope = given.text("environment_scope", stored.environment_scope);
  stored.description = given.text("description", stored.description);
  if (given.boolean("masked_and_hidden", false)) variable.masked = stored.hidden = true;
}

net::Response variables(Call& call) {
  const Holder holder = holder_of(call);
  const Presenter present = presenter(call);
  return list(call, call.ci().variables(holder.owner, holder.id),
              [&](const ci::StoredVariable& each) { return present.variable(each); });
}

net::Response variable(Call& call) {
  return json(200, presenter(call).variable(variable_of(call, holder_of(call))));
}

net::Response create(Call& call) {
  const Holder holder = holder_of(call);
  call.parameters.require({"key", "value"});
  ci::StoredVariable wanted;
  wanted.variable.key = call.parameters.text("key");
  check_key(wanted.variable.key);
  apply(call.parameters, wanted);
  call.ci().set_variable(holder.owner, holder.id, wanted, /*must_be_new=*/true);
  return json(201, presenter(call).variable(wanted));
}

net::Response edit(Call& call) {
  const Holder holder = holder_of(call);
  const std::lock_guard lock(call.services.edits);
  ci::StoredVariable changed = variable_of(call, holder);
  const std::string scope = changed.environment_scope;
  apply(call.parameters, changed);
  // The scope is a part of its key: where it changes, the old one goes, but only once the new one
  // has been accepted.
  const bool moves = scope != changed.environment_scope;
  call.ci().set_variable(holder.owner, holder.id, changed, /*must_be_new=*/moves);
  if (moves) call.ci().remove_variable(holder.owner, holder.id, changed.variable.key, scope);
  return json(200, presenter(call).variable(changed));
}

net::Response remove(Call& call) {
  const Holder holder = holder_of(call);
  const ci::StoredVariable found = variable_of(call, holder);
  call.ci().remove_variable(holder.owner, holder.id, found.variable.key, found.environment_scope);
  return no_content();
}

constexpr auto kRead = Scope::kReadApi;
constexpr auto kWrite = Scope::kApi;
constexpr Route kRoutes[] = {
    {"GET", "/projects/:id/variables", Who::kUser, kRead, variables},
    {"POST", "/projects/:id/variables", Who::kUser, kWrite, create},
    {"GET", "/projects/:id/variables/:key", Who::kUser, kRead, variable},
    {"PUT", "/projects/:id/variables/:key", Who::kUser, kWrite, edit},
    {"DELETE", "/projects/:id/variables/:key", Who::kUser, kWrite, remove},
    {"GET", "/groups/:id/variables", Who::kUser, kRead, variables},
    {"POST", "/groups/:id/variables", Who::kUser, kWrite, create},
    {"GET", "/groups/:id/variables/:key", Who::kUser, kRead, variable},
    {"PUT", "/groups/:id/variables/:key", Who::kUser, kWrite, edit},
    {"DELETE", "/groups/:id/variables/:key", Who::kUser, kWrite, remove},
    {"GET", "/admin/ci/variables", Who::kAdmin, kRead, variables},
    {"POST", "/admin/ci/variables", Who::kAdmin, kWrite, create},
    {"GET", "/admin/ci/variables/:key", Who::kAdmin, kRead, variable},
    {"PUT", "/admin/ci/variables/:key", Who::kAdmin, kWrite, edit},
    {"DELETE", "/admin/ci/variables/:key", Who::kAdmin, kWrite, remove},
};

}  // namespace

std::vector<Route> variable_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
