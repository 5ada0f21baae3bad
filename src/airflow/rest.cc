#include "airflow/rest.h"

#include <algorithm>
#include <set>

#include "airflow/rest_answers.h"
#include "airflow/run_query.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

// What has version 2 of the API.
constexpr const char* kNewest = "3.0.6";

// Of one DAG, where a list is filtered or ordered; beyond them the oldest are left out.
constexpr std::size_t kMostRuns = 10'000;
// Names in one request, each of which is looked up.
constexpr std::size_t kMostAsked = 1000;

Json time(base::Millis at) { return at == 0 ? Json(nullptr) : Json(base::iso8601_millis(at)); }

std::string title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    default:
      return "Internal Server Error";
  }
}

// FastAPI's form for a body that does not fit.
RestAnswer unprocessable(const std::string& type, const std::string& member,
                         const std::string& message, const Json& input) {
  return {
      422,
      {{"detail",
        Json::array(
            {{{"type", type}, {"loc", {"body", member}}, {"msg", message}, {"input", input}}})}},
      ""};
}

Json task_state(const std::string& status) {
  if (status == "Succeeded") return "success";
  if (status == "Failed" || status == "Stopped") return "failed";
  if (status == "Waiting") return nullptr;
  if (status == "Skipped") return "skipped";
  if (status == "Unreached") return "upstream_failed";
  return status == "Starting" ? "queued" : "running";
}

// Every step of the run's DAG: a task instance is there from the run's beginning, and who waits for
// one asks for it before it has begun.
std::vector<pipelines::StepSummary> tasks_of(const pipelines::Pipelines& pipelines,
                                             const std::string& account, const Run& run) {
  if (run.execution.empty()) return {};  // still queued
  auto steps = pipelines.steps(account, run.execution);
  for (auto& step : pipelines.steps_ahead(account, run.execution)) {
    // It may have begun since the first look.
    const bool known = std::any_of(steps.begin(), steps.end(),
                                   [&](const auto& each) { return each.name == step.name; });
    if (!known) steps.push_back(std::move(step));
  }
  return steps;
}

Json task_json(const Run& run, const pipelines::StepSummary& step) {
  const base::Millis start = step.started.value_or(0), end = step.ended.value_or(0);
  Json task{{"task_id", step.name},
            {"task_display_name", step.name},
            {"dag_id", run.dag},
            {"dag_run_id", run.id},
            {"execution_date", time(run.logical)},
            {"logical_date", time(run.logical)},
            {"queued_when", time(step.ready.value_or(0))},
            {"start_date", time(start)},
            {"end_date", time(end)},
            {"state", task_state(step.status)},
            {"try_number", step.attempts},
            {"max_tries", step.attempts},
            {"map_index", -1},
            {"operator", step.type},
            {"hostname", ""},
            {"note", step.failure_reason.empty() ? Json(nullptr) : Json(step.failure_reason)}};
  task["duration"] =
      start != 0 && end != 0 ? Json(static_cast<double>(end - start) / 1000) : Json(nullptr);
  return task;
}

// What is known of a step, and where its own lines are.
std::string task_log(const pipelines::StepSummary& step) {
  std::string text = "step " + step.name + " (" + step.type + ") is " + step.status + "\n";
  if (step.metadata.is_object())
    for (const auto& [kind, value] : step.metadata.items()) {
      const std::string arn = base::text_or(value, "Arn");
      if (!arn.empty())
        text += kind + " " + arn + "\nits log: slipway logs " + base::name_of(arn) + "\n";
    }
  if (!step.failure_reason.empty()) text += step.failure_reason + "\n";
  return text;
}

// Version 2 gives one object for each line.
Json log_content(ApiVersion version, const std::string& text) {
  if (version == ApiVersion::kOne) return text;
  Json lines = Json::array();
  for (const std::string& line : base::split(text, '\n'))
    if (!line.empty()) lines.push_back({{"timestamp", nullptr}, {"event", line}});
  return lines;
}

}  // namespace

RestAnswer failure(ApiVersion version, int status, const std::string& detail) {
  if (version == ApiVersion::kTwo) return {status, {{"detail", detail}}, ""};
  return {
      status,
      {{"detail", detail},
       {"status", status},
       {"title", title_of(status)},
       {"type", "https://airflow.apache.org/docs/apache-airflow/2.10.3/stable-rest-api-ref.html"}},
      ""};
}

Json run_json(ApiVersion version, const Run& run) {
  const base::Millis start = run.state.started, end = run.state.ended.value_or(0);
  Json json{{"conf", run.conf},
            {"dag_id", run.dag},
            {"dag_run_id", run.id},
            {"data_interval_start", time(run.logical)},
            {"data_interval_end", time(run.logical)},
            {"logical_date", time(run.logical)},
            {"start_date", time(start)},
            {"end_date", time(end)},
            {"last_scheduling_decision", time(run.state.modified)},
            {"run_type", "manual"},
            {"state", run.status()},
            {"note", run.note.empty() ? Json(nullptr) : Json(run.note)}};
  if (version == ApiVersion::kOne) {
    json["execution_date"] = time(run.logical);
    json["external_trigger"] = true;
  } else {
    json["run_after"] = time(run.logical);
    json["queued_at"] = time(run.queued);
    json["duration"] =
        start != 0 && end != 0 ? Json(static_cast<double>(end - start) / 1000) : Json(nullptr);
    json["triggered_by"] = "rest_api";
    json["triggering_user_name"] = nullptr;
    json["dag_versions"] = Json::array();
    json["bundle_version"] = nullptr;
    json["dag_display_name"] = run.dag;
  }
  return json;
}

RestAnswer Rest::answer(ApiVersion version, const RestRequest& request) {
  try {
    return dispatch(version, request);
  } catch (const Error& error) {
    const int status = error.status() >= 500 ? 500 : error.status();
    return failure(version, status, error.message());
  }
}

RestAnswer Rest::dispatch(ApiVersion version, const RestRequest& request) {
  std::vector<std::string> parts;
  for (const std::string& part : base::split(request.path, '/'))
    if (!part.empty()) parts.push_back(base::percent_decode(part));
  if (parts.empty()) return failure(version, 404, "not found");
  if (parts[0] == "version") {
    const bool other = version == ApiVersion::kTwo && !version_.starts_with("3");
    return {200, {{"version", other ? kNewest : version_.c_str()}, {"git_version", nullptr}}, ""};
  }
  if (parts[0] == "importErrors")
    return {200, {{"import_errors", Json::array()}, {"total_entries", 0}}, ""};
  if (parts[0] == "variables") return variables(version, request, parts);
  if (parts[0] != "dags") return failure(version, 404, "not found");
  if (parts.size() == 1) {
    if (request.method != "GET") return failure(version, 405, "Method Not Allowed");
    return dags(version, request);
  }
  const std::string& dag = parts[1];
  if (dag == "~" && parts.size() >= 3 && parts[2] == "dagRuns") {
    const bool listed = parts.size() == 4 && parts[3] == "list" && request.method == "POST";
    if (listed || (parts.size() == 3 && request.method == "GET")) return all_runs(version, request);
    const bool of_tasks = parts.size() == 6 && parts[3] == "~" && parts[4] == "taskInstances";
    if (of_tasks && parts[5] == "list" && request.method == "POST")
      return all_tasks(version, request);
    return failure(version, 405, "Method Not Allowed");
  }
  const auto pipeline = pipelines_.pipeline(request.account, dag);
  if (!pipeline) return failure(version, 404, "DAG with dag_id: '" + dag + "' not found");
  if (parts.size() == 2 || (parts.size() == 3 && parts[2] == "details")) {
    if (request.method == "PATCH") {
      const Json body = base::parse_json(request.body, "body");
      if (body.contains("is_paused"))
        runs_.set_paused(request.account, dag, base::boolean_or(body, "is_paused", false));
    } else if (request.method != "GET") {
      return failure(version, 405, "Method Not Allowed");
    }
    return {200, dag_json(version, request.account, *pipeline), ""};
  }
  if (parts[2] != "dagRuns") return failure(version, 404, "not found");
  if (parts.size() == 3) return dag_runs(version, request, dag);
  const auto run = runs_.find(request.account, dag, parts[3]);
  if (!run)
    return failure(version, 404,
                   "DAGRun with DAG ID: '" + dag + "' and DagRun ID: '" + parts[3] + "' not found");
  if (parts.size() > 4) return tasks(version, request, *run, {parts.begin() + 4, parts.end()});
  if (request.method == "PATCH") {
    const std::string state = base::text_or(base::parse_json(request.body, "body"), "state");
    if (state != "failed")
      return failure(version, 400, "a run can only be set to 'failed', which stops it");
    pipelines_.stop_execution(request.account, run->execution);
    return {200, run_json(version, *runs_.find(request.account, dag, parts[3])), ""};
  }
  if (request.method != "GET") return failure(version, 405, "Method Not Allowed");
  return {200, run_json(version, *run), ""};
}

RestAnswer Rest::dags(ApiVersion version, const RestRequest& request) {
  const Parameters parameters = base::parse_query(request.query);
  const PageQuery page = page_query(parameters);
  std::string pattern;
  std::string paused;
  bool descending = false;
  for (const auto& [name, value] : parameters) {
    if (name == "dag_id_pattern") pattern = base::lower(base::replace_all(value, "%", ""));
    if (name == "paused") paused = base::lower(value);
    if (name == "order_by") descending = value.starts_with('-');
  }
  std::vector<Json> all;
  for (const auto& dag : pipelines_.list(request.account)) {
    if (base::lower(dag.name).find(pattern) == std::string::npos) continue;
    Json json = dag_json(version, request.account, dag);
    if (!paused.empty() && json["is_paused"] != (paused == "true")) continue;
    all.push_back(std::move(json));
  }
  if (descending) std::reverse(all.begin(), all.end());
  const std::size_t count = all.size();
  return {200, {{"dags", page_of(std::move(all), page)}, {"total_entries", count}}, ""};
}

// Of the DAGs: the runs that are asked for.
RestAnswer Rest::runs_of(ApiVersion version, const std::string& account,
                         const std::vector<std::string>& dags, const Parameters& parameters) {
  const RunQuery query = run_query(parameters);
  const std::size_t enough =
      query.wants_newest() ? std::min(query.page.offset + query.page.limit, kMostRuns) : kMostRuns;
  std::vector<Run> all;
  std::size_t count = 0;
  for (const std::string& dag : dags) {
    for (Run& run : runs_.list(account, dag, static_cast<int>(enough)))
      all.push_back(std::move(run));
    if (query.wants_newest()) count += runs_.count(account, dag);
  }
  all = chosen(std::move(all), query);
  if (!query.wants_newest()) count = all.size();
  Json list = Json::array();
  for (const Run& run : page_of(std::move(all), query.page)) list.push_back(run_json(version, run));
  return {200, {{"dag_runs", std::move(list)}, {"total_entries", count}}, ""};
}

RestAnswer Rest::dag_runs(ApiVersion version, const RestRequest& request, const std::string& dag) {
  if (request.method == "POST") return trigger(version, request, dag);
  if (request.method != "GET") return failure(version, 405, "Method Not Allowed");
  return runs_of(version, request.account, {dag}, base::parse_query(request.query));
}

// Of every DAG, or of those that the body names.
RestAnswer Rest::all_runs(ApiVersion version, const RestRequest& request) {
  const Json body = base::try_parse_json(request.body).value_or(Json::object());
  const Json wanted = base::array_or_empty(body, "dag_ids");
  std::vector<std::string> dags;
  if (wanted.empty()) {
    for (const auto& dag : pipelines_.list(request.account)) dags.push_back(dag.name);
  }
  // Asked for one by one: a list reads the definitions of all, and jobs poll this.
  if (wanted.size() > kMostAsked) return failure(version, 400, "more dag_ids than 1000");
  for (const Json& name : std::set<Json>(wanted.begin(), wanted.end())) {
    if (!name.is_string()) continue;
    const auto dag = pipelines_.pipeline(request.account, name.get<std::string>());
    if (dag && dag->name == name) dags.push_back(dag->name);
  }
  Parameters parameters = base::parse_query(request.query);
  if (body.is_object())
    for (auto& each : parameters_of_body(body)) parameters.push_back(std::move(each));
  return runs_of(version, request.account, dags, parameters);
}

// Of the runs that the body names: MWAA's own call takes paths of at most 64 characters, too few
// for a long DAG name with a long run id.
RestAnswer Rest::all_tasks(ApiVersion version, const RestRequest& request) {
  const Json body = base::try_parse_json(request.body).value_or(Json::object());
  const Json dags = base::array_or_empty(body, "dag_ids");
  const Json ids = base::array_or_empty(body, "dag_run_ids");
  if (dags.size() * ids.size() > kMostAsked)
    return failure(version, 400, "more runs are asked for than 1000");
  Json all = Json::array();
  for (const Json& dag : dags) {
    for (const Json& id : ids) {
      if (!dag.is_string() || !id.is_string()) continue;
      const auto run = runs_.find(request.account, dag.get<std::string>(), id.get<std::string>());
      if (!run) continue;
      for (const auto& step : tasks_of(pipelines_, request.account, *run))
        all.push_back(task_json(*run, step));
    }
  }
  const std::size_t count = all.size();
  return {200, {{"task_instances", std::move(all)}, {"total_entries", count}}, ""};
}

RestAnswer Rest::trigger(ApiVersion version, const RestRequest& request, const std::string& dag) {
  static const std::set<std::string> kOne{
      "dag_run_id",        "conf", "logical_date", "execution_date", "data_interval_start",
      "data_interval_end", "note", "state"};
  static const std::set<std::string> kTwo{
      "dag_run_id",        "conf", "logical_date", "run_after", "data_interval_start",
      "data_interval_end", "note"};
  const auto body = base::try_parse_json(request.body.empty() ? "{}" : request.body);
  if (!body || !body->is_object()) return failure(version, 400, "the body must be a JSON object");
  for (const auto& [key, value] : body->items()) {
    if (version == ApiVersion::kTwo && !kTwo.contains(key))
      return unprocessable("extra_forbidden", key, "Extra inputs are not permitted", value);
    if (version == ApiVersion::kOne && !kOne.contains(key))
      return failure(version, 400, "{'" + key + "': ['Unknown field.']}");
  }
  if (version == ApiVersion::kTwo && !body->contains("logical_date"))
    return unprocessable("missing", "logical_date", "Field required", *body);
  for (const char* member : {"dag_run_id", "note"}) {
    const auto found = body->find(member);
    if (found == body->end() || found->is_null() || found->is_string()) continue;
    if (version == ApiVersion::kTwo)
      return unprocessable("string_type", member, "Input should be a valid string", *found);
    return failure(version, 400,
                   base::dump_json(*found) + " is not of type 'string' - '" + member + "'");
  }
  NewRun run;
  run.dag = dag;
  run.id = base::text_or(*body, "dag_run_id");
  run.note = base::text_or(*body, "note");
  if (body->contains("conf") && !(*body)["conf"].is_null()) run.conf = (*body)["conf"];
  if (version == ApiVersion::kTwo && !run.conf.is_object())
    return unprocessable("dict_type", "conf", "Input should be a valid dictionary", run.conf);
  for (const char* member : {"execution_date", "logical_date"}) {
    const std::string text = base::text_or(*body, member);
    if (text.empty()) continue;
    run.logical = base::parse_iso8601(text);
    if (!run.logical && version == ApiVersion::kTwo)
      return unprocessable("datetime_from_date_parsing", member, "Input should be a valid datetime",
                           text);
    if (!run.logical)
      return failure(version, 400, std::string("'") + member + "' is not an ISO 8601 time");
  }
  return {200, run_json(version, runs_.trigger(request.account, run)), ""};
}

RestAnswer Rest::tasks(ApiVersion version, const RestRequest& request, const Run& run,
                       const std::vector<std::string>& rest) {
  if (rest[0] != "taskInstances" || request.method != "GET")
    return failure(version, 404, "not found");
  const auto steps = tasks_of(pipelines_, request.account, run);
  if (rest.size() == 1) {
    Json list = Json::array();
    for (const auto& step : steps) list.push_back(task_json(run, step));
    const std::size_t count = list.size();
    return {200, {{"task_instances", std::move(list)}, {"total_entries", count}}, ""};
  }
  for (const auto& step : steps) {
    if (step.name != rest[1]) continue;
    if (rest.size() == 2) return {200, task_json(run, step), ""};
    if (rest[2] == "logs")
      return {200,
              {{"content", log_content(version, task_log(step))}, {"continuation_token", nullptr}},
              task_log(step)};
    if (rest[2] == "xcomEntries")
      return {200, {{"xcom_entries", Json::array()}, {"total_entries", 0}}, ""};
  }
  return failure(version, 404,
                 "The Task Instance with dag_id: `" + run.dag + "`, run_id: `" + run.id +
                     "` and task_id: `" + rest[1] + "` was not found");
}

Json Rest::dag_json(ApiVersion version, const std::string& account,
                    const pipelines::PipelineSummary& dag) const {
  Json json{{"dag_id", dag.name},
            {"dag_display_name", dag.name},
            {"description", dag.description.empty() ? Json(nullptr) : Json(dag.description)},
            {"is_paused", runs_.is_paused(account, dag.name)},
            {"fileloc", dag.arn},
            {"owners", {"slipway"}},
            {"tags", Json::array()},
            {"max_active_tasks", 16},
            {"max_active_runs", 16},
            {"has_import_errors", false},
            {"timetable_description", "Never, external triggers only"},
            {"last_parsed_time", time(dag.modified)}};
  if (version == ApiVersion::kOne) {
    json["is_active"] = true;
    json["is_subdag"] = false;
    json["schedule_interval"] = nullptr;
  } else {
    json["is_stale"] = false;
    json["bundle_name"] = "slipway";
  }
  return json;
}

}  // namespace slipway::airflow
