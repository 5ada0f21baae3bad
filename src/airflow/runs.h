#pragma once

// DAG runs: which execution of a pipeline a run's id stands for.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/pipelines.h"
#include "store/database.h"

namespace slipway::airflow {

struct Run {
  std::string dag;
  std::string id;
  std::string execution;  // ARN; empty: recorded, and not started yet
  Json conf = Json::object();
  std::string note;
  base::Millis logical = 0;
  base::Millis queued = 0;
  pipelines::ExecutionSummary state;

  std::string status() const;  // "queued", "running", "success", "failed"
};

struct NewRun {
  std::string dag;
  std::string id;  // empty: manual__<time>
  Json conf = Json::object();
  std::string note;
  std::optional<base::Millis> logical;
};

// Thread-safe. Throws Error: "NotFound" (404), "Conflict" (409), "BadRequest" (400).
class Runs {
 public:
  Runs(store::Database& database, const base::Clock& clock, pipelines::Pipelines& pipelines);

  // Records the run and starts the pipeline with conf's members as parameters: a text as it is,
  // anything else as JSON. Recorded first; a run whose start a crash prevented is started when it
  // is next looked at, by the same token.
  Run trigger(const std::string& account, const NewRun& request);
  std::optional<Run> find(const std::string& account, const std::string& dag,
                          const std::string& id);
  // Newest first; also executions that were started in another way.
  std::vector<Run> list(const std::string& account, const std::string& dag, int limit);

  std::size_t count(const std::string& account, const std::string& dag) const;

  bool is_paused(const std::string& account, const std::string& dag) const;
  void set_paused(const std::string& account, const std::string& dag, bool paused);

 private:
  std::string start(const std::string& account, const Run& run);
  void complete(const std::string& account, Run& run);
  bool record(const std::string& account, Run& run, bool id_is_free);
  void forget(const std::string& account, const Run& run);
  bool refresh(const std::string& account, Run& run);

  store::Database& database_;
  const base::Clock& clock_;
  pipelines::Pipelines& pipelines_;
};

// The token with which a run starts its execution: the id itself where it may be one (32 to 128
// letters, digits and "-"), so that whoever else starts by this token means the same execution.
std::string start_token(const std::string& account, const std::string& dag, const std::string& id);

}  // namespace slipway::airflow
