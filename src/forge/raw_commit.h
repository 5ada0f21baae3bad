#pragma once

// Commits as `git cat-file --batch` prints them. Pure.

#include <optional>
#include <string_view>
#include <vector>

#include "forge/repository.h"

namespace slipway::forge {

// The commits among the objects of the output, in its order; what is missing is left out.
std::vector<Commit> parse_commit_batch(std::string_view output);
// "Name <mail> 1700000000 +0100"
std::optional<Signature> parse_signature(std::string_view text);
// "Name <mail>" with what git does not take left out.
Signature cleaned(Signature signature);

}  // namespace slipway::forge
