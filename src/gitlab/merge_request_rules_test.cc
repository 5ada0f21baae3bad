#include "gitlab/merge_request_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::gitlab {
namespace {

using testing::ElementsAre;

TEST(MergeRequestDraft, IsInItsTitle) {
  for (const char* title : {"Draft: a", "draft:a", "[Draft] a", "(draft) a", " Draft: a"}) {
    EXPECT_TRUE(is_draft(title)) << title;
  }
  for (const char* title : {"a", "Drafty", "A draft: b", "WIP: a"}) {
    EXPECT_FALSE(is_draft(title)) << title;
  }
  EXPECT_EQ(with_draft("a", true), "Draft: a");
  EXPECT_EQ(with_draft("[Draft] a", true), "Draft: a");
  EXPECT_EQ(with_draft("Draft: (draft) a", false), "a");
}

TEST(MergeRequestTitle, ComesFromOneCommitOrTheBranch) {
  forge::Commit commit;
  commit.message = "Raise the threshold\n\nBecause.";
  EXPECT_EQ(default_title("raise-it", {commit}), "Raise the threshold");
  EXPECT_EQ(default_title("raise-the_bar", {commit, commit}), "Raise the bar");
  EXPECT_EQ(default_title("raise", {}), "Raise");
}

TEST(MergeRequestMessage, IsGitLabs) {
  MergeRequest one;
  one.iid = 7;
  one.title = "Raise it";
  one.source_branch = "raise";
  one.target_branch = "main";
  EXPECT_EQ(merge_message(one, "root/tumour"),
            "Merge branch 'raise' into 'main'\n\nRaise it\n\nSee merge request root/tumour!7");
}

TEST(MergeRequestPush, SaysWhatItWants) {
  const PushWishes wishes = push_wishes(
      {"ci.skip", "merge_request.create", "merge_request.target=release/1",
       "merge_request.title=A = b", "merge_request.description=one\\ntwo", "merge_request.draft",
       "merge_request.remove_source_branch=false", "merge_request.label=x", "merge_request.label=y",
       "merge_request.assign=somebody"});
  EXPECT_TRUE(wishes.any);
  EXPECT_TRUE(wishes.create);
  EXPECT_EQ(wishes.target, "release/1");
  EXPECT_EQ(wishes.title, "A = b");
  EXPECT_EQ(wishes.description, "one\ntwo");
  EXPECT_EQ(wishes.draft, true);
  EXPECT_EQ(wishes.remove_source_branch, false);
  EXPECT_EQ(wishes.squash, std::nullopt);
  EXPECT_THAT(wishes.labels, ElementsAre("x", "y"));
  EXPECT_THAT(wishes.unknown, ElementsAre("merge_request.assign"));
  EXPECT_FALSE(push_wishes({"ci.skip"}).any);
  EXPECT_FALSE(push_wishes({"merge_request.title=x"}).create);
}

TEST(MergeRequestStatus, TellsTheFirstObstacle) {
  MergeRequest one;
  one.title = "a";
  EXPECT_EQ(detailed_merge_status(one, {}), "mergeable");
  EXPECT_EQ(detailed_merge_status(one, {.conflicts = true}), "conflict");
  EXPECT_EQ(detailed_merge_status(one, {.has_source = false}), "commits_status");
  EXPECT_EQ(detailed_merge_status(one, {.has_commits = false}), "commits_status");
  EXPECT_EQ(detailed_merge_status(one, {.needs_pipeline = true}), "ci_must_pass");
  const auto with = [&](ci::Status status) {
    return detailed_merge_status(one, {.needs_pipeline = true, .pipeline = status});
  };
  EXPECT_EQ(with(ci::Status::kRunning), "ci_still_running");
  EXPECT_EQ(with(ci::Status::kFailed), "ci_must_pass");
  EXPECT_EQ(with(ci::Status::kSuccess), "mergeable");
  EXPECT_EQ(detailed_merge_status(one, {.pipeline = ci::Status::kFailed}), "mergeable");
  one.title = "Draft: a";
  EXPECT_EQ(detailed_merge_status(one, {}), "draft_status");
  one.state = MergeState::kMerged;
  EXPECT_EQ(detailed_merge_status(one, {}), "not_open");
}

}  // namespace
}  // namespace slipway::gitlab
