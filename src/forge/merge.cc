#include "forge/merge.h"

#include "base/error.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/git.h"
#include "forge/limits.h"
#include "forge/refuse.h"
#include "forge/state.h"
#include "forge/write_commit.h"

namespace slipway::forge {
namespace {

constexpr int kMostAttempts = 3;  // against pushes that come between

[[noreturn]] void refuse_merge(const std::string& why, const std::vector<std::string>& files = {}) {
  throw Error("NotMergeable", "Branch cannot be merged: " + why, 406, {{"conflicts", files}});
}

void check(const MergeOrder& order) {
  for (const std::string* branch : {&order.source, &order.target}) {
    if (!is_ref_name("refs/heads/" + *branch)) {
      throw Error("Invalid", "The branch name is not valid: " + *branch, 400);
    }
  }
  for (const std::string& text : {order.message, order.squash.value_or("squash")}) {
    if (base::trim(text).empty()) refuse("commit_message", "can't be blank");
    if (text.find('\0') != std::string::npos) refuse("commit_message", "is invalid");
  }
}

std::string head_of(const Repository& repository, const std::string& branch) {
  const std::string head = ref_value(repository.directory(), "refs/heads/" + branch);
  if (is_no_commit(head)) refuse_merge("there is no branch \"" + branch + "\".");
  return head;
}

std::string tree_of(const Repository& repository, const std::string& commit) {
  return std::string(base::trim(
      git_output(repository.directory(), {.arguments = {"rev-parse", commit + "^{tree}"}})));
}

// Writes what the order asks for on top of `target`.
Merged build(const Repository& repository, const MergeOrder& order, const std::string& target,
             const std::string& source, const Signature& who) {
  Merged merged{.commit = "", .squashed = "", .source = source, .base = ""};
  merged.base = repository.merge_base(target, source).value_or("");
  if (merged.base.empty()) refuse_merge("the branches have no common commit.");
  if (merged.base == source) refuse_merge("it has no commits that the target has not.");
  if (order.squash) {
    merged.squashed = write_commit(repository.directory(), tree_of(repository, source),
                                   {merged.base}, *order.squash, who, who);
  }
  const std::string& last = order.squash ? merged.squashed : source;
  if (order.method == MergeMethod::kFastForward) {
    if (merged.base != target) refuse_merge("the target has commits that the source has not.");
    merged.commit = last;
    return merged;
  }
  const Mergeability result = try_merge(repository, target, source);
  if (!result.clean()) {
    refuse_merge("there are conflicts in " + base::join(result.conflicts, ", ") + ".",
                 result.conflicts);
  }
  merged.commit =
      write_commit(repository.directory(), result.tree, {target, last}, order.message, who, who);
  return merged;
}

}  // namespace

Mergeability try_merge(const Repository& repository, const std::string& target,
                       const std::string& source) {
  const GitCall call{.arguments = {"merge-tree", "--write-tree", "--name-only", "--no-messages",
                                   "-z", target, source}};
  const base::CommandResult result = run_git(repository.directory(), call);
  Mergeability found;
  if (result.exit_code == 128 && result.error.find("unrelated histories") != std::string::npos) {
    found.unrelated = true;
    return found;
  }
  if (result.exit_code != 0 && result.exit_code != 1) throw_git_failed(call, result);
  std::vector<std::string> parts = base::split(result.output, '\0');
  std::erase(parts, "");
  if (parts.empty()) throw_git_failed(call, result);
  found.tree = std::string(base::trim(parts.front()));
  if (result.exit_code == 0) return found;
  found.conflicts.assign(parts.begin() + 1, parts.end());
  if (found.conflicts.empty()) found.conflicts.push_back("(unknown)");
  return found;
}

bool Forge::can_merge(const Identity& identity, const Project& project,
                      const std::string& branch) const {
  if (identity.kind == TokenKind::kJob || project.archived) return false;
  return may_merge(state_->rules(project.id, "refs/heads/" + branch), access(identity, project));
}

Merged Forge::merge(const Identity& identity, Id project, const MergeOrder& order) {
  check(order);
  const auto found = this->project(project);
  if (!found) throw_not_found("Project");
  if (!can_merge(identity, *found, order.target)) {
    throw Error("Forbidden", "You are not allowed to merge into this branch", 403);
  }
  const Repository repository = this->repository(project);
  const Signature who{identity.user.name, identity.user.email, state_->clock.now()};
  const std::string target_ref = "refs/heads/" + order.target;
  for (int attempt = 1; attempt <= kMostAttempts; ++attempt) {
    const std::string source = head_of(repository, order.source);
    if (!order.expected.empty() && source != order.expected) {
      throw Error("Conflict", "SHA does not match HEAD of source branch: " + source, 409);
    }
    const std::string target = head_of(repository, order.target);
    Merged merged = build(repository, order, target, source, who);
    if (order.about_to_move) order.about_to_move(merged);
    const RefUpdate update{.ref = target_ref, .before = target, .after = merged.commit};
    if (state_->move(identity.user, project, update)) return merged;
  }
  throw Error("Conflict", "Could not update " + target_ref + ". Please refresh and try again.",
              409);
}

}  // namespace slipway::forge
