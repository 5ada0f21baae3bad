#include "forge/repository.h"

#include <algorithm>
#include <array>

#include <fcntl.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/git.h"
#include "forge/raw_commit.h"
#include "store/files.h"

namespace slipway::forge {
namespace {

constexpr const char* kEmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
constexpr int kMostCommits = 10'000;

std::vector<std::string> split_by_nul(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Git's words for "there is no such thing", which is an answer here and not a failure.
bool names_nothing(const base::CommandResult& result) {
  constexpr std::array<std::string_view, 7> kWords = {
      "Not a valid object name", "not a tree object", "does not exist in",
      "unknown revision",        "bad object",        "bad revision",
      "Not a valid commit name"};
  return result.exit_code != 0 &&
         std::any_of(kWords.begin(), kWords.end(), [&](std::string_view words) {
           return result.error.find(words) != std::string::npos;
         });
}

// The output; nothing where what it was asked about does not exist.
std::optional<std::string> output_of(const std::filesystem::path& directory, const GitCall& call) {
  base::CommandResult result = run_git(directory, call);
  if (result.ok()) return std::move(result.output);
  if (names_nothing(result)) return std::nullopt;
  throw_git_failed(call, result);
}

constexpr std::size_t kDigits = 40;
const auto kProcessStart = std::filesystem::file_time_type::clock::now();

// A server that was killed while it moved one of its own refs leaves the lock, and the ref could
// never move again. No process but this server's moves these refs.
void remove_lock_of_earlier_server(const std::filesystem::path& ref) {
  const std::filesystem::path lock = ref.string() + ".lock";
  std::error_code error;
  const auto made = std::filesystem::last_write_time(lock, error);
  if (!error && made < kProcessStart) std::filesystem::remove(lock, error);
}

// What `git update-ref` does, with git's own lock. False where git is better asked: the object is
// in a pack, or is not there at all.
bool write_loose_ref(const std::filesystem::path& directory, const std::string& ref,
                     const std::string& commit) {
  std::error_code error;
  const std::string object = commit.substr(0, 2) + "/" + commit.substr(2);
  if (!std::filesystem::is_regular_file(directory / "objects" / object, error)) return false;
  const std::filesystem::path file = directory / ref;
  const std::filesystem::path lock = file.string() + ".lock";
  store::Disk& disk = store::system_disk();
  store::create_directories_durably(disk, file.parent_path());
  const base::FileDescriptor opened(
      ::open(lock.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!opened) return false;
  try {
    disk.write(opened.get(), commit + "\n");
    disk.sync(opened.get());
    disk.rename(lock, file);
    disk.sync_directory(file.parent_path());
  } catch (...) {
    std::filesystem::remove(lock, error);
    throw;
  }
  return true;
}

std::string without_slashes(const std::string& path) {
  std::string_view text = path;
  while (text.starts_with("/")) text.remove_prefix(1);
  while (text.ends_with("/")) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

std::optional<std::string> Repository::resolve(const std::string& name) const {
  if (!is_plain_name(name)) return std::nullopt;
  // Branches hold commits, and come first.
  if (!is_commit_id(name)) {
    const bool is_full = name.starts_with("refs/heads/");
    if (auto commit = loose_ref(directory_, is_full ? name : "refs/heads/" + name)) return commit;
  }
  // A branch comes before a tag of its name, and both before a commit that begins so.
  GitCall call{.arguments = {"cat-file", "--batch-check=%(objectname) %(objecttype)"}};
  if (is_commit_id(name)) {
    call.input = name + "^{commit}\n";
  } else {
    for (const char* prefix : {"refs/heads/", "refs/tags/", ""}) {
      // A bare word is a ref of the repository ("config", "HEAD") or a commit's beginning.
      if (*prefix == '\0' && name != "HEAD" && !name.starts_with("refs/") &&
          name.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
        continue;
      }
      call.input += prefix + name + "^{commit}\n";
    }
  }
  for (const std::string& line : base::split(git_output(directory_, call), '\n')) {
    if (line.size() == kDigits + 7 && line.ends_with(" commit")) return line.substr(0, kDigits);
  }
  return std::nullopt;
}

std::optional<Commit> Repository::commit(const std::string& id) const {
  const auto resolved = is_commit_id(id) ? id : resolve(id);
  if (!resolved) return std::nullopt;
  const std::string output = git_output(
      directory_, {.arguments = {"cat-file", "--batch"}, .input = *resolved + "^{commit}\n"});
  std::vector<Commit> commits = parse_commit_batch(output);
  if (commits.empty()) return std::nullopt;
  return std::move(commits.front());
}

std::vector<Commit> Repository::history(const std::string& from, const std::string& path, int skip,
                                        int limit) const {
  const auto start = resolve(from);
  if (!start || limit <= 0) return {};
  GitCall list{.arguments = {"rev-list", "--skip=" + std::to_string(std::max(skip, 0)),
                             "--max-count=" + std::to_string(std::min(limit, kMostCommits)), *start,
                             "--"}};
  const std::string cleaned = without_slashes(path);
  if (!cleaned.empty()) list.arguments.push_back(":(top,literal)" + cleaned);
  const std::string ids = git_output(directory_, list);
  if (ids.empty()) return {};
  return parse_commit_batch(
      git_output(directory_, {.arguments = {"cat-file", "--batch"}, .input = ids}));
}

std::vector<Ref> Repository::refs(const std::string& prefix) const {
  const std::string output = git_output(
      directory_,
      {.arguments = {"for-each-ref",
                     "--format=%(refname)%00%(objecttype)%00%(objectname)%00%(*objectname)%00"
                     "%(if:equals=tag)%(objecttype)%(then)%(contents)%(end)%00",
                     prefix}});
  const std::vector<std::string> fields = split_by_nul(output);
  std::vector<Ref> refs;
  for (std::size_t at = 0; at + 5 <= fields.size(); at += 5) {
    // Each line's end stands before the next line's first field.
    Ref ref;
    ref.name = std::string(base::trim(fields[at]));
    ref.commit = fields[at + 1] == "tag" ? fields[at + 3] : fields[at + 2];
    ref.message = fields[at + 4];
    ref.object = fields[at + 2];
    refs.push_back(std::move(ref));
  }
  return refs;
}

std::optional<std::string> Repository::read(const std::string& commit, const std::string& path,
                                            std::uint64_t limit) const {
  const std::string cleaned = without_slashes(path);
  if (!is_file_path(cleaned)) return std::nullopt;
  const auto id = is_commit_id(commit) ? commit : resolve(commit);
  if (!id) return std::nullopt;
  const auto refuse = [&] {
    throw Error("RequestEntityTooLarge",
                "The file " + cleaned + " is larger than " + std::to_string(limit) + " bytes.",
                413);
  };
  constexpr std::uint64_t kHead = 128;
  GitCall call{.arguments = {"cat-file", "--batch=%(objecttype) %(objectsize)"},
               .input = *id + ":" + cleaned + "\n"};
  call.output_limit = static_cast<std::size_t>(limit + kHead);
  std::string output;
  try {
    output = git_output(directory_, call);
  } catch (const Error& error) {
    if (error.status() != 413) throw;
    refuse();
  }
  const std::size_t end = output.find('\n');
  if (end == std::string::npos) return std::nullopt;
  const std::vector<std::string> facts = base::split(output.substr(0, end), ' ');
  if (facts.size() != 2 || facts[0] != "blob") return std::nullopt;
  const auto size = base::parse_integer(facts[1]);
  if (!size || static_cast<std::uint64_t>(*size) > limit) refuse();
  if (output.size() < end + 1 + static_cast<std::size_t>(*size)) return std::nullopt;
  return output.substr(end + 1, static_cast<std::size_t>(*size));
}

std::vector<TreeEntry> Repository::tree(const std::string& commit, const std::string& path,
                                        bool recursive) const {
  const auto id = is_commit_id(commit) ? commit : resolve(commit);
  const std::string cleaned = without_slashes(path);
  if (!id || (!cleaned.empty() && !is_file_path(cleaned))) return {};
  GitCall call{.arguments = {"ls-tree", "-z"}};
  if (recursive) call.arguments.insert(call.arguments.end(), {"-r", "-t"});
  call.arguments.push_back(*id + ":" + cleaned);
  const auto output = output_of(directory_, call);
  if (!output) return {};
  std::vector<TreeEntry> entries;
  for (const std::string& line : split_by_nul(*output)) {
    // "<mode> <type> <id>\t<path>"
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    const std::vector<std::string> words = base::split(line.substr(0, tab), ' ');
    if (words.size() != 3) continue;
    const std::string name = line.substr(tab + 1);
    entries.push_back({.id = words[2],
                       .mode = words[0],
                       .type = words[1],
                       .path = cleaned.empty() ? name : cleaned + "/" + name});
  }
  return entries;
}

std::vector<std::string> Repository::paths(const std::string& commit) const {
  const auto id = is_commit_id(commit) ? commit : resolve(commit);
  if (!id) return {};
  const auto output =
      output_of(directory_, {.arguments = {"ls-tree", "-r", "-z", "--name-only", *id}});
  return output ? split_by_nul(*output) : std::vector<std::string>();
}

std::vector<std::string> Repository::changed_paths(const std::string& from,
                                                   const std::string& to) const {
  const auto tree_of = [&](const std::string& name) {
    if (is_no_commit(name)) return std::optional<std::string>(kEmptyTree);
    return is_commit_id(name) ? std::optional<std::string>(name) : resolve(name);
  };
  const auto old_tree = tree_of(from);
  const auto new_tree = tree_of(to);
  if (!old_tree || !new_tree) return {};
  const auto output = output_of(directory_, {.arguments = {"diff-tree", "-r", "-z", "--name-only",
                                                           "--no-renames", *old_tree, *new_tree}});
  return output ? split_by_nul(*output) : std::vector<std::string>();
}

std::optional<std::string> Repository::merge_base(const std::string& one,
                                                  const std::string& other) const {
  const auto first = resolve(one);
  const auto second = resolve(other);
  if (!first || !second) return std::nullopt;
  const GitCall call{.arguments = {"merge-base", *first, *second}};
  const base::CommandResult result = run_git(directory_, call);
  if (result.exit_code == 1) return std::nullopt;  // histories without a common commit
  if (!result.ok()) throw_git_failed(call, result);
  return std::string(base::trim(result.output));
}

void Repository::keep(const std::string& ref, const std::string& commit) const {
  if (!is_ref_name(ref) || !is_commit_id(commit)) {
    base::throw_internal("cannot keep " + commit + " as " + ref);
  }
  remove_lock_of_earlier_server(directory_ / ref);
  if (write_loose_ref(directory_, ref, commit)) return;
  git_output(directory_, {.arguments = {"update-ref", "--no-deref", ref, commit}});
}

void Repository::drop(const std::string& ref) const {
  if (!is_ref_name(ref)) return;
  remove_lock_of_earlier_server(directory_ / ref);
  git_output(directory_, {.arguments = {"update-ref", "--no-deref", "-d", ref}});
}

void Repository::archive(const std::string& commit, const std::string& format,
                         const std::string& prefix, const std::filesystem::path& to) const {
  if (format != "tar" && format != "tar.gz" && format != "zip") {
    throw Error("Invalid", "format does not have a valid value", 400,
                {{"format", {"does not have a valid value"}}});
  }
  const auto id = resolve(commit);
  if (!id) throw Error("NotFound", "404 File Not Found", 404);
  git_output(directory_, {.arguments = {"archive", "--format=" + format, "--prefix=" + prefix,
                                        "--output=" + std::filesystem::absolute(to).string(), *id},
                          .timeout = std::chrono::minutes(10)});
}

}  // namespace slipway::forge
