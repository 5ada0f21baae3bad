#pragma once

// The check of a deployed version: a Lambda step of the deployment pipeline sends the request that
// the model's repository has recorded, so that whoever approved it, a version that does not answer
// fails its deployment and is told of with the answer.

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "ship/model_spec.h"
#include "wire/client.h"

namespace slipway::ship {

struct SmokeCheck {
  std::string function;  // ARN
  std::string content_type;
  std::string body;  // the request's bytes
};

// Reads the recorded request and puts the function in place; nothing where slipway.yaml has no
// `smoke`. Throws Error{InvalidSpecification} where the request is not in the commit or too large.
std::optional<SmokeCheck> ensure_smoke_check(wire::ServiceClient& services, const ModelSpec& spec,
                                             const std::filesystem::path& source,
                                             const std::string& account, const std::string& role);

// The step Smoke, which follows the step Endpoint.
Json smoke_step(const SmokeCheck& check, const std::string& endpoint);

}  // namespace slipway::ship
