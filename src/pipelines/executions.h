#pragma once

// Executions of pipelines: the operations on them, with inputs and outputs of the service model.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/catalog.h"
#include "pipelines/executor.h"
#include "pipelines/pipelines.h"
#include "pipelines/store.h"

namespace slipway::pipelines {

// Thread-safe.
class Executions {
 public:
  // The arguments outlive the object.
  Executions(const PipelineStore& store, const base::Clock& clock, const Catalog& catalog,
             Executor& executor, std::size_t most_unfinished);

  // `creator`: who is recorded as the one that asked; may be null.
  Json start(const std::string& account, const Json& input, const Json& creator);
  Json describe(const std::string& account, const Json& input) const;
  Json list(const std::string& account, const Json& input) const;
  Json list_steps(const std::string& account, const Json& input) const;
  Json list_parameters(const std::string& account, const Json& input) const;
  Json describe_definition(const std::string& account, const Json& input) const;
  Json stop(const std::string& account, const Json& input);
  Json retry(const std::string& account, const Json& input);
  Json update(const std::string& account, const Json& input);
  // SendPipelineExecutionStepSuccess and …Failure.
  Json answer(const std::string& account, const Json& input, bool success);

  std::optional<ExecutionSummary> summary(const std::string& account, const std::string& arn) const;
  // Newest first.
  std::vector<ExecutionSummary> summaries(const std::string& account, const std::string& pipeline,
                                          int limit) const;
  std::size_t count(const std::string& account, const std::string& pipeline) const;
  std::vector<StepSummary> steps(const std::string& account, const std::string& arn) const;
  // As Pipelines::steps_ahead().
  std::vector<StepSummary> steps_ahead(const std::string& account, const std::string& arn) const;

 private:
  store::Resource find(store::Reader& reader, const std::string& account,
                       const std::string& arn) const;
  std::optional<std::string> answered(const std::string& account, const std::string& request,
                                      const Json& input) const;
  std::unique_ptr<Run> load(const std::string& account, const std::string& arn) const;

  const PipelineStore& store_;
  const base::Clock& clock_;
  const Catalog& catalog_;
  Executor& executor_;
  const std::size_t most_unfinished_;
};

// The values of all parameters, of their types: what was given, otherwise the defaults. `given`:
// [{Name, Value}]. Throws Error{ValidationException} for one that is unknown, missing or wrong.
Json parameter_values(const Definition& definition, const Json& given);
// What a ClientRequestToken is good for: one operation on one pipeline, execution or callback, so
// that a token (a commit, a run's id) that comes again for another is not taken for a repetition.
std::string request_on(const std::string& operation, const std::string& what);
// The steps that have come to be, in their order.
std::vector<StepSummary> step_summaries(const Run& run);

}  // namespace slipway::pipelines
