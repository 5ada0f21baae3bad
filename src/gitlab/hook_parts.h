#pragma once

// What the payloads of several webhooks hold.

#include <optional>
#include <string>

#include "base/json.h"
#include "forge/forge.h"

namespace slipway::gitlab {

Json project_json(const forge::Project& project, const std::string& url);
Json user_json(const std::optional<forge::User>& user);  // null: it is gone
// `address`: of the project.
Json commit_json(const forge::Commit& commit, const std::string& address);

}  // namespace slipway::gitlab
