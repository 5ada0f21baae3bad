#pragma once

// Writes commit objects; no ref moves.

#include <filesystem>
#include <string>
#include <vector>

#include "forge/repository.h"

namespace slipway::forge {

// Returns the new commit's id.
std::string write_commit(const std::filesystem::path& repository, const std::string& tree,
                         const std::vector<std::string>& parents, const std::string& message,
                         const Signature& author, const Signature& committer);

}  // namespace slipway::forge
