#pragma once

// The frame and the small parts of the pages.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "ci/types.h"
#include "net/http.h"

namespace slipway::gitlab {

// A whole page: `title` is text, `body` HTML. Loads itself again every few seconds where `moving`.
// Nothing on it may run or be loaded from elsewhere, and it is kept by no cache.
net::Response html_response(int status, const std::string& title, const std::string& body,
                            bool moving);
std::string badge(ci::Status status);
std::string time_text(base::Millis at);            // "2026-11-22 16:52:00 UTC"
std::string duration_text(base::Millis duration);  // "1 h 2 min", "3 min 4 s", "5 s"

}  // namespace slipway::gitlab
