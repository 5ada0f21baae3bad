#include "jobs/failure.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "jobs/record.h"

namespace slipway::jobs {
namespace {

using testing::ElementsAre;

TEST(FailureReason, QuotesWhatTheContainerLeft) {
  EXPECT_EQ(algorithm_error({.code = 1}, "no column 'age'", {"noise"}),
            "AlgorithmError: no column 'age', exit code: 1");
}

TEST(FailureReason, TellsTheLastOutputWhereNothingWasLeft) {
  EXPECT_EQ(algorithm_error({.code = 3}, std::nullopt, {"Traceback:", "ValueError: age"}),
            "AlgorithmError: , exit code: 3. Last output: Traceback:\nValueError: age");
}

TEST(FailureReason, TellsTheExitCodeWhereThereIsNothingElse) {
  EXPECT_EQ(algorithm_error({.code = 2}, std::nullopt, {}), "AlgorithmError: , exit code: 2");
}

TEST(FailureReason, TellsThatMemoryRanOut) {
  EXPECT_EQ(algorithm_error({.code = 137, .reason = "out of memory"}, std::nullopt, {"x"}),
            "AlgorithmError: out of memory, exit code: 137");
}

TEST(FailureReason, KeepsTheExitCodeOfALongMessageWithinTheLimit) {
  const std::string reason = algorithm_error({.code = 1}, std::string(5000, 'x'), {});

  EXPECT_EQ(reason.size(), kReasonLimit);
  EXPECT_TRUE(reason.ends_with(", exit code: 1"));
}

TEST(FailureReason, IsUtf8WhateverTheContainerWrote) {
  EXPECT_TRUE(base::is_utf8(algorithm_error({.code = 1}, "\xff\xfe broken", {})));
}

TEST(FailureReason, BlamesTheServerForALostContainer) {
  const ContainerEnd end = describe_end({.code = 1, .reason = "lost with the machine"}, "x", {});

  EXPECT_EQ(end.cause, ExitCause::kLost);
  EXPECT_EQ(end.failure, "InternalServerError: the container was lost with the machine");
}

TEST(FailureReason, BlamesTheCallerForAnImageThatDoesNotStart) {
  const ContainerEnd end =
      describe_end({.code = 127, .reason = "cannot start: no such file"}, std::nullopt, {});

  EXPECT_EQ(end.cause, ExitCause::kCannotStart);
  EXPECT_TRUE(end.failure.starts_with("ClientError: CannotStartContainerError: "));
}

class LastLines : public testing::Test {
 protected:
  ~LastLines() override { std::filesystem::remove(path_); }
  void write(const std::string& text) { std::ofstream(path_) << text; }
  const std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) /
                                      testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(LastLines, PrefersStandardError) {
  write("1 O out\n2 E err one\n3 O out\n4 E err two\n");
  EXPECT_THAT(last_lines_of(path_), ElementsAre("err one", "err two"));
}

TEST_F(LastLines, TakesStandardOutputWhereThereIsNoOther) {
  write("1 O a\n2 O b\n3 O c\n4 O \n5 O d\n6 O e\n7 O f\n");
  EXPECT_THAT(last_lines_of(path_), ElementsAre("b", "c", "d", "e", "f"));
}

TEST_F(LastLines, ReadsOnlyTheEndOfALongLog) {
  std::string text;
  for (int each = 0; each < 100'000; ++each) text += "1 E line " + std::to_string(each) + "\n";
  write(text);
  EXPECT_EQ(last_lines_of(path_).back(), "line 99999");
}

TEST_F(LastLines, AreNoneWithoutALog) { EXPECT_TRUE(last_lines_of(path_).empty()); }

}  // namespace
}  // namespace slipway::jobs
