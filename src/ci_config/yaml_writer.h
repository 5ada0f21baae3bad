#pragma once

// A document as YAML text, as Ruby's Psych lays it out: what a lint answers as the merged file.

#include <string>

#include "ci_config/node.h"

namespace slipway::ci_config {

// "---\n" and the document; reading it again gives an equal document.
std::string write_yaml(const Node& node);

}  // namespace slipway::ci_config
