#include "jobs/transfer.h"

#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"

namespace slipway::jobs {
namespace {

namespace fs = std::filesystem;

// A key may name a file where another key needs a folder ("a" and "a/b"): S3 has no such conflict,
// a directory has.
void make_parent(const fs::path& file, const std::string& key) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error || fs::is_directory(fs::symlink_status(file, error))) {
    throw Error("ValidationException",
                "The object \"" + key + "\" cannot be placed beside the others as a file");
  }
}

// The container's user need not be this process's; the directories above stay closed to
// everybody else on the machine.
void open_to_all(const fs::path& directory) {
  fs::permissions(directory, fs::perms::all);
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const bool is_directory = entry.is_directory();
    fs::permissions(entry.path(), is_directory ? fs::perms::all : static_cast<fs::perms>(0666));
  }
}

}  // namespace

std::string relative_path(std::string_view prefix, std::string_view key) {
  std::string_view rest = key;
  if (key.size() > prefix.size() && key[prefix.size()] == '/') {
    rest.remove_prefix(prefix.size() + 1);
  } else if (const auto slash = prefix.rfind('/'); slash != std::string_view::npos) {
    rest.remove_prefix(slash + 1);
  }
  if (rest.empty() || rest.ends_with('/')) return "";
  fs::path relative;
  for (const std::string& part : base::split(rest, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." || part.find('\0') != std::string::npos) {
      throw Error("ValidationException",
                  "The object key \"" + std::string(key) + "\" is no path below a directory");
    }
    relative /= part;
  }
  return relative.string();
}

std::string join_s3(std::string_view uri, std::string_view rest) {
  while (uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri) + "/" + std::string(rest);
}

std::size_t download_prefix(const objects::Objects& objects, const std::string& account,
                            const objects::Location& from, const fs::path& directory,
                            const TransferOptions& options) {
  // Listed first, downloaded after: a download reads the database itself.
  std::vector<std::string> keys;
  objects.for_each(account, from.bucket, from.key, [&](const objects::ObjectInfo& object) {
    if (keys.size() >= options.max_objects) {
      throw Error("ValidationException", "More than " + std::to_string(options.max_objects) +
                                             " objects under s3://" + from.bucket + "/" + from.key);
    }
    keys.push_back(object.key);
  });
  fs::create_directories(directory);
  std::size_t count = 0;
  for (const std::string& key : keys) {
    if (options.interrupted()) throw Error("Interrupted", "The transfer was interrupted", 503);
    const std::string relative = relative_path(from.key, key);
    if (relative.empty()) continue;
    make_parent(directory / relative, key);
    objects.download(account, from.bucket, key, directory / relative);
    ++count;
  }
  open_to_all(directory);
  return count;
}

std::size_t upload_tree(objects::Objects& objects, const std::string& account,
                        const fs::path& directory, const objects::Location& to,
                        const fs::path& outgoing) {
  if (!has_contents(directory)) return 0;
  std::string prefix = to.key;
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty()) prefix += '/';
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!fs::is_regular_file(entry.symlink_status())) continue;
    // A second name for the file: should the store take it over by renaming and the process
    // die before that is recorded, the next attempt still finds the first.
    const fs::path handed_over = outgoing / std::to_string(count);
    fs::remove(handed_over);
    fs::create_hard_link(entry.path(), handed_over);
    fs::permissions(handed_over, fs::perms::owner_read | fs::perms::owner_write,
                    fs::perm_options::add);
    objects.put_file(account, to.bucket,
                     prefix + entry.path().lexically_relative(directory).generic_string(),
                     handed_over);
    fs::remove(handed_over);
    ++count;
  }
  return count;
}

bool has_contents(const fs::path& directory) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(directory, error))) return false;
  return !fs::is_empty(directory, error) && !error;
}

std::optional<std::string> read_start(const fs::path& file, std::size_t limit) {
  const base::FileDescriptor descriptor(
      ::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!descriptor || ::fstat(descriptor.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  std::string text(limit, '\0');
  std::size_t length = 0;
  while (length < limit) {
    const ssize_t count = ::read(descriptor.get(), text.data() + length, limit - length);
    if (count < 0) base::throw_errno("reading " + file.string());
    if (count == 0) break;
    length += static_cast<std::size_t>(count);
  }
  text.resize(length);
  return text;
}

void remove_tree(const fs::path& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) return;
  std::error_code ignored;
  for (fs::recursive_directory_iterator each(directory, ignored), finish; each != finish;
       each.increment(ignored)) {
    if (!fs::is_directory(each->symlink_status(ignored))) continue;
    fs::permissions(each->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
  }
  fs::remove_all(directory);
}

}  // namespace slipway::jobs
