#pragma once

// SageMaker Pipelines: DAG definitions and their durable executions.
//
// An execution is a history of events; decide.h says, purely, what to do next from the history.
// A step is recorded before what it starts is started, with a token that makes starting it again
// after a crash find the same job. Events in the outbox: PipelineExecution.Started,
// PipelineExecution.Succeeded, PipelineExecution.Failed, PipelineExecution.Stopped (subject: the
// execution's ARN; detail: PipelineName, DisplayName, Parameters, FailureReason, Step), and for
// Callback steps PipelineExecution.CallbackWaiting (PipelineName, Step, CallbackToken, SqsQueueUrl,
// Arguments).

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "endpoints/endpoints.h"
#include "functions/functions.h"
#include "iam/iam.h"
#include "jobs/jobs.h"
#include "models/models.h"
#include "objects/objects.h"
#include "store/database.h"
#include "store/outbox.h"
#include "wire/api.h"

namespace slipway::pipelines {

struct PipelinesOptions {
  std::string region;
  std::size_t unfinished_executions = 10'000;
  std::size_t workers = 8;  // threads that start steps
};

struct StartRequest {
  std::string pipeline;  // name or ARN
  std::map<std::string, std::string> parameters;
  std::string display_name;
  std::string description;
  std::string token;  // the same token starts once
};

struct ExecutionSummary {
  std::string arn;
  std::string pipeline;
  std::string display_name;
  std::string status;  // Executing, Stopping, Stopped, Failed, Succeeded
  std::string failure_reason;
  std::map<std::string, std::string> parameters;
  base::Millis started = 0;
  base::Millis modified = 0;
  std::optional<base::Millis> ended;
};

struct StepSummary {
  std::string name;
  std::string type;
  std::string
      status;  // Starting, Executing, Stopping, Stopped, Failed, Succeeded; or as steps_ahead
  std::string failure_reason;
  int attempts = 1;
  std::optional<base::Millis> ready, started, ended;
  Json metadata;  // ListPipelineExecutionSteps' Metadata
};

struct PipelineSummary {
  std::string name;
  std::string arn;
  std::string description;
  std::vector<std::string> parameters;  // names
  std::vector<std::string> steps;       // names
  base::Millis created = 0;
  base::Millis modified = 0;
};

// Thread-safe.
class Pipelines {
 public:
  // Consumes events of jobs, models and endpoints: construct before EventPump::start().
  Pipelines(store::Database& database, const base::Clock& clock, store::EventPump& events,
            objects::Objects& objects, jobs::Jobs& jobs, models::Models& models,
            endpoints::Endpoints& endpoints, functions::Functions& functions,
            PipelinesOptions options);
  ~Pipelines();  // stop()
  // Carries on with every unfinished execution.
  void start();
  void stop();

  // Returns the execution's ARN. Throws Error as StartPipelineExecution does.
  std::string start_execution(const std::string& account, const StartRequest& request);
  std::optional<ExecutionSummary> execution(const std::string& account,
                                            const std::string& arn) const;
  // Newest first.
  std::vector<ExecutionSummary> executions(const std::string& account, const std::string& pipeline,
                                           int limit) const;
  std::size_t count_executions(const std::string& account, const std::string& pipeline) const;
  std::vector<StepSummary> steps(const std::string& account, const std::string& execution) const;
  // Those that have not come to be: "Waiting", "Skipped" (it stands in a branch that is not taken,
  // or was not selected), "Unreached" (the execution ended before).
  std::vector<StepSummary> steps_ahead(const std::string& account,
                                       const std::string& execution) const;
  void stop_execution(const std::string& account, const std::string& arn);
  std::optional<PipelineSummary> pipeline(const std::string& account,
                                          const std::string& name) const;
  std::vector<PipelineSummary> list(const std::string& account) const;

 private:
  friend void register_pipelines_api(wire::Api& api, Pipelines& pipelines);
  struct State;
  std::unique_ptr<State> state_;
};

// The operations with Pipeline in their name (SageMaker).
void register_pipelines_api(wire::Api& api, Pipelines& pipelines);

}  // namespace slipway::pipelines
