#include "app/deploy_on_approval.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"

namespace slipway::app {
namespace {

// arn:aws:sagemaker:<region>:<account>:model-package/<group>/<version>
std::string group_of(const std::string& arn) {
  const auto parsed = base::parse_arn(arn);
  if (!parsed) return "";
  const auto first = parsed->resource.find('/');
  const auto last = parsed->resource.rfind('/');
  if (first == std::string::npos || last <= first) return "";
  return parsed->resource.substr(first + 1, last - first - 1);
}

}  // namespace

void deploy_on_approval(store::EventPump& events, pipelines::Pipelines& pipelines) {
  events.consume("deployments", [&pipelines](const store::Event& event) {
    if (event.type != "ModelPackage.Approved") return;
    const std::string group = group_of(event.subject);
    if (group.empty() || !pipelines.pipeline(event.account, group + "-deployment")) return;
    pipelines::StartRequest request;
    request.pipeline = group + "-deployment";
    request.parameters = {{"ModelPackageArn", event.subject}};
    request.token = "deploy-" + base::sha256_hex(event.subject);
    request.display_name = "deploy-v" + base::name_of(event.subject);
    request.description = "started by the approval of " + event.subject;
    try {
      pipelines.start_execution(event.account, request);
    } catch (const Error& error) {
      // A pipeline of that name that wants other parameters is somebody else's.
      if (error.status() >= 500) throw;
      base::log(base::Level::kWarning, "an approval started no deployment",
                {{"package", event.subject}, {"reason", error.message()}});
    }
  });
}

}  // namespace slipway::app
