#pragma once

// What each keyword of the merged configuration may be: GitLab's entries, with its words.

#include <string>
#include <string_view>

#include "ci_config/entry.h"
#include "ci_config/node.h"

namespace slipway::ci_config {

// Whether a top-level key is a setting and never a job.
bool is_setting(std::string_view key);

enum class JobKind { kNone, kHidden, kScript, kTrigger };
JobKind kind_of_job(std::string_view name, const Node& job);

// Checks the whole; what is wrong, and what is doubtful, goes to `problems`.
void validate(const Node& root, Problems& problems);

}  // namespace slipway::ci_config
