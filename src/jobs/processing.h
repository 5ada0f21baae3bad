#pragma once

// Processing jobs: what a request may ask for, and its document.
// The plan is made by plan_processing().

#include <string>

#include "base/json.h"

namespace slipway::jobs {

// Throws Error{ValidationException} for what cannot be done here, saying so. The shapes
// have been checked against the service's model.
void validate_processing(const std::string& account, const Json& request);

// The DescribeProcessingJob document of a job just created, without status, times and run part.
Json processing_document(const Json& request, const std::string& arn);

}  // namespace slipway::jobs
