#pragma once

// What MWAA's /aws_mwaa/cli runs: an allow-listed part of Airflow's command line over the same
// runs. Output is Airflow's own table form, or JSON with `--output json`.

#include <string>
#include <string_view>
#include <vector>

#include "airflow/runs.h"
#include "airflow/variables.h"
#include "pipelines/pipelines.h"

namespace slipway::airflow {

struct CommandResult {
  int exit_code = 0;
  std::string output;
  std::string error;
};

// What commands work on.
struct Workplace {
  Runs& runs;
  Variables& variables;
  pipelines::Pipelines& pipelines;
  const std::string& version;
};

// dags trigger | list | list-runs | state | pause | unpause, tasks list, variables set | get | list
// | delete, pause, unpause, trigger_dag, list_dags (Airflow 1.10's names), version. Never throws.
CommandResult run_command(const std::string& account, std::string_view line,
                          const Workplace& place);

// Words as a POSIX shell splits them: quotes, double quotes, backslash; no expansion. Throws
// Error{BadRequest} for a quote that is not closed.
std::vector<std::string> shell_words(std::string_view line);

// Rows under their heads, as Airflow prints them where it has no terminal.
std::string table(const std::vector<std::string>& heads,
                  const std::vector<std::vector<std::string>>& rows);

}  // namespace slipway::airflow
