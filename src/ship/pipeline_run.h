#pragma once

// Starting a SageMaker pipeline by the public API and following its steps.

#include <map>
#include <string>

#include "base/json.h"
#include "ship/stages.h"

namespace slipway::ship {

// Creates the pipeline, or gives it this definition where it has another.
void put_pipeline(wire::ServiceClient& services, const std::string& name, const Json& definition,
                  const std::string& role);

// Returns the execution's ARN. `token`: 32 to 128 characters; the same one starts once.
std::string start_pipeline(wire::ServiceClient& services, const std::string& name,
                           const std::map<std::string, std::string>& parameters,
                           const std::string& token, const std::string& display_name);

// The token of a version's deployment. The server uses the same when an approval starts it, so
// that a version is deployed once, whoever comes first (docs/flow.md).
std::string deployment_token(const std::string& model_package_arn);

// Waits for the end of a step and returns its entry of ListPipelineExecutionSteps; shows the log of
// the job that it runs. Throws Error with the step's reason and the command that shows its log
// where it did not succeed, or was not over after `limit`.
Json wait_for_step(ShipContext& context, const std::string& execution, const std::string& step,
                   std::chrono::seconds limit);

}  // namespace slipway::ship
