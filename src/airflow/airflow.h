#pragma once

// Airflow's REST API (v1 of 2.x, v2 of 3.x) and MWAA's, over the pipelines' executions: what was
// written to trigger and poll DAG runs works unchanged. A DAG is a pipeline, a DAG run an
// execution, a task instance a step.
//
// MWAA environments are records with a name; the environment "slipway" is always there.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "iam/iam.h"
#include "net/server.h"
#include "pipelines/pipelines.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::airflow {

struct AirflowOptions {
  std::string region;
  // "127.0.0.1:4743": host and port of the TLS listener, as WebServerHostname; where it is empty,
  // that of the plain one.
  std::function<std::string()> web_server;
  std::chrono::seconds cli_token_life{60};
  std::string version = "2.10.3";  // that it says it is
};

// /api/v1/…, /api/v2/…, /auth/token, /health, /aws_mwaa/…. Basic authentication with an access key
// and its secret, a Bearer token from /auth/token or CreateCliToken, or the cookie of a session
// that began with CreateWebLoginToken's token at /aws_mwaa/login. Thread-safe.
class Airflow final : public net::Handler {
 public:
  Airflow(store::Database& database, const base::Clock& clock, const iam::Iam& iam,
          pipelines::Pipelines& pipelines, AirflowOptions options);
  ~Airflow() override;
  static bool takes(std::string_view path);
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

 private:
  net::Response answer(const net::Request& request);
  friend void register_mwaa_api(wire::Api& api, Airflow& airflow);
  struct State;
  std::unique_ptr<State> state_;
};

// MWAA's operations of wire/operations.txt.
void register_mwaa_api(wire::Api& api, Airflow& airflow);

}  // namespace slipway::airflow
