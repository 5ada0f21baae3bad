#pragma once

// The page behind a merge request's address.

#include "gitlab/call.h"
#include "net/http.h"

namespace slipway::gitlab {

// Of the one with the number "iid" of the path. `suffix` goes behind links to other pages.
net::Response merge_request_page(const Call& call, const forge::Project& project,
                                 const std::string& suffix);

}  // namespace slipway::gitlab
