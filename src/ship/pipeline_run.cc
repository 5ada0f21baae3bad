#include "ship/pipeline_run.h"

#include <thread>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::ship {
namespace {

// Shows a job's new log lines.
class JobLog {
 public:
  explicit JobLog(ShipContext& context) : context_(context) {}

  void show(const std::string& group, const std::string& job) {
    if (stream_.empty()) {
      const auto streams = context_.services.call_if_exists(
          "logs", "DescribeLogStreams",
          {{"logGroupName", group}, {"logStreamNamePrefix", job + "/"}}, "does not exist");
      if (!streams || base::array_or_empty(*streams, "logStreams").empty()) return;
      stream_ = base::text_or((*streams)["logStreams"][0], "logStreamName");
    }
    for (;;) {
      Json input{{"logGroupName", group}, {"logStreamName", stream_}, {"startFromHead", true}};
      if (!token_.empty()) input["nextToken"] = token_;
      const Json page = context_.services.call("logs", "GetLogEvents", input);
      for (const Json& event : base::array_or_empty(page, "events"))
        context_.observer.line(base::text_or(event, "message"));
      const std::string next = base::text_or(page, "nextForwardToken");
      if (next == token_ || next.empty()) return;
      token_ = next;
    }
  }

 private:
  ShipContext& context_;
  std::string stream_;
  std::string token_;
};

struct RunningJob {
  std::string group;
  std::string name;
};

// The job that a step runs, where it runs one.
std::optional<RunningJob> job_of(const Json& step) {
  const Json metadata = base::object_or_empty(step, "Metadata");
  for (const char* kind : {"Training", "Processing"}) {
    const std::string member = std::string(kind) + "Job";
    if (metadata.contains(member))
      return RunningJob{"/aws/sagemaker/" + member + "s",
                        base::name_of(base::text_or(metadata[member], "Arn"))};
  }
  return std::nullopt;
}

std::optional<Json> find_step(wire::ServiceClient& services, const std::string& execution,
                              const std::string& name) {
  std::string token;
  do {
    Json input{{"PipelineExecutionArn", execution}, {"MaxResults", 100}};
    if (!token.empty()) input["NextToken"] = token;
    const Json page = services.call("sagemaker", "ListPipelineExecutionSteps", input);
    for (const Json& step : base::array_or_empty(page, "PipelineExecutionSteps"))
      if (base::text_or(step, "StepName") == name) return step;
    token = base::text_or(page, "NextToken");
  } while (!token.empty());
  return std::nullopt;
}

[[noreturn]] void fail(const Json& step, const std::string& otherwise) {
  Json detail = Json::object();
  if (const auto job = job_of(step)) detail["log"] = "slipway logs " + job->name;
  throw Error("StepFailed", base::text_or(step, "FailureReason", otherwise), 400, detail);
}

}  // namespace

void put_pipeline(wire::ServiceClient& services, const std::string& name, const Json& definition,
                  const std::string& role) {
  const std::string text = base::dump_json(definition);
  const auto existing = services.call_if_exists("sagemaker", "DescribePipeline",
                                                {{"PipelineName", name}}, "does not exist");
  if (!existing) {
    services.call("sagemaker", "CreatePipeline",
                  {{"PipelineName", name},
                   {"PipelineDefinition", text},
                   {"RoleArn", role},
                   {"ClientRequestToken", base::random_hex(32)}});
  } else if (base::text_or(*existing, "PipelineDefinition") != text) {
    services.call("sagemaker", "UpdatePipeline",
                  {{"PipelineName", name}, {"PipelineDefinition", text}, {"RoleArn", role}});
  }
}

std::string start_pipeline(wire::ServiceClient& services, const std::string& name,
                           const std::map<std::string, std::string>& parameters,
                           const std::string& token, const std::string& display_name) {
  Json list = Json::array();
  for (const auto& [key, value] : parameters) list.push_back({{"Name", key}, {"Value", value}});
  const Json started = services.call("sagemaker", "StartPipelineExecution",
                                     {{"PipelineName", name},
                                      {"PipelineExecutionDisplayName", display_name},
                                      {"PipelineParameters", list},
                                      {"ClientRequestToken", token}});
  return base::text_or(started, "PipelineExecutionArn");
}

std::string deployment_token(const std::string& model_package_arn) {
  return "deploy-" + base::sha256_hex(model_package_arn);
}

Json wait_for_step(ShipContext& context, const std::string& execution, const std::string& name,
                   std::chrono::seconds limit) {
  JobLog log(context);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::chrono::milliseconds pause{20};
  for (;;) {
    const std::optional<Json> step = find_step(context.services, execution, name);
    if (step) {
      if (const auto job = job_of(*step)) log.show(job->group, job->name);
      const std::string status = base::text_or(*step, "StepStatus");
      if (status == "Succeeded") return *step;
      if (status == "Failed" || status == "Stopped") fail(*step, "the step was " + status);
    }
    // A step that never comes: the execution ended before it.
    const Json whole = context.services.call("sagemaker", "DescribePipelineExecution",
                                             {{"PipelineExecutionArn", execution}});
    const std::string status = base::text_or(whole, "PipelineExecutionStatus");
    if (!step && (status == "Failed" || status == "Stopped"))
      throw Error("ExecutionFailed",
                  base::text_or(whole, "FailureReason", "the execution was " + status));
    if (std::chrono::steady_clock::now() > deadline)
      throw Error("Timeout", "step " + name + " of " + execution + " is not over");
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 5 / 4, std::chrono::milliseconds(500));
  }
}

}  // namespace slipway::ship
