#include "forge/commit_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "forge/raw_commit.h"

namespace slipway::forge {
namespace {

TreeFiles some_files() {
  return {{"a", {"100644", "ida", std::nullopt}},
          {"dir/b", {"100755", "idb", std::nullopt}},
          {"dir/c", {"120000", "idc", std::nullopt}}};
}

std::string refusal_of(const FileChange& change) {
  try {
    plan_changes(some_files(), {change});
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(CommitPlan, ChangesOnlyWhatIsNamed) {
  const auto plan =
      plan_changes(some_files(), {{.action = FileAction::kCreate, .path = "new/d", .content = "x"},
                                  {.action = FileAction::kUpdate, .path = "dir/b", .content = "y"},
                                  {.action = FileAction::kDelete, .path = "a"}});
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].path, "a");
  EXPECT_FALSE(plan[0].file);
  EXPECT_EQ(plan[1].file->mode, "100755");  // stays executable
  EXPECT_EQ(plan[1].file->content, "y");
  EXPECT_EQ(plan[2].file->mode, "100644");
}

TEST(CommitPlan, MovesWithAndWithoutContent) {
  const auto plan = plan_changes(
      some_files(),
      {{.action = FileAction::kMove, .path = "moved", .previous_path = "dir/b"},
       {.action = FileAction::kMove, .path = "a/b", .previous_path = "a", .content = "z"}});
  ASSERT_EQ(plan.size(), 4u);
  EXPECT_EQ(plan[1].path, "a/b");
  EXPECT_EQ(plan[1].file->content, "z");
  EXPECT_EQ(plan[3].path, "moved");
  EXPECT_EQ(plan[3].file->id, "idb");
  EXPECT_EQ(plan[3].file->mode, "100755");
}

TEST(CommitPlan, SetsTheModeAlone) {
  const auto plan =
      plan_changes(some_files(), {{.action = FileAction::kChmod, .path = "a", .executable = true}});
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].file->mode, "100755");
  EXPECT_EQ(plan[0].file->id, "ida");
  EXPECT_FALSE(plan[0].file->content);
}

TEST(CommitPlan, RefusesWhatDoesNotFit) {
  EXPECT_EQ(refusal_of({.action = FileAction::kCreate, .path = "a"}),
            "A file with this name already exists");
  EXPECT_EQ(refusal_of({.action = FileAction::kCreate, .path = "dir"}),
            "A directory with this name already exists");
  EXPECT_NE(refusal_of({.action = FileAction::kCreate, .path = "a/b"}), "");
  EXPECT_EQ(refusal_of({.action = FileAction::kUpdate, .path = "x"}),
            "A file with this name doesn't exist");
  EXPECT_EQ(refusal_of({.action = FileAction::kDelete, .path = "x"}),
            "A file with this name doesn't exist");
  EXPECT_NE(refusal_of({.action = FileAction::kMove, .path = "x", .previous_path = "y"}), "");
  EXPECT_NE(refusal_of({.action = FileAction::kMove, .path = "x"}), "");
  EXPECT_NE(refusal_of({.action = FileAction::kCreate, .path = "../x"}), "");
  EXPECT_NE(refusal_of({.action = FileAction::kCreate, .path = ".git/hooks/x"}), "");
}

TEST(RawCommit, ReadsABatch) {
  const std::string one =
      "tree 1\nparent 2\nparent 3\nauthor A B <a@b> 1700000000 +0100\n"
      "committer C <c@d> 1700000001 -0500\ngpgsig -----BEGIN\n author <x> 1 +0\n\nTitle\n\nBody\n";
  const std::string output =
      "aa commit " + std::to_string(one.size()) + "\n" + one + "\nbb missing\ncc blob 3\nx\ny\n";
  const auto commits = parse_commit_batch(output);
  ASSERT_EQ(commits.size(), 1u);
  EXPECT_EQ(commits[0].id, "aa");
  EXPECT_EQ(commits[0].parents, (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(commits[0].author.name, "A B");
  EXPECT_EQ(commits[0].author.email, "a@b");
  EXPECT_EQ(commits[0].author.at, 1700000000000);
  EXPECT_EQ(commits[0].committer.name, "C");
  EXPECT_EQ(commits[0].message, "Title\n\nBody\n");
  EXPECT_EQ(commits[0].title(), "Title");
}

TEST(RawCommit, EndsAtWhatIsBroken) {
  EXPECT_TRUE(parse_commit_batch("aa commit 99\nshort").empty());
  EXPECT_TRUE(parse_commit_batch("aa commit -1\n\n").empty());
  EXPECT_TRUE(parse_commit_batch("no end").empty());
  EXPECT_FALSE(parse_signature("nobody"));
  EXPECT_FALSE(parse_signature("> <"));
}

TEST(RawCommit, CleansNames) {
  const Signature clean = cleaned({"A <b>\n", "", 5});
  EXPECT_EQ(clean.name, "A b");
  EXPECT_EQ(clean.email, "unknown@localhost");
}

}  // namespace
}  // namespace slipway::forge
