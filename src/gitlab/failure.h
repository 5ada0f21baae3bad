#pragma once

// GitLab's JSON for what went wrong.

#include "base/error.h"
#include "net/http.h"

namespace slipway::gitlab {

// {"error": text} of a parameter, {"message": text or {"field": ["what"]}} of all else. What is
// this server's own fault is logged and answered without its reason.
net::Response failure_response(const Error& error);
// 404 {"error": "404 Not Found"}, or 405 where the path takes other methods.
net::Response unknown_route(bool other_method);

}  // namespace slipway::gitlab
