// What repositories answer without git's processes, where git keeps things in another form.

#include "forge/repository.h"

#include <chrono>
#include <filesystem>
#include <fstream>

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

}  // namespace
}  // namespace slipway::forge
