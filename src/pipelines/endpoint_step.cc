// Endpoint steps: an endpoint is created, or moved to the step's configuration.
//
// Steps that change one endpoint do so one after the other: each waits until the one before it has
// seen its end. What is live then is what the execution wanted that began last, whichever came
// first: a step whose version was overtaken by one that was approved later does not go back to it.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "pipelines/service_parts.h"
#include "pipelines/services.h"

namespace slipway::pipelines {
namespace {

using What = Observation::What;
using base::text_or;

// "arn:…:model-package/<group>/<version>" without the version.
std::string group_of(const std::string& package) { return package.substr(0, package.rfind('/')); }

// When the package was approved the last time, in seconds; 0: never.
double approved_at(const Json& evidence) {
  double at = 0;
  for (const Json& decision : base::array_or_empty(evidence, "ApprovalHistory")) {
    if (text_or(decision, "ModelApprovalStatus") == "Approved")
      at = std::max(at, base::number_or(decision, "At", 0));
  }
  return at;
}

Observation not_yet(const Task& task, const std::string& reason) {
  Observation seen = observed(task, What::kNotYet);
  seen.reason = reason;
  return seen;
}

}  // namespace

// A repeated start finds the endpoint with the configuration already and waits for it.
Observation SageMakerServices::put_endpoint(const Task& task, const Json& arguments) {
  Json named = arguments;
  if (text_or(named, "EndpointName").empty()) named["EndpointName"] = task.effect.name;
  Json request = requests_.checked("CreateEndpoint", named);
  mark(request, task);
  const Json asked{{"EndpointName", text_or(request, "EndpointName")}};
  Observation seen = observed(task, What::kStarted);
  try {
    endpoints_.create(task.key.account, request);
  } catch (const Error& error) {
    if (!error.message().starts_with("Cannot create already existing endpoint")) throw;
    seen = move_endpoint(task, request, endpoints_.describe(task.key.account, asked));
    if (seen.what == What::kNotYet) return seen;
  }
  seen.subject = text_or(endpoints_.describe(task.key.account, asked), "EndpointArn");
  seen.metadata = {{"Endpoint", {{"Arn", seen.subject}}}};
  return seen;
}

Observation SageMakerServices::move_endpoint(const Task& task, const Json& request,
                                             const Json& found) {
  const std::string config = text_or(request, "EndpointConfigName");
  const std::string current = text_or(found, "EndpointConfigName");
  const std::string pending =
      text_or(base::object_or_empty(found, "PendingDeploymentSummary"), "EndpointConfigName");
  const Observation started = observed(task, What::kStarted);
  if (pending == config || (pending.empty() && current == config)) return started;
  const std::string status = text_or(found, "EndpointStatus");
  if (status != "InService" && status != "Failed") {
    return not_yet(task, "the endpoint was " + status);
  }
  for (const Wait& wait : store_.waits_for(text_or(found, "EndpointArn"))) {
    const bool own = wait.execution == task.key && wait.step == task.step().name;
    if (wait.open && !own) return not_yet(task, "execution " + wait.execution.id + " was using it");
  }
  std::string later;
  try {
    later = overtaken_by(task, config, current);
  } catch (const Error&) {
    // What the endpoint serves has been deleted: then it does not count.
  }
  if (!later.empty()) {
    throw Error("ValidationException",
                "The endpoint serves a version already that was approved later: " + later);
  }
  Json update = request;
  update.erase("Tags");
  try {
    endpoints_.update(task.key.account, update);
  } catch (const Error& error) {
    if (!error.message().starts_with("Cannot update in-progress endpoint")) throw;
    return not_yet(task, "the endpoint was Updating");
  }
  return started;
}

std::string SageMakerServices::overtaken_by(const Task& task, const std::string& config,
                                            const std::string& current) const {
  const std::string& account = task.key.account;
  const std::string arn = text_or(
      endpoints_.describe_config(account, {{"EndpointConfigName", current}}), "EndpointConfigArn");
  const store::Tags tags =
      store_.database().read([&](store::Reader& reader) { return store::tags_of(reader, arn); });
  const auto execution = tags.find(kExecutionTag);
  if (execution == tags.end() || execution->second == task.execution_arn) return "";
  const auto theirs = store_.load({account, base::name_of(execution->second)});
  const auto ours = store_.load(task.key);
  if (!theirs || !ours || theirs->resumed <= ours->resumed) return "";
  const std::string wanted = package_of(account, config);
  const std::string served = package_of(account, current);
  if (wanted.empty() || wanted == served || group_of(wanted) != group_of(served)) return "";
  const bool later = approved_at(models_.evidence(account, served)) >
                     approved_at(models_.evidence(account, wanted));
  return later ? served + ", put there by " + execution->second : "";
}

std::string SageMakerServices::package_of(const std::string& account,
                                          const std::string& config) const {
  const Json found = endpoints_.describe_config(account, {{"EndpointConfigName", config}});
  for (const Json& variant : base::array_or_empty(found, "ProductionVariants")) {
    const auto packages = models_.packages_of(account, text_or(variant, "ModelName"));
    if (!packages.empty()) return packages.front();
  }
  return "";
}

Observation SageMakerServices::look_at_endpoint(const Task& task) const {
  Json found =
      endpoints_.describe(task.key.account, {{"EndpointName", base::name_of(task.effect.subject)}});
  const std::string status = text_or(found, "EndpointStatus");
  const std::string reason = text_or(found, "FailureReason");
  if (status == "Failed") return failed(task, reason);
  if (status == "Deleting") return failed(task, "The endpoint is being deleted");
  const std::string wanted = text_or(task.effect.arguments, "EndpointConfigName");
  const std::string config = text_or(found, "EndpointConfigName");
  const std::string pending =
      text_or(base::object_or_empty(found, "PendingDeploymentSummary"), "EndpointConfigName");
  // Somebody else's update began since.
  const bool moves_on = status == "Updating" && config == wanted && pending != wanted;
  if (status != "InService" && !moves_on) return observed(task, What::kRunning);
  if (wanted.empty() ? !reason.empty() : config != wanted) {
    return failed(task, "The endpoint is in service on " + config +
                            ", not on the step's configuration. " + reason);
  }
  Observation seen = observed(task, What::kSucceeded);
  seen.output = std::move(found);
  return seen;
}

}  // namespace slipway::pipelines
