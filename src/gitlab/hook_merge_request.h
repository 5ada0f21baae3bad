#pragma once

// What a webhook tells of a merge request.

#include <string>

#include "base/json.h"
#include "forge/forge.h"
#include "gitlab/merge_request_store.h"

namespace slipway::gitlab {

Json merge_request_payload(const forge::Forge& forge, const std::string& url,
                           const forge::Project& project, const MergeRequest& one,
                           const MergeRequestNews& news);

}  // namespace slipway::gitlab
