#pragma once

// `extends` and `!reference`, in GitLab's order: first every `extends`, then the references.

#include "ci_config/node.h"

namespace slipway::ci_config {

// Merges into each top-level mapping what it extends. Throws Error{InvalidConfig}:
// "job: unknown keys in `extends` (base)", "job: circular dependency detected in `extends`",
// "job: nesting too deep in `extends`", "job: invalid base hashes in `extends` (base)".
void apply_extends(Node& root, Budget& budget);

// Puts in for each `!reference [job, key]` what it names. Throws Error{InvalidConfig}:
// `!reference ["job", "key"] could not be found`, `… is part of a circular chain`.
void resolve_references(Node& root, Budget& budget);

}  // namespace slipway::ci_config
