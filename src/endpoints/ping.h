#pragma once

// The health check of the serving contract: GET /ping must be answered with 200.

#include <chrono>
#include <string>

#include "endpoints/gateway.h"

namespace slipway::endpoints {

// Blocks for at most `timeout`, connecting included.
bool ping(Connector& connector, const std::string& replica,
          std::chrono::milliseconds timeout) noexcept;

}  // namespace slipway::endpoints
