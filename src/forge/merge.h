#pragma once

// Merging one branch into another, as a commit of its own.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "forge/forge.h"
#include "forge/types.h"

namespace slipway::forge {

enum class MergeMethod {
  kCommit,       // a commit with two parents, also where none were needed
  kFastForward,  // the target goes on to the source's commit; only where it is an ancestor of it
};

// What a merge has made, or is about to make.
struct Merged {
  std::string commit;    // where the target branch goes
  std::string squashed;  // the one commit instead of the source's; empty: not squashed
  std::string source;    // what was merged
  std::string base;      // where the branches parted
};

struct MergeOrder {
  std::string source;    // a branch
  std::string target;    // a branch
  std::string expected;  // the source must be at this commit; empty: wherever
  std::string message;   // of the merge commit
  MergeMethod method = MergeMethod::kCommit;
  std::optional<std::string> squash;  // the message of the one commit; nothing: keep them all
  // Called when the commits are written and before the target moves, again where another push came
  // between: what is recorded here tells after a crash whose merge a push was.
  std::function<void(const Merged&)> about_to_move;
};

// The files in which the two commits cannot be merged; empty: they can.
struct Mergeability {
  bool unrelated = false;  // no common commit
  std::vector<std::string> conflicts;
  std::string tree;  // the result's, where it can
  bool clean() const { return !unrelated && conflicts.empty(); }
};
Mergeability try_merge(const Repository& repository, const std::string& target,
                       const std::string& source);

}  // namespace slipway::forge
