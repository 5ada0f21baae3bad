#pragma once

// CI's values out of parameters.

#include <set>
#include <string_view>

#include "ci/types.h"
#include "gitlab/parameters.h"

namespace slipway::gitlab {

// [{"key", "value", "variable_type"}], or Rails' and the trigger's {"KEY": "value"}.
ci::Variables variables_of(const Parameters& given, std::string_view name);
// Throws where the key is not GitLab's [a-zA-Z0-9_]{1,255}.
void check_key(const std::string& key);
// Statuses by name, of "scope[]=running" or "scope=running".
std::set<ci::Status> statuses_of(const Parameters& given, std::string_view name);

}  // namespace slipway::gitlab
