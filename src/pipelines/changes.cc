// The operations that change an execution under way. Each is carried out by the executor,
// between two decisions.

#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "pipelines/executions.h"

namespace slipway::pipelines {
namespace {

using base::text_or;

int parallelism_in(const Json& input) {
  return static_cast<int>(base::integer_or(base::object_or_empty(input, "ParallelismConfiguration"),
                                           "MaxParallelExecutionSteps", 0));
}

}  // namespace

Json Executions::stop(const std::string& account, const Json& input) {
  const std::string arn = text_or(input, "PipelineExecutionArn");
  const std::string request = request_on("StopPipelineExecution", arn);
  if (answered(account, request, input)) return {{"PipelineExecutionArn", arn}};
  const store::Resource execution =
      store_.database().read([&](store::Reader& reader) { return find(reader, account, arn); });
  executor_.command({account, execution.name}, request_stop, [&](store::Transaction& transaction) {
    store_.remember(transaction, account, request, text_or(input, "ClientRequestToken"),
                    execution.parent, arn);
  });
  return {{"PipelineExecutionArn", arn}};
}

Json Executions::retry(const std::string& account, const Json& input) {
  const std::string arn = text_or(input, "PipelineExecutionArn");
  const std::string request = request_on("RetryPipelineExecution", arn);
  if (answered(account, request, input)) return {{"PipelineExecutionArn", arn}};
  const store::Resource execution = store_.database().read([&](store::Reader& reader) {
    store::Resource found = find(reader, account, arn);
    catalog_.find(reader, account, found.parent);  // throws where it is being deleted
    return found;
  });
  const int parallelism = parallelism_in(input);
  executor_.command(
      {account, execution.name},
      [parallelism](Run& run, base::Millis now, Decision& decision) {
        request_retry(run, parallelism, now, decision);
      },
      [&](store::Transaction& transaction) {
        store_.remember(transaction, account, request, text_or(input, "ClientRequestToken"),
                        execution.parent, arn);
      });
  return {{"PipelineExecutionArn", arn}};
}

Json Executions::update(const std::string& account, const Json& input) {
  const std::string arn = text_or(input, "PipelineExecutionArn");
  const store::Resource execution =
      store_.database().read([&](store::Reader& reader) { return find(reader, account, arn); });
  const int parallelism = parallelism_in(input);
  executor_.command(
      {account, execution.name},
      [parallelism](Run& run, base::Millis, Decision&) {
        if (parallelism > 0) run.info.parallelism = parallelism;
      },
      [&](store::Transaction& transaction) {
        store::Resource changed = find(transaction, account, arn);
        for (const char* member : {"PipelineExecutionDescription", "PipelineExecutionDisplayName",
                                   "ParallelismConfiguration"}) {
          if (input.contains(member)) changed.document[member] = input[member];
        }
        changed.modified = clock_.now();
        store::update(transaction, changed);
      });
  return {{"PipelineExecutionArn", arn}};
}

Json Executions::answer(const std::string& account, const Json& input, bool success) {
  const std::string token = text_or(input, "CallbackToken");
  const std::string request = request_on(
      success ? "SendPipelineExecutionStepSuccess" : "SendPipelineExecutionStepFailure", token);
  if (const auto before = answered(account, request, input)) {
    return {{"PipelineExecutionArn", *before}};
  }
  const auto waits = store_.waits_for("callback/" + token);
  if (waits.empty() || waits.front().execution.account != account) {
    throw Error("ResourceNotFound", "The callback token '" + token + "' does not exist.");
  }
  const Wait& wait = waits.front();
  const auto execution = store_.database().read([&](store::Reader& reader) {
    return store::find(reader, account, kExecutionKind, wait.execution.id);
  });
  if (!execution) {
    throw Error("ResourceNotFound", "The callback token '" + token + "' does not exist.");
  }
  const std::string arn = text_or(execution->document, "PipelineExecutionArn");
  const Json outputs = success ? base::array_or_empty(input, "OutputParameters") : Json(nullptr);
  const std::string reason = text_or(input, "FailureReason");
  executor_.command(
      wait.execution,
      [&](Run& run, base::Millis now, Decision& decision) {
        const auto found = run.info.definition->by_name.find(wait.step);
        if (found == run.info.definition->by_name.end() ||
            run.steps[found->second].attempt != wait.attempt) {
          throw Error("ValidationException",
                      "The callback of step " + wait.step + " has been answered already.");
        }
        answer_callback(run, found->second, outputs, reason, now, decision);
      },
      [&](store::Transaction& transaction) {
        store_.remember(transaction, account, request, text_or(input, "ClientRequestToken"),
                        execution->parent, arn);
      });
  return {{"PipelineExecutionArn", arn}};
}

}  // namespace slipway::pipelines
