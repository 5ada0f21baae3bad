#pragma once

// Who sent a request: the places where GitLab's clients put their tokens.

#include <optional>
#include <string>
#include <string_view>

#include "forge/forge.h"
#include "gitlab/parameters.h"
#include "gitlab/router.h"
#include "net/http.h"

namespace slipway::gitlab {

// The token as it was sent, and which kind it must be.
struct SentToken {
  std::string text;
  bool job = false;  // by JOB-TOKEN or job_token: a job's token and no other
};
// PRIVATE-TOKEN, JOB-TOKEN, Authorization: Bearer, ?private_token=, ?access_token=, ?job_token=.
// Pure.
std::optional<SentToken> sent_token(const net::Headers& headers, const Parameters& parameters);

// Nothing for a request without a token. Throws 401 for one that is not valid, and for a job's
// token where another kind belongs.
std::optional<forge::Identity> identify(const forge::Forge& forge, const net::Headers& headers,
                                        const Parameters& parameters);

// Who the caller is for this route: a job's token counts only where it may be used. Throws 401, 403
// for somebody who may not, and {"error": "insufficient_scope"}.
std::optional<forge::Identity> admitted(const Route& route,
                                        std::optional<forge::Identity> identity);

// "user:password" of Authorization: Basic.
std::optional<std::pair<std::string, std::string>> basic_login(const net::Headers& headers);

}  // namespace slipway::gitlab
