#pragma once

// What the files and commits endpoints have in common.

#include <string>

#include "forge/repository.h"
#include "gitlab/parameters.h"

namespace slipway::gitlab {

// Branch, start, message and author; without changes.
forge::CommitRequest commit_request(const Parameters& given, base::Millis now);
// "content", decoded where "encoding" is "base64".
std::string content_of(const Parameters& given);
// Where `last_commit` is not empty: throws 400 where another commit changed the file since, and
// otherwise holds the branch to what was looked at.
void expect_last_commit(const forge::Repository& repository, forge::CommitRequest& request,
                        const std::string& last_commit, const std::string& path);

}  // namespace slipway::gitlab
