#pragma once

// What a plain YAML 1.1 scalar means, as Ruby's Psych reads it (which GitLab does):
// yes/no/on/off are booleans but y/n are not, 010 is eight, 1:30 is ninety.

#include <string_view>

#include "ci_config/node.h"

namespace slipway::ci_config {

// The scalar's kind, value and text; the position is left alone. Throws Error{InvalidConfig} for a
// date, which GitLab refuses unless it is quoted.
Node resolve_plain(std::string_view text);

}  // namespace slipway::ci_config
