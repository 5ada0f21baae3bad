#include "runner/sources.h"

#include <optional>
#include <set>

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "containers/directory.h"
#include "store/files.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

// Beyond this git is quicker than copying.
constexpr std::uint64_t kSmallBytes = 4u << 20;
constexpr std::size_t kSmallFiles = 400;

void write_text(const fs::path& path, const std::string& text) {
  store::Disk& disk = store::system_disk();
  fs::remove(path);
  const base::FileDescriptor file = disk.create(path);
  disk.write(file.get(), text);
  ::fchmod(file.get(), 0644);
}

bool is_real_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error));
}

// Whether everything below is a directory or a file that nobody else may mean: no links.
bool is_plain_tree(const fs::path& directory) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const fs::file_status status = entry->symlink_status(ignored);
    if (!fs::is_directory(status) && !fs::is_regular_file(status)) return false;
  }
  return !error;
}

std::string value_for_config(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c != '\n' && c != '\0') result += c;
  }
  return result + "\"";
}

// What `git init` would make, without a process.
void write_git_directory(const Sources& sources) {
  const fs::path git = sources.directory / ".git";
  for (const char* part : {"objects/info", "objects/pack", "refs/heads", "refs/tags", "info"}) {
    fs::create_directories(git / part);
  }
  write_text(git / "config",
             "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
             "\tlogallrefupdates = true\n"
             "[fetch]\n\trecurseSubmodules = false\n[gc]\n\tauto = 0\n"
             "[remote \"origin\"]\n\turl = " +
                 value_for_config(sources.url) +
                 "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
  write_text(git / "HEAD", "ref: refs/heads/none\n");
}

class Git {
 public:
  Git(const Sources& sources, const std::function<void(std::string_view)>& print)
      : sources_(sources), print_(print) {}

  void fetch() {
    std::vector<std::string> words{
        "fetch",  "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
        "--force"};
    if (sources_.depth > 0) words.push_back("--depth=" + std::to_string(sources_.depth));
    words.push_back(sources_.repository.string());
    words.insert(words.end(), sources_.refspecs.begin(), sources_.refspecs.end());
    auto result = run(words, "file");
    if (!result.ok() && sources_.refspecs.size() > 1) {
      // The branch may be gone since; the pipeline's own ref is what counts.
      words.erase(words.end() - static_cast<std::ptrdiff_t>(sources_.refspecs.size()) + 1,
                  words.end());
      result = run(words, "file");
    }
    require(result, "fetching");
  }

  void checkout() {
    require(run({"checkout", "--force", "--quiet", "--detach", sources_.sha}, "file"),
            "checking out " + sources_.sha);
  }

  void clean() {
    std::vector<std::string> words{"clean", "--quiet"};
    words.insert(words.end(), sources_.clean_flags.begin(), sources_.clean_flags.end());
    require(run(words, "file"), "cleaning");
  }

  void submodules() {
    std::vector<std::string> words{"submodule", "--quiet", "update", "--init", "--force"};
    if (sources_.submodules == Sources::Submodules::kRecursive) words.push_back("--recursive");
    // Not "file": a submodule may not name other repositories of this disk.
    require(run(words, "http:https"), "updating submodules");
  }

 private:
  base::CommandResult run(const std::vector<std::string>& words, const char* protocols) {
    base::Command command;
    if (sources_.world_writable) {
      command.arguments = {"sh", "-c", "umask 0; exec git \"$@\"", "git"};
    } else {
      command.arguments = {"git"};
    }
    for (const std::string& word : words) command.arguments.push_back(word);
    command.directory = sources_.directory;
    command.environment = {{"GIT_CONFIG_NOSYSTEM", "1"},
                           {"GIT_CONFIG_GLOBAL", "/dev/null"},
                           {"GIT_TERMINAL_PROMPT", "0"},
                           {"GIT_ALLOW_PROTOCOL", protocols},
                           {"GIT_DIR", (sources_.directory / ".git").string()},
                           {"GIT_WORK_TREE", sources_.directory.string()},
                           {"GIT_CONFIG_COUNT", "2"},
                           {"GIT_CONFIG_KEY_0", "safe.directory"},
                           {"GIT_CONFIG_VALUE_0", "*"},
                           {"GIT_CONFIG_KEY_1", "core.hooksPath"},
                           {"GIT_CONFIG_VALUE_1", "/dev/null"},
                           {"LC_ALL", "C.UTF-8"}};
    command.timeout = sources_.timeout;
    return base::run(command);
  }

  void require(const base::CommandResult& result, const std::string& doing) {
    if (result.timed_out) throw Error("GitFailed", doing + " took too long");
    if (result.ok()) return;
    print_(result.error);
    const std::string_view why = base::trim(result.error);
    throw Error("GitFailed", doing + " failed: " + std::string(why.substr(why.rfind('\n') + 1)));
  }

  const Sources& sources_;
  const std::function<void(std::string_view)>& print_;
};

void empty_directory(const fs::path& directory) {
  if (is_real_directory(directory)) {
    containers::remove_tree(directory);
  } else {
    fs::remove(directory);
  }
  fs::create_directories(directory);
}

void check_out(const Sources& sources, Git& git, bool fresh,
               const std::function<void(std::string_view)>& print) {
  if (!sources.checkout) {
    print("Skipping Git checkout\n");
    return;
  }
  print("Checking out " + sources.sha.substr(0, 8) + " as detached HEAD (ref is " + sources.ref +
        ")...\n");
  git.checkout();
  if (!fresh && !sources.clean_flags.empty()) git.clean();
  if (sources.submodules == Sources::Submodules::kNone) {
    print("Skipping Git submodules setup\n");
  } else {
    print("Updating submodules...\n");
    git.submodules();
  }
}

void remove_git_directory(const fs::path& git) {
  if (is_real_directory(git)) {
    containers::remove_tree(git);
  } else {
    fs::remove(git);
  }
}

// The files below objects/, where they are few and small.
std::optional<std::vector<fs::path>> small_objects(const fs::path& objects) {
  std::vector<fs::path> files;
  std::uint64_t bytes = 0;
  if (fs::exists(objects / "info/alternates")) return std::nullopt;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(objects)) {
    if (!entry.is_regular_file()) continue;
    bytes += entry.file_size();
    files.push_back(entry.path().lexically_relative(objects));
    if (bytes > kSmallBytes || files.size() > kSmallFiles) return std::nullopt;
  }
  return files;
}

// The object that a ref of a bare repository names.
std::optional<std::string> read_ref(const fs::path& repository, const std::string& name) {
  constexpr std::size_t kDigits = 40;
  std::error_code error;
  if (fs::is_regular_file(repository / name, error)) {
    const std::string text = store::read_file(repository / name, 4096);
    return text.size() >= kDigits ? std::optional(text.substr(0, kDigits)) : std::nullopt;
  }
  if (!fs::is_regular_file(repository / "packed-refs", error)) return std::nullopt;
  const std::string packed = store::read_file(repository / "packed-refs");
  const std::size_t at = packed.find(" " + name + "\n");
  if (at == std::string::npos || at < kDigits) return std::nullopt;
  return packed.substr(at - kDigits, kDigits);
}

// False where the pipeline's own ref, the first, is not there.
bool copy_refs(const Sources& sources) {
  bool found_first = false;
  for (const std::string& refspec : sources.refspecs) {
    const std::size_t colon = refspec.find(':');
    const std::size_t begin = refspec.starts_with('+') ? 1 : 0;
    const auto object = read_ref(sources.repository, refspec.substr(begin, colon - begin));
    if (!object) continue;
    if (&refspec == &sources.refspecs.front()) found_first = true;
    const fs::path to = sources.directory / ".git" / refspec.substr(colon + 1);
    fs::create_directories(to.parent_path());
    write_text(to, *object + "\n");
  }
  return found_first;
}

void fetch_and_check_out(const Sources& sources, bool fresh,
                         const std::function<void(std::string_view)>& print) {
  Git git(sources, print);
  write_git_directory(sources);
  git.fetch();
  check_out(sources, git, fresh, print);
}

bool copy_and_check_out(const Sources& sources, bool fresh,
                        const std::function<void(std::string_view)>& print) {
  if (sources.depth == 0 || sources.depth_is_asked || !copy_small_repository(sources)) return false;
  Git git(sources, print);
  try {
    check_out(sources, git, fresh, print);
    return true;
  } catch (const Error&) {
    // Git may have packed the repository just then.
    remove_git_directory(sources.directory / ".git");
    return false;
  }
}

}  // namespace

bool copy_small_repository(const Sources& sources) {
  const fs::path from = sources.repository / "objects";
  const fs::path git = sources.directory / ".git";
  try {
    const auto files = small_objects(from);
    if (!files) return false;
    remove_git_directory(git);
    write_git_directory(sources);
    for (const fs::path& file : *files) {
      fs::create_directories((git / "objects" / file).parent_path());
      fs::copy_file(from / file, git / "objects" / file);
    }
    if (copy_refs(sources)) return true;
  } catch (const std::exception&) {
    // The repository changes while it is copied; fetching can deal with that.
  }
  remove_git_directory(git);
  return false;
}

bool clean_git_directory(const fs::path& directory) {
  static const std::set<std::string> kData{"objects", "refs", "packed-refs", "shallow"};
  const fs::path git = directory / ".git";
  const auto give_up = [&] {
    remove_git_directory(git);
    return false;
  };
  if (!is_real_directory(git) || !is_real_directory(git / "objects") ||
      !is_real_directory(git / "refs")) {
    return give_up();
  }
  std::vector<fs::path> doomed;
  for (const fs::directory_entry& entry : fs::directory_iterator(git)) {
    if (!kData.contains(entry.path().filename().string())) doomed.push_back(entry.path());
  }
  for (const fs::path& path : doomed) {
    if (is_real_directory(path)) {
      containers::remove_tree(path);
    } else {
      fs::remove(path);
    }
  }
  if (!is_plain_tree(git)) return give_up();
  fs::remove(git / "objects/info/alternates");
  fs::remove(git / "objects/info/http-alternates");
  return true;
}

void get_sources(const Sources& sources, const std::function<void(std::string_view)>& print) {
  if (sources.strategy == GitStrategy::kNone) {
    fs::create_directories(sources.directory);
    print("Skipping Git repository setup\nSkipping Git checkout\nSkipping Git submodules setup\n");
    return;
  }
  if (sources.strategy == GitStrategy::kEmpty) {
    print("Skipping Git repository setup and creating an empty build directory\n");
    empty_directory(sources.directory);
    return;
  }
  print(sources.depth > 0
            ? "Fetching changes with git depth set to " + std::to_string(sources.depth) + "...\n"
            : "Fetching changes...\n");
  const bool there =
      sources.strategy == GitStrategy::kFetch && is_real_directory(sources.directory);
  if (there) {
    if (copy_and_check_out(sources, false, print)) return;
    if (clean_git_directory(sources.directory)) {
      try {
        fetch_and_check_out(sources, false, print);
        return;
      } catch (const Error& error) {
        print("The directory of an earlier job cannot be used (" + error.message() +
              "); making a new one.\n");
      }
    }
  }
  empty_directory(sources.directory);
  print("Created fresh repository.\n");
  if (!copy_and_check_out(sources, true, print)) fetch_and_check_out(sources, true, print);
}

}  // namespace slipway::runner
