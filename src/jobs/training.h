#pragma once

// Training jobs: what a request may ask for, and its document.
// The container contract is SageMaker's for training; the plan is made by plan_training().

#include <string>

#include "base/json.h"

namespace slipway::jobs {

inline constexpr std::int64_t kDefaultMaxRuntimeSeconds = 86'400;

// Throws Error{ValidationException} for what cannot be done here, saying so. The shapes
// have been checked against the service's model.
void validate_training(const std::string& account, const Json& request);

// The DescribeTrainingJob document of a job just created, without status, times and run part.
Json training_document(const Json& request, const std::string& arn);

}  // namespace slipway::jobs
