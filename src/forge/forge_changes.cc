// Changes of repositories through the API: commits and refs, each with what a push does.

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "forge/commit_plan.h"
#include "forge/decide.h"
#include "forge/forge.h"
#include "forge/git.h"
#include "forge/limits.h"
#include "forge/refuse.h"
#include "forge/state.h"
#include "forge/write_commit.h"
#include "store/files.h"

namespace slipway::forge {
namespace {

namespace fs = std::filesystem;

// Commits that came between are read and built upon this often.
constexpr int kMostAttempts = 3;

// A directory for one commit's index and contents.
class Workshop {
 public:
  explicit Workshop(const fs::path& repository)
      : path_(repository / ("commit-" + base::random_hex(16))) {
    fs::create_directory(path_);
  }
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TreeFiles files_at(const Repository& repository, const std::string& commit) {
  TreeFiles files;
  for (TreeEntry& entry : repository.tree(commit, "", true)) {
    if (entry.type == "tree") continue;
    files[entry.path] = {entry.mode, entry.id, std::nullopt};
  }
  return files;
}

// Stores the contents as blobs, by one process, and notes their ids.
void store_contents(const fs::path& repository, const fs::path& workshop,
                    std::vector<PlannedChange>& changes) {
  GitCall call{.arguments = {"hash-object", "-w", "--no-filters", "--stdin-paths"}};
  std::vector<TreeFile*> files;
  for (PlannedChange& change : changes) {
    if (!change.file || !change.file->content) continue;
    const fs::path path = workshop / std::to_string(files.size());
    std::ofstream file(path, std::ios::binary);
    file << *change.file->content;
    file.close();
    if (!file) throw Error("InsufficientStorage", "The disk is full.", 507);
    call.input += path.string() + "\n";
    files.push_back(&*change.file);
  }
  if (files.empty()) return;
  const std::vector<std::string> ids = base::split(base::trim(git_output(repository, call)), '\n');
  if (ids.size() != files.size()) base::throw_internal("git stored another number of files");
  for (std::size_t at = 0; at < ids.size(); ++at) files[at]->id = ids[at];
}

std::string write_tree(const fs::path& repository, const std::string& parent,
                       std::vector<PlannedChange> changes) {
  const Workshop workshop(repository);
  store_contents(repository, workshop.path(), changes);
  const std::map<std::string, std::string> environment = {
      {"GIT_INDEX_FILE", (workshop.path() / "index").string()}};
  if (!is_no_commit(parent)) {
    git_output(repository, {.arguments = {"read-tree", parent}, .environment = environment});
  }
  std::string removed;
  std::string added;
  for (const PlannedChange& change : changes) {
    if (!change.file) {
      removed += std::string("0 ") + kNoCommit + "\t" + change.path + '\0';
    } else {
      added += change.file->mode + " " + change.file->id + "\t" + change.path + '\0';
    }
  }
  // Removed first, so that a file can take a directory's name.
  git_output(repository, {.arguments = {"update-index", "-z", "--index-info"},
                          .input = removed + added,
                          .environment = environment});
  return std::string(base::trim(
      git_output(repository, {.arguments = {"write-tree"}, .environment = environment})));
}

void check(const CommitRequest& request) {
  if (request.branch.empty()) refuse("branch", "can't be blank");
  if (!is_ref_name("refs/heads/" + request.branch)) {
    throw Error("Invalid", "The branch name is not valid: " + request.branch, 400,
                {{"branch", {"is invalid"}}});
  }
  if (base::trim(request.message).empty()) refuse("commit_message", "can't be blank");
  if (request.message.find('\0') != std::string::npos) refuse("commit_message", "is invalid");
  if (request.changes.size() > kMostChanges) {
    refuse("actions", "are too many (maximum is " + std::to_string(kMostChanges) + ")");
  }
}

// Where the branch is, and the commit that the new one builds upon.
struct Base {
  std::string head;
  std::string parent;
};

Base find_base(const Repository& repository, const CommitRequest& request) {
  const std::string head = ref_value(repository.directory(), "refs/heads/" + request.branch);
  if (!request.expected.empty() && head != request.expected) {
    throw Error("Conflict",
                "You are attempting to update a file that has changed since you started editing "
                "it.",
                409);
  }
  const bool starts_elsewhere = !request.start.empty() && request.start != request.branch;
  if (!is_no_commit(head)) {
    if (starts_elsewhere && repository.resolve(request.start) != head) {
      throw Error("Invalid", "A branch called '" + request.branch +
                                 "' already exists. Switch to that branch in order to make "
                                 "changes");
    }
    return {head, head};
  }
  if (starts_elsewhere) {
    const auto start = repository.resolve(request.start);
    if (!start) throw Error("Invalid", "Cannot find start branch '" + request.start + "'");
    return {kNoCommit, *start};
  }
  if (!repository.refs("refs/heads/").empty()) {
    throw Error("Invalid", "You can only create or edit files when you are on a branch");
  }
  return {kNoCommit, kNoCommit};
}

}  // namespace

Commit Forge::commit(const Identity& identity, Id project, const CommitRequest& request) {
  check(request);
  const auto target = this->project(project);
  if (!target) throw_not_found("Project");
  const std::string ref = "refs/heads/" + request.branch;
  if (!can_push(identity, *target, ref)) {
    throw Error("Forbidden", "You are not allowed to push into this branch", 403);
  }
  const Repository repository = this->repository(project);
  const base::Millis now = state_->clock.now();
  const Signature committer{identity.user.name, identity.user.email, now};
  Signature author = request.author.value_or(committer);
  if (author.name.empty()) author.name = committer.name;
  if (author.email.empty()) author.email = committer.email;
  if (author.at == 0) author.at = now;
  for (int attempt = 1; attempt <= kMostAttempts; ++attempt) {
    const Base from = find_base(repository, request);
    const TreeFiles files =
        is_no_commit(from.parent) ? TreeFiles() : files_at(repository, from.parent);
    const std::string tree =
        write_tree(repository.directory(), from.parent, plan_changes(files, request.changes));
    std::vector<std::string> parents;
    if (!is_no_commit(from.parent)) parents.push_back(from.parent);
    const std::string id =
        write_commit(repository.directory(), tree, parents, request.message, author, committer);
    if (state_->move(identity.user, project, {.ref = ref, .before = from.head, .after = id})) {
      return repository.commit(id).value();
    }
  }
  throw Error("Conflict", "Could not update " + ref + ". Please refresh and try again.", 409);
}

void Forge::set_ref(const Identity& identity, Id project, const std::string& ref,
                    const std::string& commit) {
  const auto target = this->project(project);
  if (!target) throw_not_found("Project");
  if (!is_ref_name(ref)) {
    throw Error("Invalid", "\"" + ref + "\" is not a name for a branch or tag.");
  }
  const Repository repository = this->repository(project);
  RefUpdate update{.ref = ref, .before = ref_value(repository.directory(), ref)};
  update.after = kNoCommit;
  if (!is_no_commit(commit)) {
    const auto resolved = repository.resolve(commit);
    if (!resolved) throw Error("Invalid", "Invalid reference name: " + commit);
    update.after = *resolved;
  }
  if (update.before == update.after) {
    if (!is_no_commit(update.after)) return;
    throw_not_found(tag_of(ref) ? "Tag" : "Branch");
  }
  update.forced = branch_of(ref) && !is_no_commit(update.before) && !is_no_commit(update.after) &&
                  repository.merge_base(update.before, update.after) != update.before;
  const Access role = identity.kind == TokenKind::kJob ? Access::kNone : access(identity, *target);
  if (const auto reason = refusal(update, *target, state_->rules(project, ref), role, Way::kApi)) {
    throw Error("Forbidden", *reason, 403);
  }
  if (!state_->move(identity.user, project, update)) {
    throw Error("Conflict", "Could not update " + ref + ". Please refresh and try again.", 409);
  }
}

// As a push: announced, done, told. A crash between is settled at start.
bool ForgeState::move(const User& user, Id project, const RefUpdate& update) {
  const Moves moves{
      .session = base::random_hex(32), .project = project, .user = user.id, .updates = {update}};
  const fs::path repository = repository_of(project);
  ledger.announce(moves, repository);
  try {
    if (!move_ref(repository, update.ref, update.before, update.after)) {
      ledger.settle(moves.session, repository);
      return false;
    }
  } catch (...) {
    ledger.settle(moves.session, repository);
    throw;
  }
  ledger.moved(moves);
  return true;
}

}  // namespace slipway::forge
