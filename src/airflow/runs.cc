#include "airflow/runs.h"

#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

constexpr std::string_view kOfOthers = "execution__";  // run ids
constexpr const char* kColumns = "dag, run_id, execution, conf, note, logical, queued";

Run run_of(const store::Row& row) {
  Run run;
  run.dag = row.text(0);
  run.id = row.text(1);
  run.execution = row.text(2);
  run.conf = base::try_parse_json(row.text(3)).value_or(Json::object());
  run.note = row.text(4);
  run.logical = row.integer(5);
  run.queued = row.integer(6);
  return run;
}

std::map<std::string, std::string> parameters_of(const Json& conf) {
  std::map<std::string, std::string> parameters;
  for (const auto& [key, value] : conf.items())
    parameters[key] = value.is_string() ? value.get<std::string>() : base::dump_json(value);
  return parameters;
}

// An execution that was started in another way.
Run run_of(const std::string& dag, const pipelines::ExecutionSummary& execution) {
  Run run;
  run.dag = dag;
  run.id = std::string(kOfOthers) + base::name_of(execution.arn);
  run.execution = execution.arn;
  for (const auto& [name, value] : execution.parameters) run.conf[name] = value;
  run.logical = run.queued = execution.started;
  run.state = execution;
  return run;
}

std::string id_of(base::Millis logical) { return "manual__" + base::iso8601_millis(logical); }

}  // namespace

std::string Run::status() const {
  if (execution.empty() || state.status.empty()) return "queued";
  if (state.status == "Executing" || state.status == "Stopping") return "running";
  return state.status == "Succeeded" ? "success" : "failed";
}

std::string start_token(const std::string& account, const std::string& dag, const std::string& id) {
  const bool fits = id.size() >= 32 && id.size() <= 128 &&
                    id.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == std::string::npos;
  return fits ? id : "airflow-" + base::sha256_hex(account + "/" + dag + "/" + id);
}

Runs::Runs(store::Database& database, const base::Clock& clock, pipelines::Pipelines& pipelines)
    : database_(database), clock_(clock), pipelines_(pipelines) {
  database_.migrate(
      {"create table if not exists airflow_runs (account text not null, dag text not null, "
       "run_id text not null, execution text not null, conf text not null, note text not null, "
       "logical bigint not null, queued bigint not null, primary key (account, dag, run_id))",
       "create index if not exists airflow_runs_queued on airflow_runs (account, dag, queued)",
       "create table if not exists airflow_paused (account text not null, dag text not null, "
       "primary key (account, dag))"});
}

Run Runs::trigger(const std::string& account, const NewRun& request) {
  if (!pipelines_.pipeline(account, request.dag))
    throw Error("NotFound", "DAG with dag_id: '" + request.dag + "' not found", 404);
  if (!request.conf.is_object()) throw Error("BadRequest", "'conf' must be an object", 400);
  Run run;
  run.dag = request.dag;
  run.queued = clock_.now();
  run.logical = request.logical.value_or(run.queued);
  run.id = request.id.empty() ? id_of(run.logical) : request.id;
  run.conf = request.conf;
  run.note = request.note;
  if (!record(account, run, request.id.empty() && !request.logical)) {
    // A crash may have come between its record and its start.
    find(account, run.dag, run.id);
    throw Error(
        "Conflict",
        "DAGRun with DAG ID: '" + run.dag + "' and DAGRun ID: '" + run.id + "' already exists",
        409);
  }
  try {
    complete(account, run);
  } catch (const Error&) {
    // Refused, so it never was a run: a parameter that the pipeline does not know, for example.
    forget(account, run);
    throw;
  }
  return run;
}

// False where there is such a run. Where the time alone makes the id, two at a time get two.
bool Runs::record(const std::string& account, Run& run, bool id_is_free) {
  bool recorded = false;
  database_.write([&](store::Transaction& transaction) {
    for (int tries = id_is_free ? 1000 : 1; tries > 0 && !recorded; --tries) {
      recorded = transaction.execute(
                     "insert into airflow_runs (account, dag, run_id, execution, conf, note, "
                     "logical, queued) values (?, ?, ?, '', ?, ?, ?, ?) on conflict do nothing",
                     {account, run.dag, run.id, base::dump_json(run.conf), run.note, run.logical,
                      run.queued}) != 0;
      if (!recorded && id_is_free) run.id = id_of(++run.logical);
    }
  });
  return recorded;
}

void Runs::forget(const std::string& account, const Run& run) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        "delete from airflow_runs where account = ? and dag = ? and run_id = ? and execution = ?",
        {account, run.dag, run.id, run.execution});
  });
}

std::string Runs::start(const std::string& account, const Run& run) {
  pipelines::StartRequest request;
  request.pipeline = run.dag;
  request.parameters = parameters_of(run.conf);
  request.token = start_token(account, run.dag, run.id);
  for (const char letter : run.id.substr(0, 80)) {
    const bool fits = std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (fits || !request.display_name.empty()) request.display_name += fits ? letter : '-';
  }
  request.description = run.note;
  return pipelines_.start_execution(account, request);
}

void Runs::complete(const std::string& account, Run& run) {
  if (run.execution.empty()) {
    run.execution = start(account, run);
    database_.write([&](store::Transaction& transaction) {
      transaction.execute(
          "update airflow_runs set execution = ? where account = ? and dag = ? and run_id = ?",
          {run.execution, account, run.dag, run.id});
    });
  }
  if (auto state = pipelines_.execution(account, run.execution)) run.state = std::move(*state);
}

// Brings a record up to date; false where there is no such run any more: its start is refused now,
// or its execution went away with the pipeline.
bool Runs::refresh(const std::string& account, Run& run) {
  try {
    complete(account, run);
  } catch (const Error& error) {
    if (error.code() == "ResourceLimitExceeded") return true;  // still queued
    if (error.status() >= 500) throw;
  }
  if (!run.state.arn.empty()) return true;
  forget(account, run);
  return false;
}

std::optional<Run> Runs::find(const std::string& account, const std::string& dag,
                              const std::string& id) {
  std::optional<Run> run;
  database_.read([&](store::Reader& reader) {
    reader.query("select " + std::string(kColumns) +
                     " from airflow_runs where account = ? and dag = ? and run_id = ?",
                 {account, dag, id}, [&](const store::Row& row) { run = run_of(row); });
  });
  if (run) return refresh(account, *run) ? run : std::nullopt;
  // Started in another way.
  const auto pipeline = pipelines_.pipeline(account, dag);
  if (!pipeline || !id.starts_with(kOfOthers)) return std::nullopt;
  const auto execution =
      pipelines_.execution(account, pipeline->arn + "/execution/" + id.substr(kOfOthers.size()));
  if (!execution || execution->pipeline != pipeline->name) return std::nullopt;
  return run_of(dag, *execution);
}

std::vector<Run> Runs::list(const std::string& account, const std::string& dag, int limit) {
  std::vector<Run> runs;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select " + std::string(kColumns) +
            " from airflow_runs where account = ? and dag = ? order by queued desc limit ?",
        {account, dag, static_cast<std::int64_t>(limit)},
        [&](const store::Row& row) { runs.push_back(run_of(row)); });
  });
  std::erase_if(runs, [&](Run& run) { return !refresh(account, run); });
  std::set<std::string> known;
  for (const Run& run : runs) known.insert(run.execution);
  for (const pipelines::ExecutionSummary& execution : pipelines_.executions(account, dag, limit)) {
    if (known.contains(execution.arn)) continue;
    runs.push_back(run_of(dag, execution));
  }
  std::stable_sort(runs.begin(), runs.end(),
                   [](const Run& a, const Run& b) { return a.queued > b.queued; });
  if (runs.size() > static_cast<std::size_t>(limit)) runs.resize(static_cast<std::size_t>(limit));
  return runs;
}

// Executions, and what is recorded and has none yet.
std::size_t Runs::count(const std::string& account, const std::string& dag) const {
  std::int64_t queued = 0;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select count(*) from airflow_runs where account = ? and dag = ? and execution = ''",
        {account, dag}, [&](const store::Row& row) { queued = row.integer(0); });
  });
  return pipelines_.count_executions(account, dag) + static_cast<std::size_t>(queued);
}

bool Runs::is_paused(const std::string& account, const std::string& dag) const {
  bool paused = false;
  database_.read([&](store::Reader& reader) {
    reader.query("select 1 from airflow_paused where account = ? and dag = ?", {account, dag},
                 [&](const store::Row&) { paused = true; });
  });
  return paused;
}

void Runs::set_paused(const std::string& account, const std::string& dag, bool paused) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        paused ? "insert into airflow_paused (account, dag) values (?, ?) on conflict do nothing"
               : "delete from airflow_paused where account = ? and dag = ?",
        {account, dag});
  });
}

}  // namespace slipway::airflow
