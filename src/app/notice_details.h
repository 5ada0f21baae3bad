#pragma once

// What the other rooms know about an event, for its notice.

#include <string>
#include <string_view>
#include <vector>

#include "ci/ci.h"
#include "endpoints/endpoints.h"
#include "models/models.h"
#include "observe/logs.h"
#include "pipelines/pipelines.h"
#include "store/outbox.h"

namespace slipway::app {

struct NoticeSources {
  const observe::Logs& logs;
  const models::Models& models;
  const endpoints::Endpoints& endpoints;
  const pipelines::Pipelines& pipelines;
  const ci::Ci& ci;
};

// As notify::Details. Throws Error where what the event tells of is gone.
Json details_of(const store::Event& event, const NoticeSources& sources);

// The last lines of a CI job's trace as a person reads them: without colours, section marks and
// what a carriage return has overwritten.
std::vector<std::string> last_lines_of_trace(std::string_view trace, std::size_t count);

}  // namespace slipway::app
