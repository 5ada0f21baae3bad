#pragma once

// From a job of the configuration to what the pipeline and the runner take: JobSpec.

#include "ci_config/ci_config.h"
#include "ci_config/jobs.h"
#include "ci_config/rules.h"

namespace slipway::ci_config {

// The specification without its variables and needs, which hang on the rest of the pipeline.
// `source` answers for the files of cache:key:files.
JobSpec specify(const Job& job, const Decision& decision, Source& source);

// A value as JSON.
Json json_of(const Node& node);

}  // namespace slipway::ci_config
