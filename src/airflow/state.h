#pragma once

// What Airflow's parts share.

#include <string>

#include "airflow/airflow.h"
#include "airflow/rest.h"
#include "airflow/runs.h"
#include "airflow/tokens.h"

namespace slipway::airflow {

struct Airflow::State {
  State(store::Database& the_database, const base::Clock& the_clock, const iam::Iam& the_iam,
        pipelines::Pipelines& the_pipelines, AirflowOptions the_options)
      : database(the_database),
        clock(the_clock),
        iam(the_iam),
        pipelines(the_pipelines),
        options(std::move(the_options)),
        tokens(clock),
        runs(database, clock, pipelines),
        variables(database),
        rest(runs, variables, pipelines, options.version) {}

  std::optional<wire::Caller> authenticate(const net::RequestHead& head);
  net::Response command_line(const net::Request& request);
  net::Response web_login(const net::Request& request);
  Json health() const;

  store::Database& database;
  const base::Clock& clock;
  const iam::Iam& iam;
  pipelines::Pipelines& pipelines;
  const AirflowOptions options;
  Tokens tokens;
  Runs runs;
  Variables variables;
  Rest rest;
};

}  // namespace slipway::airflow
