#include "ship/repository.h"

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace slipway::ship {
namespace {

base::CommandResult git(const std::filesystem::path& directory,
                        std::vector<std::string> arguments) {
  base::Command command;
  command.arguments = {"git", "-C", directory.string()};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = {{"GIT_TERMINAL_PROMPT", "0"}, {"LC_ALL", "C"}};
  command.output_limit = 32u << 20;
  return base::run(command);
}

std::string checked(const std::filesystem::path& directory, std::vector<std::string> arguments) {
  base::CommandResult result = git(directory, arguments);
  if (!result.ok())
    throw Error("GitError",
                "git " + base::join(arguments, " ") + ": " + std::string(base::trim(result.error)));
  return std::move(result.output);
}

}  // namespace

Repository Repository::open(const std::filesystem::path& directory) {
  if (!base::find_program("git"))
    throw Error("MissingProgram", "git is not installed; install it: apt-get install git");
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored))
    throw Error("NoRepository", directory.string() + " is not a directory");
  const base::CommandResult top = git(directory, {"rev-parse", "--show-toplevel"});
  if (!top.ok()) {
    // git's own words name the cure where the folder belongs to another user.
    const std::string reason(base::trim(top.error));
    if (reason.find("not a git repository") == std::string::npos) throw Error("GitError", reason);
    throw Error("NoRepository", directory.string() +
                                    " is not in a git repository; make one: git init && git add . "
                                    "&& git commit -m 'feat: first version'");
  }
  Repository repository;
  repository.root_ = std::string(base::trim(top.output));
  repository.prefix_ = std::string(base::trim(checked(directory, {"rev-parse", "--show-prefix"})));
  const base::CommandResult head = git(directory, {"log", "-1", "--format=%H%n%ct%n%s"});
  if (!head.ok())
    throw Error("NoCommit", directory.string() +
                                " has no commit yet; make one: git add . && git commit -m 'feat: "
                                "first version'");
  const std::vector<std::string> lines = base::split(head.output, '\n');
  repository.head_.id = lines.at(0);
  repository.head_.time = base::parse_integer(lines.at(1)).value_or(0);
  repository.head_.subject = lines.at(2);
  return repository;
}

bool Repository::has_uncommitted_changes() const {
  return !base::trim(checked(root_ / prefix_, {"status", "--porcelain", "--", "."})).empty();
}

std::vector<std::string> Repository::messages_since(const std::optional<std::string>& base) const {
  std::vector<std::string> arguments{"log", "-n", "1000", "--format=%B%x00"};
  if (base && git(root_, {"merge-base", "--is-ancestor", *base, "HEAD"}).ok())
    arguments.push_back(*base + "..HEAD");
  arguments.insert(arguments.end(), {"--", "."});
  std::vector<std::string> messages;
  for (const std::string& message : base::split(checked(root_ / prefix_, arguments), '\0'))
    if (!base::trim(message).empty()) messages.emplace_back(base::trim(message));
  return messages;
}

void Repository::export_to(const std::filesystem::path& target) const {
  // `git archive` knows attributes and symbolic links; tar unpacks what it wrote.
  std::filesystem::create_directories(target);
  const std::filesystem::path archive = target.string() + ".tar";
  checked(root_, {"archive", "--format=tar", "-o", archive.string(),
                  prefix_.empty() ? "HEAD" : "HEAD:" + prefix_.substr(0, prefix_.size() - 1)});
  base::Command unpack;
  unpack.arguments = {"tar", "-xf", archive.string(), "-C", target.string(), "--no-same-owner"};
  const base::CommandResult result = base::run(unpack);
  std::filesystem::remove(archive);
  if (!result.ok()) throw Error("GitError", "cannot unpack the commit: " + result.error);
}

}  // namespace slipway::ship
