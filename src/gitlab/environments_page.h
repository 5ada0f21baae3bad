#pragma once

// The page of a project's environments: what is deployed where.

#include "gitlab/call.h"
#include "net/http.h"

namespace slipway::gitlab {

// `suffix` goes behind links to other pages.
net::Response environments_page(const Call& call, const forge::Project& project,
                                const std::string& suffix);

}  // namespace slipway::gitlab
