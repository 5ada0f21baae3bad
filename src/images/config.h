#pragma once

// The OCI image configuration: what an image says about running it.

#include <string_view>

#include "base/json.h"
#include "images/images.h"

namespace slipway::images {

// Reads the text of an image configuration. Throws Error{ValidationException} where it is none.
RunConfig parse_config(std::string_view text);

// Whether the image lies above the machine's own files (label slipway.base=host).
bool is_host_based(const RunConfig& config);

}  // namespace slipway::images
