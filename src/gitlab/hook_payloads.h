#pragma once

// The JSON that webhooks carry, as docs.gitlab.com/ee/user/project/integrations/webhook_events.html
// shows it.

#include <string>

#include "base/json.h"
#include "ci/ci.h"
#include "forge/forge.h"

namespace slipway::gitlab {

// Of a push to a branch or tag: at most 20 commits, the oldest first.
Json push_payload(const forge::Forge& forge, const std::string& url, const forge::Project& project,
                  const forge::Push& push);
Json pipeline_payload(const forge::Forge& forge, ci::Ci& ci, const std::string& url,
                      const forge::Project& project, const ci::Pipeline& pipeline);
Json job_payload(const forge::Forge& forge, ci::Ci& ci, const std::string& url,
                 const forge::Project& project, const ci::Job& job);

}  // namespace slipway::gitlab
