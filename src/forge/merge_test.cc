#include "forge/merge.h"

#include "base/error.h"
#include "forge/decide.h"
#include "forge/git.h"
#include "forge/test_forge.h"

namespace slipway::forge {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class MergeTest : public ForgeTest {
 protected:
  void SetUp() override {
    ForgeTest::SetUp();
    project_ = make_project("tumour");
    commit_file(project_.id, "a.txt", "one\ntwo\nthree\n");
    source_ = change("work", "a.txt", "one\ntwo\nthree\nfour\n");
  }

  // A commit on a branch, which begins at main where it is not there.
  Commit change(const std::string& branch, const std::string& path, const std::string& content,
                FileAction action = FileAction::kUpdate) {
    CommitRequest request{.branch = branch, .start = branch == "main" ? "" : "main"};
    if (head(branch) != kNoCommit) request.start.clear();
    request.message = "Change " + path;
    request.changes = {{.action = action, .path = path, .content = content}};
    return forge_->commit(root_, project_.id, request);
  }
  std::string head(const std::string& branch) const {
    return ref_value(forge_->repository(project_.id).directory(), "refs/heads/" + branch);
  }
  Merged merge(MergeOrder order = {}) {
    if (order.source.empty()) order.source = "work";
    order.target = "main";
    order.message = "Merge branch 'work' into 'main'";
    return forge_->merge(root_, project_.id, order);
  }
  Error failure(const MergeOrder& order = {}) {
    try {
      merge(order);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "it was merged";
    return Error("None", "");
  }
  std::string text(const std::string& path) const {
    return forge_->repository(project_.id).read("main", path).value_or("(none)");
  }

  Project project_;
  Commit source_;
};

TEST_F(MergeTest, JoinsWhatBothSidesChanged) {
  const Commit theirs = change("main", "a.txt", "zero\none\ntwo\nthree\n");
  const std::size_t told = pushes().size();
  const Merged merged = merge();
  EXPECT_EQ(text("a.txt"), "zero\none\ntwo\nthree\nfour\n");
  const Commit made = forge_->repository(project_.id).commit("main").value();
  EXPECT_EQ(made.id, merged.commit);
  EXPECT_THAT(made.parents, ElementsAre(theirs.id, source_.id));
  EXPECT_EQ(made.title(), "Merge branch 'work' into 'main'");
  EXPECT_EQ(made.author.name, root_.user.name);
  ASSERT_THAT(pushes(), SizeIs(told + 1));
  EXPECT_EQ(pushes().back().ref, "refs/heads/main");
  EXPECT_EQ(pushes().back().before, theirs.id);
  EXPECT_EQ(pushes().back().after, merged.commit);
  EXPECT_EQ(untold(), 0);
}

TEST_F(MergeTest, LeavesEverythingWhereThereIsAConflict) {
  const Commit theirs = change("main", "a.txt", "one\ntwo\nthree\nfive\n");
  const std::size_t told = pushes().size();
  const Error error = failure();
  EXPECT_EQ(error.status(), 406);
  EXPECT_THAT(error.message(), testing::StartsWith("Branch cannot be merged"));
  EXPECT_EQ(error.detail()["conflicts"], Json::array({"a.txt"}));
  EXPECT_EQ(head("main"), theirs.id);
  EXPECT_THAT(pushes(), SizeIs(told));
  EXPECT_EQ(untold(), 0);
}

TEST_F(MergeTest, RefusesWhatIsNotThereOrNotNew) {
  EXPECT_EQ(failure({.source = "nowhere"}).status(), 406);
  EXPECT_EQ(failure({.source = "main"}).status(), 406);
  EXPECT_EQ(failure({.source = "a..b"}).status(), 400);
  const Error moved = failure({.expected = std::string(40, '1')});
  EXPECT_EQ(moved.code(), "Conflict");
  EXPECT_EQ(merge({.expected = source_.id}).source, source_.id);
}

TEST_F(MergeTest, SquashesIntoOneCommit) {
  const Commit second = change("work", "b.txt", "b\n", FileAction::kCreate);
  const Merged merged = merge({.squash = "All of it"});
  const Repository repository = forge_->repository(project_.id);
  const Commit squashed = repository.commit(merged.squashed).value();
  EXPECT_EQ(squashed.title(), "All of it");
  EXPECT_THAT(squashed.parents, ElementsAre(merged.base));
  EXPECT_EQ(repository.commit("main")->parents.back(), merged.squashed);
  EXPECT_EQ(text("b.txt"), "b\n");
  EXPECT_EQ(repository.merge_base("main", second.id), merged.base);
}

TEST_F(MergeTest, GoesForwardOnlyWhereItCan) {
  EXPECT_EQ(merge({.method = MergeMethod::kFastForward}).commit, source_.id);
  EXPECT_EQ(head("main"), source_.id);
  change("main", "b.txt", "b\n", FileAction::kCreate);
  change("work", "c.txt", "c\n", FileAction::kCreate);
  EXPECT_EQ(failure({.method = MergeMethod::kFastForward}).status(), 406);
}

TEST_F(MergeTest, BuildsAgainOnAPushThatCameBetween) {
  std::vector<std::string> announced;
  MergeOrder order;
  order.about_to_move = [&](const Merged& merged) {
    EXPECT_NE(head("main"), merged.commit);
    if (announced.empty()) change("main", "b.txt", "b\n", FileAction::kCreate);
    announced.push_back(merged.commit);
  };
  const Merged merged = merge(order);
  EXPECT_THAT(announced, SizeIs(2));
  EXPECT_EQ(announced.back(), merged.commit);
  EXPECT_EQ(text("b.txt"), "b\n");
  EXPECT_EQ(text("a.txt"), "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(untold(), 0);
}

TEST_F(MergeTest, AsksTheRulesOfTheTarget) {
  User user;
  user.username = user.name = "dev";
  user.email = "dev@localhost";
  user = forge_->create_user(user);
  forge_->set_member(project_.id, true, user.id, Access::kDeveloper);
  const Identity developer = forge_->authenticate(token_of(user.id)).value();
  const MergeOrder order{.source = "work", .target = "main", .message = "Merge"};
  try {
    forge_->merge(developer, project_.id, order);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "Forbidden");
  }
  // Nobody of them may push, all may merge.
  forge_->protect(project_.id,
                  {.name = "main", .push = Access::kNone, .merge = Access::kDeveloper});
  EXPECT_FALSE(forge_->can_push(developer, project_, "refs/heads/main"));
  forge_->merge(developer, project_.id, order);
  Identity job = developer;
  job.kind = TokenKind::kJob;
  EXPECT_FALSE(forge_->can_merge(job, project_, "main"));
}

TEST_F(MergeTest, KeepsItsRefsToItself) {
  forge_->repository(project_.id).keep("refs/merge-requests/1/head", source_.id);
  EXPECT_THROW(forge_->set_ref(root_, project_.id, "refs/merge-requests/1/head", head("main")),
               Error);
}

TEST(ForgeMergeRules, TakeTheMorePermissive) {
  const auto may = [](Access push, Access merge, Access access) {
    return may_merge({.is_protected = true, .push = push, .merge = merge}, access);
  };
  EXPECT_TRUE(may(Access::kNone, Access::kDeveloper, Access::kDeveloper));
  EXPECT_TRUE(may(Access::kDeveloper, Access::kNone, Access::kDeveloper));
  EXPECT_FALSE(may(Access::kNone, Access::kNone, Access::kOwner));
  EXPECT_FALSE(may(Access::kMaintainer, Access::kMaintainer, Access::kDeveloper));
  const RefRules both = rules_for({{.name = "main", .push = Access::kNone, .merge = Access::kNone},
                                   {.name = "m*", .merge = Access::kDeveloper}},
                                  "refs/heads/main");
  EXPECT_EQ(both.push, Access::kMaintainer);
  EXPECT_EQ(both.merge, Access::kDeveloper);
  EXPECT_FALSE(may_merge({}, Access::kReporter));
}

}  // namespace
}  // namespace slipway::forge
