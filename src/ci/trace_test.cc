#include "ci/trace.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "store/files.h"

namespace slipway::ci {
namespace {

constexpr Id kJob = 7;

class TracesTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/traces-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // As a process that begins, or begins again.
  std::unique_ptr<Traces> open() {
    return std::make_unique<Traces>(directory_, 1u << 20, [this](Id) {
      return runs_ ? std::optional(secrets_) : std::nullopt;
    });
  }
  std::filesystem::path file() const { return directory_ / "0/7.log"; }

  std::filesystem::path directory_;
  std::vector<std::string> secrets_{"s3cr3t-value"};
  bool runs_ = true;
};

TEST_F(TracesTest, TakesNothingOnceItIsFinished) {
  const auto traces = open();
  EXPECT_TRUE(traces->append(kJob, 0, "it is s3cr3t").fits);
  EXPECT_EQ(traces->finish(kJob), 12u);
  EXPECT_TRUE(traces->append(kJob, 12, "-value\n").ended);
  EXPECT_EQ(traces->finish(kJob), 12u);
  EXPECT_EQ(traces->read(kJob, 0, 100), "it is xxxxxx");
}

// What a job was given is forgotten when it ends: a piece that comes later would show it.
TEST_F(TracesTest, TakesNothingOfAJobThatDoesNotRun) {
  const auto traces = open();
  traces->append(kJob, 0, "line\n");
  traces->finish(kJob);
  traces->forget(kJob);
  runs_ = false;
  EXPECT_TRUE(traces->append(kJob, 5, "s3cr3t-value\n").ended);
  EXPECT_EQ(traces->finish(kJob), 5u);
  EXPECT_EQ(traces->read(kJob, 0, 100), "line\n");
}

TEST_F(TracesTest, GoesOnAfterTheLastWholeLine) {
  open()->append(kJob, 0, "first\nit is s3cr3t-value\n");
  const std::string whole = store::read_file(file());
  ASSERT_EQ(whole, "first\nit is [MASKED]xxxx\n");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    std::filesystem::resize_file(file(), size);  // what a crash may have left
    const auto traces = open();
    const std::uint64_t from = traces->append(kJob, 1u << 30, "").size;
    EXPECT_EQ(from, size < 6 ? 0 : size < whole.size() ? 6 : whole.size()) << size;
    const std::string sent = "first\nit is s3cr3t-value\n";
    traces->append(kJob, from, sent.substr(from));
    traces->finish(kJob);
    EXPECT_EQ(store::read_file(file()), whole) << size;
  }
}

TEST_F(TracesTest, KeepsTheLastLineOfAJobThatSaysNoMore) {
  open()->append(kJob, 0, "no newline");
  const auto traces = open();
  EXPECT_TRUE(traces->is_complete(kJob, std::nullopt, std::nullopt));
  EXPECT_EQ(traces->finish(kJob), 10u);
  EXPECT_EQ(store::read_file(file()), "no newline");
}

TEST_F(TracesTest, HidesWhatAJobIsGivenWhileItRuns) {
  const auto traces = open();
  traces->append(kJob, 0, "begin\n");
  traces->add_secrets(kJob, {"another-one"});
  traces->append(kJob, 6, "another-one s3cr3t-value\n");
  traces->finish(kJob);
  EXPECT_EQ(traces->read(kJob, 0, 100), "begin\n[MASKED]xxx [MASKED]xxxx\n");
}

}  // namespace
}  // namespace slipway::ci
