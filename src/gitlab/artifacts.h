#pragma once

#include "gitlab/call.h"

namespace slipway::gitlab {

// A job's archive as a download; throws 404 where there is none or it has expired.
net::Response archive_response(const Call& call, const ci::Job& job);

}  // namespace slipway::gitlab
