#pragma once

// Paths of artifacts and caches: patterns with "**", as doublestar has them.

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::runner {

// "*" and "?" stay within a directory, "**" does not; "[a-z]", "[^a]" and "{a,b}".
bool matches_path(std::string_view pattern, std::string_view path);

// A pattern without "./", doubled or final slashes and the project's own directory before it;
// empty where it leaves the project. "." is the project itself.
std::string normal_pattern(std::string_view pattern, std::string_view project);

// Relative paths below `root` that match, with everything in directories that match. Links are
// found, never followed: what they lead to is not the project's.
std::set<std::string> find_paths(const std::filesystem::path& root, std::string_view pattern);
// Every file and link below `root`, without directories and without .git.
std::set<std::string> all_files(const std::filesystem::path& root);

}  // namespace slipway::runner
