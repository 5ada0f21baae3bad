#pragma once

// Pipelines and jobs as the documents of their rows, and back. What a row does not say has the
// default of the value's type, so that older rows stay readable.

#include "base/json.h"
#include "ci/types.h"

namespace slipway::ci {

Json json_of(const Variables& variables);
Variables variables_of_json(const Json& list);

Json json_of(const ci_config::JobSpec& spec);
ci_config::JobSpec spec_of(const Json& document);

// Without what the row has in columns of its own (store.h).
Json json_of(const Pipeline& pipeline);
void read_into(const Json& document, Pipeline& pipeline);
// Without the spec, which never changes; only that a failure was forgiven.
Json json_of(const Job& job);
void read_into(const Json& document, Job& job);

Json json_of(const Runner& runner);
Runner runner_of_json(const Json& document);
Json json_of(const Trigger& trigger);
Trigger trigger_of(const Json& document);
Json json_of(const Schedule& schedule);
Schedule schedule_of(const Json& document);
Json json_of(const Environment& environment);
Environment environment_of(const Json& document);

}  // namespace slipway::ci
