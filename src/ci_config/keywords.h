#pragma once

// Validation of single keywords: each checks one value and, where that is sound, what is in it.

#include <string>

#include "ci_config/entry.h"

namespace slipway::ci_config {

void check_image(Entry entry);
void check_services(Entry entry);
void check_artifacts(Entry entry);
void check_caches(Entry entry);
void check_retry(Entry entry);
void check_timeout(Entry entry);
void check_tags(Entry entry);
void check_environment(Entry entry);
void check_coverage(Entry entry);
void check_parallel(Entry entry);
void check_allow_failure(Entry entry);
void check_inherit(Entry entry);
void check_trigger(Entry entry);
void check_auto_cancel(Entry entry);

enum class VariablesOf { kRoot, kJob };
void check_variables(Entry entry, VariablesOf whose);

// Which kinds of needs a job may have.
enum class NeedsOf { kJob, kTrigger, kRule };
void check_needs(Entry entry, NeedsOf whose);

enum class RulesOf { kJob, kWorkflow };
void check_rules(Entry entry, RulesOf whose);
// `only` and `except`.
void check_policy(Entry entry);

// One of the keywords of `default`, by its name. Unknown names are no business of this.
void check_default_keyword(std::string_view key, Entry entry);

}  // namespace slipway::ci_config
