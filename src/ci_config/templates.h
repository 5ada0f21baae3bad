#pragma once

// The templates that `include: template:` finds.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::ci_config {

// The text of a template, e.g. "Jobs/Lint.gitlab-ci.yml".
std::optional<std::string_view> find_template(std::string_view name);
std::vector<std::string> template_names();

}  // namespace slipway::ci_config
