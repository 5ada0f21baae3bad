#include "pipelines/pipelines.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pipelines/pipelines_state.h"

namespace slipway::pipelines {
namespace {

// What brings a waiting step on.
constexpr std::array<std::string_view, 10> kEvents{
    "TrainingJob.Completed",   "TrainingJob.Failed",   "TrainingJob.Stopped",
    "ProcessingJob.Completed", "ProcessingJob.Failed", "ProcessingJob.Stopped",
    "Endpoint.InService",      "Endpoint.Failed",      "Endpoint.RolledBack",
    "Endpoint.Deleted"};

}  // namespace

Pipelines::Pipelines(store::Database& database, const base::Clock& clock, store::EventPump& events,
                     objects::Objects& objects, jobs::Jobs& jobs, models::Models& models,
                     endpoints::Endpoints& endpoints, functions::Functions& functions,
                     PipelinesOptions options)
    : state_(std::make_unique<State>(
          database, clock, objects, jobs, models, endpoints,
          FunctionCaller{[&functions](const std::string& account, const std::string& name,
                                      const std::string& payload, const std::string& token) {
                           return functions.invoke_once(account, name, payload, token);
                         },
                         [&functions](const std::string& account, const std::string& token) {
                           functions.forget(account, token);
                         }},
          options)) {
  events.consume("pipelines", [state = state_.get()](const store::Event& event) {
    if (std::find(kEvents.begin(), kEvents.end(), event.type) == kEvents.end()) return;
    for (const Wait& wait : state->store.waits_for(event.subject)) {
      if (wait.open) state->executor.call(wait);
    }
  });
}

Pipelines::~Pipelines() { stop(); }

void Pipelines::start() {
  state_->catalog.finish_deletions();
  state_->executor.start();
}

void Pipelines::stop() { state_->executor.stop(); }

std::string Pipelines::start_execution(const std::string& account, const StartRequest& request) {
  Json input{{"PipelineName", request.pipeline}};
  for (const auto& [name, value] : request.parameters) {
    input["PipelineParameters"].push_back({{"Name", name}, {"Value", value}});
  }
  if (!request.display_name.empty()) input["PipelineExecutionDisplayName"] = request.display_name;
  if (!request.description.empty()) input["PipelineExecutionDescription"] = request.description;
  if (!request.token.empty()) input["ClientRequestToken"] = request.token;
  return base::text_or(state_->executions.start(account, input, nullptr), "PipelineExecutionArn");
}

std::optional<ExecutionSummary> Pipelines::execution(const std::string& account,
                                                     const std::string& arn) const {
  return state_->executions.summary(account, arn);
}

std::vector<ExecutionSummary> Pipelines::executions(const std::string& account,
                                                    const std::string& pipeline, int limit) const {
  return state_->executions.summaries(account, pipeline, limit);
}

std::vector<StepSummary> Pipelines::steps(const std::string& account,
                                          const std::string& execution) const {
  return state_->executions.steps(account, execution);
}

std::size_t Pipelines::count_executions(const std::string& account,
                                        const std::string& pipeline) const {
  return state_->executions.count(account, pipeline);
}

std::vector<StepSummary> Pipelines::steps_ahead(const std::string& account,
                                                const std::string& execution) const {
  return state_->executions.steps_ahead(account, execution);
}

void Pipelines::stop_execution(const std::string& account, const std::string& arn) {
  state_->executions.stop(account, {{"PipelineExecutionArn", arn}});
}

std::optional<PipelineSummary> Pipelines::pipeline(const std::string& account,
                                                   const std::string& name) const {
  return state_->catalog.summary(account, name);
}

std::vector<PipelineSummary> Pipelines::list(const std::string& account) const {
  return state_->catalog.summaries(account);
}

}  // namespace slipway::pipelines
