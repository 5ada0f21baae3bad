#include "ci/bridges.h"

#include <map>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "ci/merge_request.h"

namespace slipway::ci {
namespace {

constexpr int kDeepestChildren = 2;  // children of children
constexpr int kMostAlike = 2;        // pipelines of one project, ref and source, above
constexpr std::int64_t kMostInTree = 1000;
constexpr std::uint64_t kConfigurationLimit = 1u << 20;

// The pipeline and those above it, the nearest first.
std::vector<Pipeline> lineage(store::Reader& reader, Pipeline pipeline) {
  std::vector<Pipeline> all{std::move(pipeline)};
  while (static_cast<std::int64_t>(all.size()) < kMostInTree && all.back().upstream_job) {
    const auto job = find_job(reader, *all.back().upstream_job);
    if (!job) break;
    auto above = find_pipeline(reader, job->job.pipeline);
    if (!above) break;
    all.push_back(std::move(*above));
  }
  return all;
}

std::int64_t size_of_tree(store::Reader& reader, Id root) {
  std::vector<Id> open{root};
  std::int64_t size = 0;
  while (!open.empty() && size < kMostInTree) {
    const Id next = open.back();
    open.pop_back();
    ++size;
    reader.query(
        "select p.id from ci_pipelines p join ci_jobs j on p.upstream_job = j.id"
        " where j.pipeline = ?",
        {next}, [&](const store::Row& row) { open.push_back(row.integer(0)); });
  }
  return size;
}

}  // namespace

struct Bridges::Plan {
  const JobRow& row;
  const Pipeline& pipeline;
  const forge::User& user;
  bool child = false;
  std::optional<forge::Project> project;
  std::string ref;
};

std::string Bridges::obstacle(const Plan& plan) const {
  const forge::Identity identity = identity_of_user(plan.user);
  const forge::Forge& forge = workshop_.forge;
  if (!plan.project || !forge.can_read(&identity, *plan.project)) {
    return "downstream_bridge_project_not_found";
  }
  if (!plan.child && plan.project->id == plan.pipeline.project) return "invalid_bridge_trigger";
  std::vector<Pipeline> above;
  std::int64_t tree = 0;
  workshop_.database.read([&](store::Reader& reader) {
    above = lineage(reader, plan.pipeline);
    tree = size_of_tree(reader, above.back().id);
  });
  if (plan.child) {
    int ancestors = 0;
    for (const Pipeline& each : above) {
      ++ancestors;
      if (!each.parent) break;
    }
    if (ancestors > kDeepestChildren) return "reached_max_descendant_pipelines_depth";
  }
  if (tree >= kMostInTree) return "reached_max_pipeline_hierarchy_size";
  const bool by_branch = !plan.child || !plan.pipeline.tag;
  if (forge.access(identity, *plan.project) < forge::Access::kDeveloper ||
      (by_branch && !forge.can_push(identity, *plan.project, "refs/heads/" + plan.ref))) {
    return "insufficient_bridge_permissions";
  }
  if (!plan.child) {
    std::map<std::tuple<Id, std::string, std::string>, int> alike;
    for (const Pipeline& each : above) {
      if (each.parent) continue;
      if (++alike[{each.project, each.ref, each.source}] > kMostAlike) {
        return "pipeline_loop_detected";
      }
    }
  }
  return "";
}

std::optional<std::string> Bridges::read_artifact(Id pipeline, const std::string& name,
                                                  const std::string& path) const {
  std::optional<Job> source;
  workshop_.database.read([&](store::Reader& reader) {
    for (JobRow& row : rows_of(reader, pipeline, false)) {
      if (row.job.spec.name == name) source = std::move(row.job);
    }
  });
  const auto archive = source ? artifacts_.path(*source, "archive") : std::nullopt;
  if (!archive) return std::nullopt;
  return read_from_archive(*archive, path, kConfigurationLimit);
}

void Bridges::run(Id id) const {
  std::optional<JobRow> row;
  std::optional<Pipeline> pipeline;
  workshop_.database.read([&](store::Reader& reader) {
    row = find_job(reader, id);
    if (row) pipeline = find_pipeline(reader, row->job.pipeline);
  });
  if (!row || !pipeline || !row->job.is_bridge()) return;
  if (row->job.status != Status::kPending || row->job.downstream) return;
  const auto user = workshop_.forge.user(row->job.user);
  if (!user) return fail(id, "insufficient_bridge_permissions", "");
  const ci_config::TriggerSpec& trigger = *row->job.spec.trigger;
  Plan plan{.row = *row, .pipeline = *pipeline, .user = *user, .project = {}, .ref = ""};
  plan.child = trigger.project.empty();
  const Variables known = variables_.of(*row, *pipeline);
  if (plan.child) {
    plan.project = workshop_.forge.project(pipeline->project);
    plan.ref = pipeline->ref;
  } else {
    plan.project = workshop_.forge.project_at(ci_config::expand(trigger.project, known, false));
    plan.ref = ci_config::expand(trigger.branch, known, false);
    if (plan.ref.empty() && plan.project) plan.ref = plan.project->default_branch;
  }
  const std::string reason = obstacle(plan);
  if (!reason.empty()) return fail(id, reason, "");
  Making making;
  making.may_skip = false;
  NewPipeline& request = making.request;
  request.project = plan.project->id;
  request.ref = plan.ref;
  request.source = plan.child ? "parent_pipeline" : "pipeline";
  request.once = "bridge:" + std::to_string(id) + ":" + std::to_string(row->job.attempt);
  request.upstream_job = id;
  try {
    request.variables = variables_.passed_on(*row, *pipeline);
    if (plan.child) {
      request.ref = full_ref(pipeline->ref, pipeline->tag);
      request.sha = pipeline->sha;
      request.before_sha = pipeline->before_sha;
      request.parent = pipeline->id;
      request.merge_request = merge_request_of(*pipeline);
      const Json& given = trigger.include;
      request.configuration =
          base::dump_json({{"include", given.is_array() ? given : Json::array({given})}});
      making.read_artifact = [this, parent = pipeline->id](const std::string& job,
                                                           const std::string& path) {
        return read_artifact(parent, job, path);
      };
    }
    creation_.create(*user, making);
  } catch (const Error& error) {
    if (error.code() == "Conflict") return;  // it was canceled meanwhile
    if (error.code() != "Invalid") throw;
    fail(id, "downstream_pipeline_creation_failed", error.message());
  }
}

void Bridges::fail(Id bridge, const std::string& reason, const std::string& message) const {
  workshop_.change([&](Machine& machine) {
    machine.finish(bridge, {.status = Status::kFailed,
                            .reason = reason,
                            .message = message,
                            .exit_code = std::nullopt});
  });
}

void Bridges::give_up(Id bridge, const std::string& why) const {
  log(Level::kError, "a trigger job failed for a reason of ours",
      {{"job", bridge}, {"reason", why}});
  fail(bridge, "data_integrity_failure", "");
}

}  // namespace slipway::ci
