#include "ship/repository.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/subprocess.h"

namespace slipway::ship {
namespace {

namespace fs = std::filesystem;

class RepositoryTest : public testing::Test {
 protected:
  RepositoryTest() : root_(fs::temp_directory_path() / ("repository-" + base::random_hex(12))) {
    fs::create_directories(root_ / "models/tumour");
    git({"init", "-q", "-b", "main"});
  }
  ~RepositoryTest() override { fs::remove_all(root_); }

  void git(std::vector<std::string> arguments) {
    base::Command command;
    command.arguments = {
        "git", "-C", root_.string(), "-c", "user.name=test", "-c", "user.email=test@localhost"};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    const base::CommandResult result = base::run(command);
    ASSERT_TRUE(result.ok()) << result.error;
  }
  void commit(const std::string& file, const std::string& content, const std::string& message) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << content;
    git({"add", "-A"});
    git({"commit", "-q", "-m", message});
  }

  const fs::path root_;
};

TEST_F(RepositoryTest, NamesTheNextStepWhereThereIsNoCommit) {
  try {
    Repository::open(root_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("git commit"), std::string::npos) << error.message();
  }
}

TEST_F(RepositoryTest, SeesOnlyItsOwnFolder) {
  commit("models/tumour/train.py", "1", "feat: tumour");
  const std::string first = Repository::open(root_).head().id;
  commit("models/other/train.py", "1", "feat: other model");
  commit("models/tumour/train.py", "2", "fix: tumour\n\nlonger");

  const Repository repository = Repository::open(root_ / "models/tumour");

  EXPECT_EQ(repository.head().subject, "fix: tumour");
  EXPECT_EQ(repository.messages_since(first), std::vector<std::string>{"fix: tumour\n\nlonger"});
  EXPECT_EQ(repository.messages_since(std::nullopt).size(), 2u);
  EXPECT_EQ(repository.messages_since("0123456789012345678901234567890123456789").size(), 2u);
}

TEST_F(RepositoryTest, ExportsTheCommitAndNotTheWorkingTree) {
  commit("models/tumour/train.py", "committed", "feat: a");
  std::ofstream(root_ / "models/tumour/train.py") << "changed";
  const Repository repository = Repository::open(root_ / "models/tumour");
  const fs::path target = root_ / "exported";

  repository.export_to(target);

  std::string content;
  std::ifstream(target / "train.py") >> content;
  EXPECT_EQ(content, "committed");
  EXPECT_TRUE(repository.has_uncommitted_changes());
}

}  // namespace
}  // namespace slipway::ship
