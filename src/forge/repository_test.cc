// What repositories answer without git's processes, where git keeps things in another form.

#include "forge/repository.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "forge/git.h"
#include "forge/test_forge.h"

namespace slipway::forge {
namespace {

TEST_F(ForgeTest, KeepsCommitsWhereverGitHasPutThem) {
  const Project project = make_project("p");
  const Commit first = commit_file(project.id, "a", "1");
  const Repository repository = forge_->repository(project.id);
  const auto kept = [&](const char* ref) { return ref_value(repository.directory(), ref); };

  repository.keep("refs/pipelines/1", first.id);  // without a process of git's
  EXPECT_EQ(kept("refs/pipelines/1"), first.id);
  EXPECT_FALSE(std::filesystem::exists(repository.directory() / "refs/pipelines/1.lock"));
  git_output(repository.directory(), {.arguments = {"pack-refs", "--all"}});
  git_output(repository.directory(), {.arguments = {"repack", "-a", "-d", "-q"}});
  EXPECT_EQ(repository.resolve("main"), first.id);
  EXPECT_EQ(repository.resolve("refs/heads/main"), first.id);
  repository.keep("refs/pipelines/2", first.id);
  EXPECT_EQ(kept("refs/pipelines/1"), first.id);
  EXPECT_EQ(kept("refs/pipelines/2"), first.id);
  EXPECT_THROW(repository.keep("refs/pipelines/3", std::string(40, '1')), Error);
  EXPECT_EQ(kept("refs/pipelines/3"), kNoCommit);
  const Commit second = commit_file(project.id, "b", "1");
  EXPECT_EQ(repository.resolve("main"), second.id) << "the loose ref counts, not the packed one";
  repository.drop("refs/pipelines/1");
  EXPECT_EQ(kept("refs/pipelines/1"), kNoCommit);
}

TEST_F(ForgeTest, MovesARefWhoseLockAKilledServerHasLeft) {
  const Project project = make_project("p");
  const Commit first = commit_file(project.id, "a", "1");
  const Repository repository = forge_->repository(project.id);
  const auto leave_lock = [&](const char* ref, std::chrono::hours age) {
    const std::filesystem::path lock = repository.directory() / (std::string(ref) + ".lock");
    std::filesystem::create_directories(lock.parent_path());
    std::ofstream(lock) << first.id.substr(0, 7);
    std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now() - age);
  };

  leave_lock("refs/pipelines/1", std::chrono::hours(1));
  repository.keep("refs/pipelines/1", first.id);
  EXPECT_EQ(ref_value(repository.directory(), "refs/pipelines/1"), first.id);
  leave_lock("refs/pipelines/1", std::chrono::hours(1));
  repository.drop("refs/pipelines/1");
  EXPECT_EQ(ref_value(repository.directory(), "refs/pipelines/1"), kNoCommit);
  leave_lock("refs/pipelines/2", std::chrono::hours(0));
  EXPECT_THROW(repository.keep("refs/pipelines/2", first.id), Error) << "somebody is at it";
}

TEST_F(ForgeTest, RemovesWhatKilledPushesAndCommitsHaveLeft) {
  namespace fs = std::filesystem;
  const Project project = make_project("p");
  const Commit commit = commit_file(project.id, "a", "1");
  const fs::path repository = forge_->repository(project.id).directory();
  const auto leave = [&](const char* name, std::chrono::hours age) {
    fs::create_directories(repository / name);
    std::ofstream(repository / name / "pack") << "half";
    fs::last_write_time(repository / name, fs::file_time_type::clock::now() - age);
    return repository / name;
  };
  const fs::path push = leave("objects/tmp_objdir-incoming-abc", std::chrono::hours(2));
  const fs::path change = leave("commit-0123", std::chrono::hours(2));
  const fs::path living = leave("objects/tmp_objdir-incoming-def", std::chrono::hours(0));

  forge_->start();

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while ((fs::exists(push) || fs::exists(change)) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(fs::exists(push));
  EXPECT_FALSE(fs::exists(change));
  EXPECT_TRUE(fs::exists(living));
  EXPECT_EQ(forge_->repository(project.id).resolve("main"), commit.id);
}

}  // namespace
}  // namespace slipway::forge
