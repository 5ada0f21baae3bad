#include "forge/push_ledger.h"

#include <chrono>
#include <optional>
#include <thread>

#include "base/error.h"
#include "forge/git.h"
#include "forge/test_forge.h"

namespace slipway::forge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LedgerTest : public ForgeTest {
 protected:
  void SetUp() override {
    ForgeTest::SetUp();
    project_ = make_project("p").id;
    commit_ = commit_file(project_, "a", "1").id;
    repository_ = forge_->repository(project_).directory();
    moves_ = {
        .session = "s",
        .project = project_,
        .user = 1,
        .updates = {{"refs/heads/x", kNoCommit, commit_}, {"refs/notes/n", kNoCommit, commit_}},
        .options = {"ci.skip"}};
  }
  // What a process does that begins after a crash.
  void recover(base::Millis later = 0) {
    base::FakeClock clock(clock_.now() + later);
    PushLedger ledger(*database_, clock, {.account = "1", .process_life = 1000});
    ledger.tell_to([this](const Push& push) {
      told_.push_back(push);
      return std::vector<std::string>{"line"};
    });
    ledger.recover([&](Id) { return repository_; });
  }

  Id project_ = 0;
  std::string commit_;
  std::filesystem::path repository_;
  Moves moves_;
  std::vector<Push> told_;
};

TEST_F(LedgerTest, TellsWhatMovedBeforeTheCrash) {
  PushLedger(*database_, clock_, {}).announce(moves_, repository_);
  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));

  recover();
  recover();

  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].id, push_id("s", "refs/heads/x"));
  EXPECT_EQ(told_[0].user, 1);
  EXPECT_THAT(told_[0].options, ElementsAre("ci.skip"));
  EXPECT_EQ(told_[0].refs_in_push, 1);
  EXPECT_EQ(events().size(), 2u);
}

TEST_F(LedgerTest, TellsWhatAnotherPushHasMovedOn) {
  PushLedger ledger(*database_, clock_, {});
  ledger.announce(moves_, repository_);
  ledger.announce({.session = "t",
                   .project = project_,
                   .user = 1,
                   .updates = {{"refs/heads/x", commit_, kNoCommit}}},
                  repository_);

  recover();

  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(LedgerTest, WaitsForAGitThatMayStillLive) {
  PushLedger(*database_, clock_, {}).announce(moves_, repository_);

  recover();
  EXPECT_EQ(untold(), 1);
  recover(5000);

  EXPECT_EQ(untold(), 0);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(LedgerTest, SeesAGitThatOutlivedItsServerMoveTheRef) {
  PushLedger(*database_, clock_, {}).announce(moves_, repository_);
  pushes_.clear();
  forge_->start();
  EXPECT_THAT(pushes(), IsEmpty());

  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (untold() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  ASSERT_EQ(pushes().size(), 1u);
  EXPECT_EQ(pushes()[0].id, push_id("s", "refs/heads/x"));
}

TEST_F(LedgerTest, LooksAgainAtNothingThatIsNew) {
  PushLedger ledger(*database_, clock_, {.process_life = 1'000'000});
  const auto repository_of = [&](Id) { return repository_; };
  EXPECT_FALSE(ledger.recover(repository_of));
  ledger.announce(moves_, repository_);
  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));

  EXPECT_FALSE(ledger.look_again(repository_of));  // its hook will tell

  EXPECT_EQ(untold(), 1);
}

TEST_F(LedgerTest, TellsOnceWhoeverComesFirst) {
  PushLedger ledger(*database_, clock_, {});
  int told = 0;
  ledger.tell_to([&](const Push&) {
    ++told;
    ledger.settle("s", repository_);  // the end of the process, while the hook is told
    return std::vector<std::string>{"a line"};
  });
  ledger.announce(moves_, repository_);
  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));

  EXPECT_THAT(ledger.moved(moves_), ElementsAre("a line"));

  EXPECT_EQ(told, 1);
  EXPECT_EQ(untold(), 0);
}

TEST_F(LedgerTest, ForgetsWhatDidNotMove) {
  PushLedger ledger(*database_, clock_, {});
  ledger.announce(moves_, repository_);

  ledger.settle("s", repository_);

  EXPECT_EQ(untold(), 0);
  EXPECT_EQ(events().size(), 1u);  // the commit of the test's beginning
}

TEST_F(LedgerTest, GivesUpAPushWhoseHandlerNeverTakesIt) {
  PushLedger ledger(*database_, clock_, {.most_attempts = 2});
  ledger.tell_to([](const Push&) -> std::vector<std::string> { throw Error("X", "no"); });
  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));
  ledger.moved(moves_);
  const auto repository_of = [&](Id) { return repository_; };

  ledger.recover(repository_of);
  EXPECT_EQ(untold(), 1);
  ledger.recover(repository_of);
  EXPECT_EQ(untold(), 0);
}

// A push is repeated after a crash, while the git of the first one still runs. Whichever of them
// moves the ref, and whoever sees it first.
class RepeatedTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    again_ = moves_;
    again_.session = "t";
    PushLedger(*database_, clock_, {}).announce(moves_, repository_);
    ledger_.emplace(*database_, later_, LedgerOptions{.process_life = 1000});
    ledger_->tell_to([this](const Push& push) {
      told_.push_back(push);
      return std::vector<std::string>{"line"};
    });
    EXPECT_TRUE(ledger_->recover(repository_of_));
    ledger_->announce(again_, repository_);
    EXPECT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));
  }
  void expect_told_once() {
    EXPECT_EQ(told_.size(), 1u);
    later_.advance(5000);
    EXPECT_FALSE(ledger_->look_again(repository_of_));
    EXPECT_EQ(told_.size(), 1u);
    EXPECT_EQ(untold(), 0);
  }

  Moves again_;
  const std::function<std::filesystem::path(Id)> repository_of_ = [this](Id) {
    return repository_;
  };
  base::FakeClock later_{clock_.now()};
  std::optional<PushLedger> ledger_;
};

TEST_F(RepeatedTest, IsToldByItsOwnHook) {
  EXPECT_THAT(ledger_->moved(again_), ElementsAre("line"));
  ledger_->settle("t", repository_);
  ledger_->look_again(repository_of_);

  expect_told_once();
}

TEST_F(RepeatedTest, IsToldByTheFirstOnesHook) {
  EXPECT_THAT(ledger_->moved(moves_), ElementsAre("line"));
  ledger_->settle("t", repository_);

  expect_told_once();
}

TEST_F(RepeatedTest, IsToldByTheLookAtTheRef) {
  ledger_->look_again(repository_of_);
  EXPECT_THAT(ledger_->moved(again_), IsEmpty());
  ledger_->settle("t", repository_);

  expect_told_once();
}

TEST_F(RepeatedTest, IsToldByItsEnd) {
  ledger_->settle("t", repository_);
  EXPECT_THAT(ledger_->moved(moves_), IsEmpty());

  expect_told_once();
}

TEST_F(LedgerTest, LeavesOutWhatIsThereAlready) {
  PushLedger ledger(*database_, clock_, {});
  ASSERT_TRUE(move_ref(repository_, "refs/heads/x", kNoCommit, commit_));

  ledger.announce(moves_, repository_);  // read the refs before they moved; git will refuse

  EXPECT_EQ(untold(), 0);
}

}  // namespace
}  // namespace slipway::forge
