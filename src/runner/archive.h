#pragma once

// Zip archives of artifacts and caches, and gzip files of reports.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace slipway::runner {

// Zips these paths of `root` (deflate; links as links; neither devices nor pipes). Throws
// Error{TooLarge} where the archive gets more than `limit` bytes; then it is not there.
void write_zip(const std::filesystem::path& root, const std::set<std::string>& paths,
               const std::filesystem::path& archive, std::uint64_t limit);

// One member for each file, one after the other, as gitlab-runner does. The same Error.
void write_gzip(const std::filesystem::path& root, const std::set<std::string>& paths,
                const std::filesystem::path& archive, std::uint64_t limit);

// Whether links that lead out of the project are taken. Nothing ever follows one.
enum class Links { kInside, kAny };

// Unpacks below `root`; what is there is replaced. Throws Error{Unsafe} for a path that is absolute
// or has "..", for a link that is not taken, and for a path through a link that leads out.
// Throws Error{TooLarge} beyond `limit` unpacked bytes, Error{Broken} for no archive. Returns the
// number of files.
std::size_t extract_zip(const std::filesystem::path& archive, const std::filesystem::path& root,
                        std::uint64_t limit, Links links = Links::kInside);

// Whether the link at `path` (relative to the project) may lead to `target`: not absolute, and
// not out of the project.
bool link_stays_inside(const std::string& path, const std::string& target);
// Neither empty nor absolute, and no "..".
bool is_safe_path(const std::string& path);

}  // namespace slipway::runner
