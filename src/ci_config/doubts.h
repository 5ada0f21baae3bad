#pragma once

// Warnings about what GitLab takes but hardly anybody means.

#include <string>
#include <vector>

#include "ci_config/jobs.h"

namespace slipway::ci_config {

// Variables of trigger jobs that will be empty downstream, or that shadow the downstream's own;
// variables that refer to each other in a circle.
std::vector<std::string> doubts_about(const Jobs& jobs, const Variables& globals);

}  // namespace slipway::ci_config
