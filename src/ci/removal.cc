#include "ci/removal.h"

#include <set>

#include "ci/record.h"
#include "ci/store.h"

namespace slipway::ci {
namespace {

constexpr std::int64_t kAtOnce = 50;  // pipelines

std::string key_of(Id project) { return "removed:" + std::to_string(project); }

}  // namespace

void remove_pipeline(const Workshop& workshop, const Pipeline& pipeline) {
  workshop.change([&](Machine& machine, store::Transaction& transaction) {
    if (!find_pipeline(transaction, pipeline.id)) return;
    machine.cancel_pipeline(pipeline.id);
    Json jobs = Json::array();
    for (const JobRow& row : rows_of(transaction, pipeline.id, true)) jobs.push_back(row.job.id);
    erase_pipeline(transaction, pipeline.id);
    insert(transaction,
           Task{.key = "deleted:" + std::to_string(pipeline.id),
                .kind = "files",
                .document = {{"traces", jobs},
                             {"artifacts", jobs},
                             {"project", pipeline.project},
                             {"ref", "refs/pipelines/" + std::to_string(pipeline.id)}}});
    transaction.after_commit(workshop.wakes.work);
  });
}

void record_removed(const Workshop& workshop, Id project) {
  workshop.change([&](Machine&, store::Transaction& transaction) {
    insert(transaction,
           Task{.key = key_of(project), .kind = "removed", .document = {{"project", project}}});
    transaction.after_commit(workshop.wakes.work);
  });
}

void record_all_removed(const Workshop& workshop) {
  std::set<Id> known;
  workshop.database.read([&](store::Reader& reader) {
    reader.query(
        "select project from ci_pipelines union select project from ci_schedules union "
        "select project from ci_triggers union "
        "select owner_id from ci_variables where owner = 'project'",
        {}, [&](const store::Row& row) { known.insert(row.integer(0)); });
  });
  for (const Id project : known) {
    if (!workshop.forge.project(project)) record_removed(workshop, project);
  }
}

void remove_some_of(const Workshop& workshop, Id project) {
  if (workshop.forge.project(project)) return;
  workshop.change([&](Machine&, store::Transaction& transaction) {
    transaction.execute("delete from ci_schedules where project = ?", {project});
    transaction.execute("delete from ci_triggers where project = ?", {project});
    transaction.execute("delete from ci_variables where owner = 'project' and owner_id = ?",
                        {project});
  });
  const auto found = workshop.database.read([&](store::Reader& reader) {
    return pipelines_where(reader, "where project = ? order by id desc limit ?",
                           {project, kAtOnce});
  });
  for (const Pipeline& pipeline : found) remove_pipeline(workshop, pipeline);
  if (!found.empty()) {
    workshop.change([&](Machine&, store::Transaction& transaction) {
      insert(transaction, Task{.key = key_of(project) + ":" + std::to_string(found.back().id),
                               .kind = "removed",
                               .document = {{"project", project}}});
    });
  }
}

}  // namespace slipway::ci
