#include <algorithm>

#include "gitlab/routes.h"

namespace slipway::gitlab {
namespace {

using forge::Access;

void apply(const Parameters& given, ci::Runner& runner) {
  runner.description = given.text("description", runner.description);
  if (given.has("tag_list")) runner.tags = given.texts("tag_list");
  runner.run_untagged = given.boolean("run_untagged", runner.run_untagged);
  runner.locked = given.boolean("locked", runner.locked);
  runner.paused = given.boolean("paused", !given.boolean("active", !runner.paused));
  runner.only_protected =
      given.one_of("access_level", {"not_protected", "ref_protected"},
                   runner.only_protected ? "ref_protected" : "not_protected") == "ref_protected";
  if (const auto seconds = given.integer("maximum_timeout")) {
    if (*seconds < 600 || *seconds > 2'678'400)
      throw Error("Invalid", "400 Bad request", 400,
                  Json{{"maximum_timeout", Json::array({"needs to be at least 10 minutes"})}});
    runner.maximum_timeout = static_cast<int>(*seconds);
  }
  if (!runner.run_untagged && runner.tags.empty())
    throw Error("Invalid", "400 Bad request", 400,
                Json{{"tags_list", Json::array({"can not be empty when runner is not allowed to "
                                                "pick untagged jobs"})}});
}

net::Response create(Call& call) {
  const Parameters& given = call.parameters;
  given.require({"runner_type"});
  ci::Runner wanted;
  wanted.type = given.one_of("runner_type", {"instance_type", "group_type", "project_type"}, "");
  if (wanted.type == "project_type") {
    const auto id = given.required_integer("project_id");
    wanted.project = call.project_named(std::to_string(id), Access::kMaintainer).id;
  } else if (wanted.type == "group_type") {
    bad_request("group runners are not supported: create an instance or a project runner");
  } else if (!call.is_admin()) {
    forbidden();
  }
  wanted.created = call.services.clock.now();
  apply(given, wanted);
  const auto [runner, token] = call.ci().queue().add_runner(std::move(wanted));
  return json(201, {{"id", runner.id}, {"token", token}, {"token_expires_at", nullptr}});
}

bool fits(const Call& call, const ci::Runner& runner, const Json& shown) {
  const Parameters& given = call.parameters;
  const auto type = given.optional_text("type");
  if (type && *type != runner.type) return false;
  const auto status = given.optional_text("status");
  if (status && shown["status"] != *status) return false;
  const auto paused = given.optional_boolean("paused");
  if (paused && *paused != runner.paused) return false;
  const auto tags = given.texts("tag_list");
  return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
    return std::find(runner.tags.begin(), runner.tags.end(), tag) != runner.tags.end();
  });
}

net::Response shown(const Call& call, std::vector<ci::Runner> all) {
  const Presenter present = presenter(call);
  std::erase_if(
      all, [&](const ci::Runner& runner) { return !fits(call, runner, present.runner(runner)); });
  return list(call, all, [&](const ci::Runner& runner) { return present.runner(runner); });
}

bool owns(const Call& call, const ci::Runner& runner) {
  if (call.is_admin()) return true;
  const auto project = runner.project ? call.forge().project(*runner.project) : std::nullopt;
  return project && call.access(*project) >= Access::kMaintainer;
}

net::Response own_runners(Call& call) {
  auto all = call.ci().queue().runners();
  std::erase_if(all, [&](const ci::Runner& runner) { return !owns(call, runner); });
  return shown(call, std::move(all));
}

net::Response all_runners(Call& call) { return shown(call, call.ci().queue().runners()); }

net::Response project_runners(Call& call) {
  const forge::Project project = call.project(Access::kMaintainer);
  auto all = call.ci().queue().runners();
  std::erase_if(all, [&](const ci::Runner& runner) {
    return runner.type != "instance_type" && runner.project != project.id;
  });
  return shown(call, std::move(all));
}

ci::Runner runner_of(const Call& call) {
  auto found = call.ci().queue().runner(call.number("runner_id"));
  if (!found) not_found("Runner");
  if (!owns(call, *found)) forbidden("No access granted");
  return *found;
}

net::Response runner(Call& call) {
  return json(200, presenter(call).runner_detail(runner_of(call)));
}

net::Response edit(Call& call) {
  const forge::Id id = runner_of(call).id;
  const std::lock_guard lock(call.services.edits);
  ci::Runner changed = runner_of(call);
  apply(call.parameters, changed);
  call.ci().queue().update_runner(changed);
  return json(200, presenter(call).runner_detail(call.ci().queue().runner(id).value_or(changed)));
}

net::Response remove(Call& call) {
  call.ci().queue().remove_runner(runner_of(call).id);
  return no_content();
}

constexpr auto kRead = Scope::kReadApi;
constexpr auto kWrite = Scope::kApi;
constexpr Route kRoutes[] = {
    {"POST", "/user/runners", Who::kUser, kWrite, create},
    {"GET", "/runners", Who::kUser, kRead, own_runners},
    {"GET", "/runners/all", Who::kAdmin, kRead, all_runners},
    {"GET", "/runners/:runner_id", Who::kUser, kRead, runner},
    {"PUT", "/runners/:runner_id", Who::kUser, kWrite, edit},
    {"DELETE", "/runners/:runner_id", Who::kUser, kWrite, remove},
    {"GET", "/projects/:id/runners", Who::kUser, kRead, project_runners},
};

}  // namespace

std::vector<Route> runner_routes() { return {std::begin(kRoutes), std::end(kRoutes)}; }

}  // namespace slipway::gitlab
