// The operations on the wire.

#include "pipelines/pipelines_state.h"

namespace slipway::pipelines {
namespace {

using ForCaller = Json (Catalog::*)(const wire::Caller&, const Json&);
using Change = Json (Catalog::*)(const std::string&, const Json&);
using Read = Json (Catalog::*)(const std::string&, const Json&) const;
using ChangeExecution = Json (Executions::*)(const std::string&, const Json&);
using ReadExecution = Json (Executions::*)(const std::string&, const Json&) const;

class Registration {
 public:
  Registration(wire::Api& api, Catalog& catalog, Executions& executions)
      : api_(api), catalog_(catalog), executions_(executions) {}

  void on(const char* operation, ForCaller run) {
    add(operation, [&catalog = catalog_, run](wire::Call& call) -> wire::Reply {
      return (catalog.*run)(call.caller, call.input);
    });
  }
  template <class Run>
  requires std::is_same_v<Run, Change> || std::is_same_v<Run, Read>
  void on(const char* operation, Run run) {
    add(operation, [&catalog = catalog_, run](wire::Call& call) -> wire::Reply {
      return (catalog.*run)(call.caller.account, call.input);
    });
  }
  template <class Run>
  requires std::is_same_v<Run, ChangeExecution> || std::is_same_v<Run, ReadExecution>
  void on(const char* operation, Run run) {
    add(operation, [&executions = executions_, run](wire::Call& call) -> wire::Reply {
      return (executions.*run)(call.caller.account, call.input);
    });
  }
  void add(const char* operation, wire::Operation run) {
    api_.on("sagemaker", operation, std::move(run));
  }

 private:
  wire::Api& api_;
  Catalog& catalog_;
  Executions& executions_;
};

}  // namespace

void register_pipelines_api(wire::Api& api, Pipelines& pipelines) {
  Executions& executions = pipelines.state_->executions;
  Registration operations(api, pipelines.state_->catalog, executions);
  operations.on("CreatePipeline", &Catalog::create);
  operations.on("UpdatePipeline", &Catalog::update);
  operations.on("DescribePipeline", &Catalog::describe);
  operations.on("DeletePipeline", &Catalog::remove);
  operations.on("ListPipelines", &Catalog::list);
  operations.on("ListPipelineVersions", &Catalog::list_versions);
  operations.on("UpdatePipelineVersion", &Catalog::update_version);
  operations.add("StartPipelineExecution", [&executions](wire::Call& call) -> wire::Reply {
    return executions.start(call.caller.account, call.input, user_context(call.caller));
  });
  operations.on("DescribePipelineExecution", &Executions::describe);
  operations.on("DescribePipelineDefinitionForExecution", &Executions::describe_definition);
  operations.on("ListPipelineExecutions", &Executions::list);
  operations.on("ListPipelineExecutionSteps", &Executions::list_steps);
  operations.on("ListPipelineParametersForExecution", &Executions::list_parameters);
  operations.on("StopPipelineExecution", &Executions::stop);
  operations.on("RetryPipelineExecution", &Executions::retry);
  operations.on("UpdatePipelineExecution", &Executions::update);
  operations.add("SendPipelineExecutionStepSuccess",
                 [&executions](wire::Call& call) -> wire::Reply {
                   return executions.answer(call.caller.account, call.input, true);
                 });
  operations.add("SendPipelineExecutionStepFailure",
                 [&executions](wire::Call& call) -> wire::Reply {
                   return executions.answer(call.caller.account, call.input, false);
                 });
}

}  // namespace slipway::pipelines
