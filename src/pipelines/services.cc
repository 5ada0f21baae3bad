#include "pipelines/services.h"

#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "pipelines/expressions.h"
#include "pipelines/service_parts.h"

namespace slipway::pipelines {
namespace {

using What = Observation::What;

const char* operation_of(StepType type) {
  switch (type) {
    case StepType::kTraining:
      return "sagemaker:CreateTrainingJob";
    case StepType::kProcessing:
      return "sagemaker:CreateProcessingJob";
    case StepType::kModel:
      return "sagemaker:CreateModel";
    case StepType::kRegisterModel:
      return "sagemaker:CreateModelPackage";
    case StepType::kEndpointConfig:
      return "sagemaker:CreateEndpointConfig";
    case StepType::kEndpoint:
      return "sagemaker:CreateEndpoint";
    case StepType::kLambda:
      return "lambda:Invoke";
    default:
      return "";
  }
}

const char* metadata_of(jobs::Kind kind) {
  return kind == jobs::Kind::kTraining ? "TrainingJob" : "ProcessingJob";
}

Observation made(const Task& task, const char* metadata, const std::string& arn, Json output) {
  Observation seen = observed(task, What::kSucceeded);
  seen.metadata = {{metadata, {{"Arn", arn}}}};
  seen.output = std::move(output);
  return seen;
}

}  // namespace

Observation observed(const Task& task, What what) {
  Observation seen;
  seen.what = what;
  seen.step = task.effect.step;
  seen.attempt = task.effect.attempt;
  return seen;
}

Observation failed(const Task& task, const std::string& reason, const std::string& exception) {
  Observation seen = observed(task, What::kFailed);
  seen.reason = reason;
  seen.exception = exception;
  return seen;
}

void mark(Json& request, const Task& task) {
  Json& tags = request["Tags"];
  if (!tags.is_array()) tags = Json::array();
  for (const auto& [key, value] :
       {std::pair(kExecutionTag, task.execution_arn), std::pair(kStepTag, task.step().name)}) {
    if (tags.size() < kMostTags) tags.push_back({{"Key", key}, {"Value", value}});
  }
}

std::string exception_of(const Error& error) {
  if (error.code() == "ResourceLimitExceeded") return "SageMaker.RESOURCE_LIMIT";
  if (error.code().starts_with("Throttling") || error.code().starts_with("TooManyRequests") ||
      error.status() == 429 || error.status() == 503) {
    return "Step.THROTTLING";
  }
  return error.status() >= 500 ? "Step.SERVICE_FAULT" : "";
}

std::string exception_of_job(const std::string& reason) {
  if (reason.starts_with("InternalServerError")) return "SageMaker.JOB_INTERNAL_ERROR";
  if (reason.find("CapacityError") != std::string::npos) return "SageMaker.CAPACITY_ERROR";
  if (reason.find("ResourceLimitExceeded") != std::string::npos) return "SageMaker.RESOURCE_LIMIT";
  return "";
}

SageMakerServices::SageMakerServices(const PipelineStore& store, const base::Clock& clock,
                                     objects::Objects& objects, jobs::Jobs& jobs,
                                     models::Models& models, endpoints::Endpoints& endpoints,
                                     FunctionCaller functions)
    : store_(store),
      clock_(clock),
      objects_(objects),
      jobs_(jobs),
      models_(models),
      endpoints_(endpoints),
      functions_(std::move(functions)) {}

Observation SageMakerServices::start(const Task& given) {
  Task task = given;
  const Step& step = task.step();
  const Json& arguments = task.effect.arguments;
  try {
    if (step.reads_files) {
      Scope scope;
      scope.read = [&](const std::string& uri) { return read(task.key.account, uri); };
      task.effect.arguments = resolve(given.effect.arguments, scope);
      task.effect.target = resolve(given.effect.target, scope);
    }
    if (task.effect.what == Effect::What::kEvaluate) {  // the output: what was resolved
      Observation seen = observed(task, What::kSucceeded);
      seen.output = arguments;
      return seen;
    }
    std::string key;
    if (step.cached) {
      key = cache_key(step, arguments, task.effect.target);
      const auto not_before =
          step.cache_for ? std::optional(clock_.now() - *step.cache_for) : std::nullopt;
      if (auto hit = store_.cached(task.key.account, task.pipeline, key, not_before)) {
        Observation seen = observed(task, What::kSucceeded);
        seen.cache_source = hit->execution_arn;
        seen.output = std::move(hit->output);
        seen.metadata = std::move(hit->metadata);
        return seen;
      }
    }
    Observation seen;
    switch (step.type) {
      case StepType::kTraining:
        seen = start_job(task, jobs::Kind::kTraining, arguments);
        break;
      case StepType::kProcessing:
        seen = start_job(task, jobs::Kind::kProcessing, arguments);
        break;
      case StepType::kModel:
        seen = create_model(task, arguments);
        break;
      case StepType::kRegisterModel:
        seen = register_model(task, arguments);
        break;
      case StepType::kEndpointConfig:
        seen = create_endpoint_config(task, arguments);
        break;
      case StepType::kEndpoint:
        seen = put_endpoint(task, arguments);
        break;
      case StepType::kLambda:
        seen = call_function(task, arguments);
        break;
      default:
        seen = wait_for_callback(task, arguments);
    }
    seen.cache_key = key;
    return seen;
  } catch (const Error& error) {
    const std::string operation = operation_of(step.type);
    const std::string failed_to =
        operation.empty() ? "" : "Failed to invoke " + operation + ". Error Details: ";
    Observation seen =
        failed(task, "ClientError: " + failed_to + error.message(), exception_of(error));
    if (error.code() == functions::kInterrupted) {
      seen.reason = "InternalServerError: " + error.message();
      seen.exception = "Step.SERVICE_FAULT";
      seen.may_have_run = true;
    }
    return seen;
  } catch (const std::exception& error) {
    return failed(task, std::string("InternalServerError: ") + error.what(), "Step.SERVICE_FAULT");
  }
}

Observation SageMakerServices::look(const Task& task) {
  try {
    switch (task.step().type) {
      case StepType::kTraining:
        return look_at_job(task, jobs::Kind::kTraining);
      case StepType::kProcessing:
        return look_at_job(task, jobs::Kind::kProcessing);
      case StepType::kEndpoint:
        return look_at_endpoint(task);
      default:
        return observed(task, What::kRunning);
    }
  } catch (const Error& error) {
    // A service that is busy tells later; anything else is gone for good.
    if (!exception_of(error).empty()) return observed(task, What::kRunning);
    return failed(task, error.message());
  } catch (const std::exception& error) {
    // Unanswered, the step would never be looked at again.
    log(Level::kError, "a pipeline step could not be looked at",
        {{"execution", task.key.id}, {"reason", error.what()}});
    return observed(task, What::kRunning);
  }
}

Observation SageMakerServices::stop(const Task& task) {
  const bool training = task.step().type == StepType::kTraining;
  try {
    jobs_.stop_job(training ? jobs::Kind::kTraining : jobs::Kind::kProcessing, task.key.account,
                   task.effect.name);
  } catch (const std::exception&) {
    // It has ended already, which look() tells.
  }
  return look(task);
}

void SageMakerServices::forget(const Task& task) {
  try {
    functions_.forget(task.key.account, task.effect.token);
  } catch (const std::exception& error) {
    log(Level::kWarning, "the record of a function's invocation stays",
        {{"execution", task.key.id}, {"reason", error.what()}});
  }
}

Json SageMakerServices::read(const std::string& account, const std::string& uri) {
  const auto location = objects::parse_s3_uri(uri);
  if (!location || location->key.empty()) {
    throw Error("ValidationException", "'" + uri + "' is not of the form s3://bucket/key");
  }
  std::string text;
  try {
    text = objects_.read(account, location->bucket, location->key);
  } catch (const Error& error) {
    if (error.status() != 404) throw;
    throw Error(error.code(), uri + " cannot be read: " + error.message(), error.status());
  }
  return base::parse_json(text, uri);
}

Observation SageMakerServices::start_job(const Task& task, jobs::Kind kind, const Json& arguments) {
  const std::string job(jobs::names_of(kind).job);
  Json named = arguments;
  named[job + "Name"] = task.effect.name;
  Json request = requests_.checked("Create" + job, named);
  mark(request, task);
  Observation seen = observed(task, What::kStarted);
  seen.subject = jobs_.create_job(kind, task.key.account, request, task.effect.token);
  seen.metadata = {{metadata_of(kind), {{"Arn", seen.subject}}}};
  return seen;
}

Observation SageMakerServices::look_at_job(const Task& task, jobs::Kind kind) const {
  Json job = jobs_.describe_job(kind, task.key.account, task.effect.name);
  const std::string name(jobs::names_of(kind).job);
  const std::string status = base::text_or(job, name + "Status");
  const std::string reason = base::text_or(job, "FailureReason");
  if (status == "Completed") {
    Observation seen = observed(task, What::kSucceeded);
    seen.output = std::move(job);
    return seen;
  }
  if (status == "Failed") return failed(task, reason, exception_of_job(reason));
  if (status != "Stopped") return observed(task, What::kRunning);
  Observation seen = observed(task, What::kStopped);
  seen.reason = reason;
  if (base::text_or(job, "SecondaryStatus") == "MaxRuntimeExceeded") {
    seen.reason = "The job ran longer than its MaxRuntimeInSeconds";
  }
  return seen;
}

Observation SageMakerServices::create_model(const Task& task, const Json& arguments) {
  Json named = arguments;
  if (base::text_or(named, "ModelName").empty()) named["ModelName"] = task.effect.name;
  Json request = requests_.checked("CreateModel", named);
  mark(request, task);
  const std::string name = base::text_or(request, "ModelName");
  try {
    models_.create_model(caller(task), request);
  } catch (const Error& error) {
    if (error.message().find("already existing") == std::string::npos) throw;
    const Json found = models_.describe_model(task.key.account, {{"ModelName", name}});
    if (!made_here(task, base::text_or(found, "ModelArn"))) throw;
  }
  Json output = models_.describe_model(task.key.account, {{"ModelName", name}});
  const std::string arn = base::text_or(output, "ModelArn");
  return made(task, "Model", arn, std::move(output));
}

Observation SageMakerServices::register_model(const Task& task, const Json& arguments) {
  Json request = requests_.checked("CreateModelPackage", arguments);
  request["ClientToken"] = task.effect.token;
  const std::string group = base::text_or(request, "ModelPackageGroupName");
  Json created;
  try {
    created = models_.create_package(caller(task), request);
  } catch (const Error& error) {
    if (group.empty() || error.message().find("does not exist") == std::string::npos) throw;
    // Pipelines make the group with its first version.
    try {
      models_.create_group(caller(task), {{"ModelPackageGroupName", base::name_of(group)}});
    } catch (const Error& taken) {
      if (taken.message().find("already exists") == std::string::npos) throw;
    }
    created = models_.create_package(caller(task), request);
  }
  const std::string arn = base::text_or(created, "ModelPackageArn");
  return made(task, "RegisterModel", arn,
              models_.describe_package(task.key.account, {{"ModelPackageName", arn}}));
}

Observation SageMakerServices::create_endpoint_config(const Task& task, const Json& arguments) {
  Json named = arguments;
  if (base::text_or(named, "EndpointConfigName").empty()) {
    named["EndpointConfigName"] = task.effect.name;
  }
  Json request = requests_.checked("CreateEndpointConfig", named);
  mark(request, task);
  const Json asked{{"EndpointConfigName", base::text_or(request, "EndpointConfigName")}};
  try {
    endpoints_.create_config(task.key.account, request);
  } catch (const Error& error) {
    if (error.message().find("already existing") == std::string::npos) throw;
    const Json found = endpoints_.describe_config(task.key.account, asked);
    if (!made_here(task, base::text_or(found, "EndpointConfigArn"))) throw;
  }
  Json output = endpoints_.describe_config(task.key.account, asked);
  const std::string arn = base::text_or(output, "EndpointConfigArn");
  return made(task, "EndpointConfig", arn, std::move(output));
}

Observation SageMakerServices::call_function(const Task& task, const Json& arguments) {
  if (!task.effect.target.is_string()) {
    throw Error("ValidationException", "FunctionArn is no text");
  }
  const std::string name = task.effect.target.get<std::string>();
  const functions::Invocation answer =
      functions_.invoke(task.key.account, name, base::dump_json(arguments), task.effect.token);
  if (!answer.function_error.empty()) {
    const auto said = base::try_parse_json(answer.payload);
    const std::string what = said ? base::text_or(*said, "errorMessage") : "";
    return failed(task, "ClientError: Lambda function error (" + answer.function_error +
                            "): " + (what.empty() ? answer.payload : what));
  }
  const Json result = base::try_parse_json(answer.payload).value_or(Json::object());
  Outputs outputs = outputs_of(task.step(), result.is_object() ? result : Json::object());
  Observation seen = observed(task, What::kSucceeded);
  seen.output = {{"OutputParameters", std::move(outputs.properties)}};
  seen.metadata = {{"Lambda", {{"Arn", name}, {"OutputParameters", std::move(outputs.list)}}}};
  return seen;
}

Observation SageMakerServices::wait_for_callback(const Task& task, const Json& arguments) const {
  const std::string token = callback_token(task.key.id, task.step().name, task.effect.attempt);
  Observation seen = observed(task, What::kStarted);
  seen.subject = "callback/" + token;
  seen.output = arguments.is_null() ? Json::object() : arguments;  // what is asked
  seen.metadata = {
      {"Callback", {{"CallbackToken", token}, {"SqsQueueUrl", text_in_join(task.effect.target)}}}};
  return seen;
}

bool SageMakerServices::made_here(const Task& task, const std::string& arn) const {
  const store::Tags tags =
      store_.database().read([&](store::Reader& reader) { return store::tags_of(reader, arn); });
  const auto execution = tags.find(kExecutionTag);
  const auto step = tags.find(kStepTag);
  return execution != tags.end() && execution->second == task.execution_arn && step != tags.end() &&
         step->second == task.step().name;
}

// The pipeline's role is who acts.
wire::Caller SageMakerServices::caller(const Task& task) const {
  const std::string role = base::name_of(task.role);
  wire::Caller caller;
  caller.account = task.key.account;
  caller.arn = "arn:aws:sts::" + task.key.account + ":assumed-role/" + role + "/SageMaker";
  caller.user_id = role + ":SageMaker";
  return caller;
}

}  // namespace slipway::pipelines
