#include "forge/hook_socket.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "forge/hook_wire.h"

namespace slipway::forge {
namespace {

namespace fs = std::filesystem;

class HookSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hook-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    // Longer than a socket's address can be.
    path_ = directory_ / std::string(150, 'd') / "forge.sock";
    fs::create_directories(path_.parent_path());
  }
  void TearDown() override {
    socket_.reset();
    fs::remove_all(directory_);
  }
  void listen(std::function<Json(const Json&)> answer) {
    socket_ = std::make_unique<HookSocket>(path_, pool_, std::move(answer));
    socket_->start();
  }

  fs::path directory_;
  fs::path path_;
  base::ThreadPool pool_{{.name = "hooks", .threads = 2, .queue = 16}};
  std::unique_ptr<HookSocket> socket_;
};

TEST_F(HookSocketTest, AnswersOverALongPath) {
  listen([](const Json& question) { return Json{{"echo", question}}; });
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);

  const auto answer = ask_server(path_, {{"text", std::string(1u << 20, 'x')}});

  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)["echo"]["text"].get<std::string>().size(), 1u << 20);
}

TEST_F(HookSocketTest, SaysWhatWentWrong) {
  listen([](const Json&) -> Json { throw Error("Forbidden", "no", 403); });

  EXPECT_EQ(ask_server(path_, Json::object())->at("error"), "no");
}

TEST_F(HookSocketTest, AnswersSeveralAtOnce) {
  std::promise<void> both;
  std::atomic<int> inside = 0;
  const std::shared_future<void> reached = both.get_future().share();
  listen([&](const Json& question) {
    if (++inside == 2) both.set_value();
    reached.wait_for(std::chrono::seconds(30));
    return question;
  });

  auto other = std::async(std::launch::async, [&] { return ask_server(path_, {{"a", 1}}); });

  EXPECT_EQ(ask_server(path_, {{"a", 2}})->at("a"), 2);
  EXPECT_EQ(other.get()->at("a"), 1);
}

TEST_F(HookSocketTest, IsGoneAfterTheStopAndBackAfterAnotherStart) {
  listen([](const Json& question) { return question; });
  socket_->stop();
  socket_->stop();
  EXPECT_FALSE(ask_server(path_, Json::object()));
  EXPECT_FALSE(fs::exists(path_));

  socket_->start();

  EXPECT_TRUE(ask_server(path_, Json::object()));
}

TEST_F(HookSocketTest, TakesThePlaceOfADeadServersSocket) {
  { std::ofstream(path_) << "left over"; }

  listen([](const Json& question) { return question; });

  EXPECT_TRUE(ask_server(path_, Json::object()));
}

}  // namespace
}  // namespace slipway::forge
