#pragma once

// Airflow's stable REST API: version 1 (Airflow 2.x) and version 2 (3.x).
// airflow.apache.org/docs/apache-airflow/2.10.3/stable-rest-api-ref.html and …/3.0.0/…

#include <string>
#include <string_view>

#include "airflow/run_query.h"
#include "airflow/runs.h"
#include "airflow/variables.h"
#include "base/json.h"
#include "pipelines/pipelines.h"

namespace slipway::airflow {

enum class ApiVersion { kOne, kTwo };

struct RestRequest {
  std::string account;
  std::string method;
  std::string path;   // after /api/v1 or /api/v2: "/dags/tumour-training/dagRuns"
  std::string query;  // "limit=10"
  std::string body;   // JSON or empty
};
struct RestAnswer {
  int status = 200;
  Json body;
  std::string text;  // instead of the body, where a log is asked for as text
};

// Thread-safe.
class Rest {
 public:
  Rest(Runs& runs, Variables& variables, pipelines::Pipelines& pipelines, std::string version)
      : runs_(runs), variables_(variables), pipelines_(pipelines), version_(std::move(version)) {}
  // Never throws: errors are answers of the version's own form.
  RestAnswer answer(ApiVersion version, const RestRequest& request);

 private:
  RestAnswer dispatch(ApiVersion version, const RestRequest& request);
  RestAnswer variables(ApiVersion version, const RestRequest& request,
                       const std::vector<std::string>& parts);
  RestAnswer dags(ApiVersion version, const RestRequest& request);
  RestAnswer runs_of(ApiVersion version, const std::string& account,
                     const std::vector<std::string>& dags, const Parameters& parameters);
  RestAnswer dag_runs(ApiVersion version, const RestRequest& request, const std::string& dag);
  RestAnswer all_runs(ApiVersion version, const RestRequest& request);
  RestAnswer all_tasks(ApiVersion version, const RestRequest& request);
  RestAnswer trigger(ApiVersion version, const RestRequest& request, const std::string& dag);
  RestAnswer tasks(ApiVersion version, const RestRequest& request, const Run& run,
                   const std::vector<std::string>& rest);
  Json dag_json(ApiVersion version, const std::string& account,
                const pipelines::PipelineSummary& dag) const;

  Runs& runs_;
  Variables& variables_;
  pipelines::Pipelines& pipelines_;
  const std::string version_;
};

// A run as the API shows it.
Json run_json(ApiVersion version, const Run& run);

}  // namespace slipway::airflow
