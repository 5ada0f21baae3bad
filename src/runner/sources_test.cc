#include "runner/sources.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "containers/directory.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Twice: with the repository copied, and fetched by git.
class SourcesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runner-sources-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    bare_ = directory_ / "bare.git";
    git(directory_, {"init", "-q", "--bare", "-b", "main", bare_.string()});
    git(directory_, {"init", "-q", "-b", "main", (directory_ / "work").string()});
    commit("a.txt", "one");
    git(work(), {"push", "-q", bare_.string(), "HEAD:refs/heads/main"});
    keep(1);
    sources_.repository = bare_;
    sources_.directory = directory_ / "build";
    sources_.ref = "main";
    sources_.url = "http://gitlab-ci-token:secret@127.0.0.1:1/g/p.git";
    sources_.depth_is_asked = GetParam();
    use(1);
  }
  void TearDown() override { containers::remove_tree(directory_); }

  fs::path work() const { return directory_ / "work"; }

  std::string git(const fs::path& at, std::vector<std::string> words) {
    base::Command command;
    command.arguments = {
        "git", "-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "safe.directory=*"};
    for (std::string& word : words) command.arguments.push_back(std::move(word));
    command.directory = at;
    const auto result = base::run(command);
    EXPECT_TRUE(result.ok()) << result.error;
    return std::string(base::trim(result.output));
  }

  void commit(const std::string& file, const std::string& text) {
    std::ofstream(work() / file) << text;
    git(work(), {"add", "-A"});
    git(work(), {"commit", "-q", "-m", "Change " + file});
  }
  // What CI does for a pipeline.
  void keep(int pipeline) {
    git(work(), {"push", "-q", bare_.string(), "HEAD:refs/heads/main",
                 "HEAD:refs/pipelines/" + std::to_string(pipeline)});
  }
  void use(int pipeline) {
    sources_.sha = git(work(), {"rev-parse", "HEAD"});
    const std::string own = "refs/pipelines/" + std::to_string(pipeline);
    sources_.refspecs = {"+" + own + ":" + own, "+refs/heads/main:refs/remotes/origin/main"};
  }
  std::string get() {
    std::string lines;
    get_sources(sources_, [&](std::string_view line) { lines += line; });
    return lines;
  }
  std::string text(const std::string& file) {
    std::ifstream in(sources_.directory / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Sources sources_;
  fs::path directory_;
  fs::path bare_;
};

TEST_P(SourcesTest, ChecksOutAndGitWorksThere) {
  EXPECT_THAT(get(), HasSubstr("Checking out " + sources_.sha.substr(0, 8)));
  EXPECT_EQ(text("a.txt"), "one");
  EXPECT_EQ(git(sources_.directory, {"rev-parse", "HEAD"}), sources_.sha);
  EXPECT_EQ(git(sources_.directory, {"rev-parse", "origin/main"}), sources_.sha);
  EXPECT_EQ(git(sources_.directory, {"status", "--porcelain"}), "");
  EXPECT_EQ(git(sources_.directory, {"remote", "get-url", "origin"}), sources_.url);
}

TEST_P(SourcesTest, ReusesAndCleansTheDirectory) {
  get();
  std::ofstream(sources_.directory / "left.txt") << "old";
  std::ofstream(sources_.directory / "a.txt") << "changed";
  commit("b.txt", "two");
  keep(2);
  use(2);
  EXPECT_THAT(get(), testing::Not(HasSubstr("Created fresh repository")));
  EXPECT_EQ(text("a.txt"), "one");
  EXPECT_EQ(text("b.txt"), "two");
  EXPECT_FALSE(fs::exists(sources_.directory / "left.txt"));
  EXPECT_EQ(git(sources_.directory, {"rev-list", "--count", "HEAD"}), "2");
}

TEST_P(SourcesTest, KeepsTheDepth) {
  for (int i = 0; i < 5; ++i) commit("n.txt", std::to_string(i));
  keep(3);
  use(3);
  sources_.depth = 2;
  sources_.depth_is_asked = true;
  get();
  EXPECT_EQ(git(sources_.directory, {"rev-list", "--count", "HEAD"}), "2");
  sources_.depth = 0;
  sources_.strategy = GitStrategy::kClone;
  get();
  EXPECT_EQ(git(sources_.directory, {"rev-list", "--count", "HEAD"}), "6");
}

TEST_P(SourcesTest, RunsNothingThatAnEarlierJobPlanted) {
  get();
  const fs::path git_directory = sources_.directory / ".git";
  const std::string planted = "touch " + (directory_ / "planted").string();
  std::ofstream(git_directory / "config", std::ios::app)
      << "[core]\n\tfsmonitor = " << planted << "\n\tsshCommand = " << planted << "\n";
  fs::create_directories(git_directory / "hooks");
  for (const char* hook : {"post-checkout", "reference-transaction", "post-index-change"}) {
    std::ofstream(git_directory / "hooks" / hook) << "#!/bin/sh\n" << planted << "\n";
    fs::permissions(git_directory / "hooks" / hook, fs::perms::owner_all);
  }
  get();
  EXPECT_FALSE(fs::exists(directory_ / "planted"));
  EXPECT_FALSE(fs::exists(git_directory / "hooks"));
}

TEST_P(SourcesTest, ALinkInGitMakesItANewRepository) {
  get();
  const fs::path outside = directory_ / "outside";
  fs::create_directories(outside);
  fs::remove_all(sources_.directory / ".git/refs/pipelines");
  fs::create_symlink(outside, sources_.directory / ".git/refs/pipelines");
  get();
  EXPECT_TRUE(fs::is_empty(outside));
  EXPECT_FALSE(fs::is_symlink(sources_.directory / ".git/refs/pipelines"));
  // The whole .git, or the working tree itself, elsewhere.
  containers::remove_tree(sources_.directory / ".git");
  fs::create_symlink(outside, sources_.directory / ".git");
  get();
  EXPECT_TRUE(fs::is_empty(outside));
  EXPECT_EQ(text("a.txt"), "one");
}

TEST_P(SourcesTest, FollowsTheStrategy) {
  sources_.strategy = GitStrategy::kNone;
  get();
  EXPECT_TRUE(fs::is_empty(sources_.directory));
  sources_.strategy = GitStrategy::kFetch;
  get();
  sources_.strategy = GitStrategy::kEmpty;
  get();
  EXPECT_TRUE(fs::is_empty(sources_.directory));
}

TEST_P(SourcesTest, ABranchThatIsGoneDoesNotMatter) {
  sources_.refspecs.at(1) = "+refs/heads/gone:refs/remotes/origin/gone";
  get();
  EXPECT_EQ(text("a.txt"), "one");
}

TEST_P(SourcesTest, SaysWhatGitSays) {
  sources_.refspecs = {"+refs/pipelines/99:refs/pipelines/99"};
  try {
    get();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("refs/pipelines/99"));
  }
}

INSTANTIATE_TEST_SUITE_P(CopiedAndFetched, SourcesTest, testing::Bool());

TEST_P(SourcesTest, CopiesOnlyWhatIsSmall) {
  fs::create_directories(sources_.directory);
  EXPECT_TRUE(copy_small_repository(sources_));
  // Packed refs and packs are read, too.
  git(bare_, {"gc", "-q"});
  EXPECT_FALSE(fs::exists(bare_ / "refs/pipelines/1"));
  EXPECT_TRUE(copy_small_repository(sources_));
  EXPECT_EQ(git(sources_.directory, {"rev-parse", "refs/pipelines/1"}), sources_.sha);
  std::ofstream(bare_ / "objects/pack/large.pack") << std::string(5u << 20, 'x');
  EXPECT_FALSE(copy_small_repository(sources_));
  EXPECT_TRUE(fs::exists(sources_.directory / ".git/HEAD"));
}

}  // namespace
}  // namespace slipway::runner
