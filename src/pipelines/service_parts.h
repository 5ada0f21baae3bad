#pragma once

// What the sources of SageMakerServices share.

#include <string>

#include "base/json.h"
#include "pipelines/services.h"

namespace slipway::pipelines {

inline constexpr const char* kExecutionTag = "sagemaker:pipeline-execution-arn";
inline constexpr const char* kStepTag = "sagemaker:pipeline-step-name";
inline constexpr std::size_t kMostTags = 50;

Observation observed(const Task& task, Observation::What what);
Observation failed(const Task& task, const std::string& reason, const std::string& exception = "");
// Marks what a step makes as its own, for people and for made_here().
void mark(Json& request, const Task& task);

}  // namespace slipway::pipelines
