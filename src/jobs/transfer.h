#pragma once

// Data between buckets and a job's work directory.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "objects/objects.h"

namespace slipway::jobs {

// Where an object that was found by an S3Prefix lies below the channel's directory.
// S3Prefix means "starts with". Where the prefix names a folder, with or without a final "/",
// the path goes on below it; otherwise it begins after the last "/" of the prefix:
//   prefix "data/train"  key "data/train/a/b.csv"   a/b.csv
//   prefix "data/part"   key "data/part-1.csv"      part-1.csv
//   prefix "data/x.csv"  key "data/x.csv"           x.csv
// Empty for the placeholder of a folder (a key that ends with "/"). Throws Error where the path
// would leave the directory.
std::string relative_path(std::string_view prefix, std::string_view key);

// "s3://bucket/a" + "b/c" = "s3://bucket/a/b/c", with one "/" between.
std::string join_s3(std::string_view uri, std::string_view rest);

struct TransferOptions {
  std::size_t max_objects = 1'000'000;  // of one input
  // Asked between objects; true ends the transfer with Error{Interrupted}.
  std::function<bool()> interrupted = [] { return false; };
};

// Downloads every object of the prefix `from` into `directory`, writable by any user, and
// returns their number. Throws Error with S3's codes, or ValidationException where a path cannot
// be made.
std::size_t download_prefix(const objects::Objects& objects, const std::string& account,
                            const objects::Location& from, const std::filesystem::path& directory,
                            const TransferOptions& options);

// Uploads the regular files below `directory` to `to`/<relative path>; symbolic links are not
// followed. `outgoing`: an empty directory on the same file system, from which the store may take
// files over. Returns their number. Repeatable.
std::size_t upload_tree(objects::Objects& objects, const std::string& account,
                        const std::filesystem::path& directory, const objects::Location& to,
                        const std::filesystem::path& outgoing);

// Whether there is anything in it; false also where `directory` is not a directory itself
// (a container may have put a link in its place).
bool has_contents(const std::filesystem::path& directory);

// The first `limit` bytes of a regular file that a container wrote, without following
// links and without waiting on a pipe; nothing where there is no such file.
std::optional<std::string> read_start(const std::filesystem::path& file, std::size_t limit);

// Removes `directory` and what is in it, also where a program took its own rights away.
void remove_tree(const std::filesystem::path& directory);

}  // namespace slipway::jobs
