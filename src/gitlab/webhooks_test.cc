#include "gitlab/webhooks.h"

#include <condition_variable>

#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "net/server.h"
#include "store/files.h"

namespace slipway::gitlab {
namespace {

constexpr std::chrono::seconds kDeadline{20};

// Answers with the next of `statuses`, the last one for ever.
class Receiver final : public net::Handler {
 public:
  std::optional<net::Response> admit(const net::RequestHead&) override { return std::nullopt; }
  net::Response handle(net::Request request) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    const int status = statuses_.front();
    if (statuses_.size() > 1) statuses_.erase(statuses_.begin());
    changed_.notify_all();
    return net::plain(status, "");
  }
  void answer_with(std::vector<int> statuses) {
    const std::lock_guard lock(mutex_);
    statuses_ = std::move(statuses);
  }
  // The requests once there are so many, or those that came until the deadline.
  std::vector<net::Request> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kDeadline, [&] { return requests_.size() >= count; });
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<net::Request> requests_;
  std::vector<int> statuses_{200};
};

class WebhooksTest : public testing::Test {
 protected:
  WebhooksTest()
      : directory_(std::filesystem::temp_directory_path() /
                   ("webhooks-test-" + std::to_string(::getpid()))),
        spool_(directory_),
        workers_({"receiver", 2, 16}) {
    net::ServerOptions options;
    options.port = 0;
    options.loops = 1;
    server_ = net::Server::start(options, receiver_, workers_, spool_, nullptr);
    open();
  }
  ~WebhooksTest() override {
    webhooks_.reset();
    server_->stop(std::chrono::milliseconds(100));
    workers_.stop();
    std::filesystem::remove_all(directory_);
  }

  // As a new process on the same data.
  void open(bool own_server = false) {
    webhooks_.reset();
    WebhookOptions options;
    options.url = [] { return std::string("http://127.0.0.1:9"); };
    options.may_call_own_server = own_server;
    options.look = std::chrono::milliseconds(5);
    options.queue = 3;
    webhooks_ = std::make_unique<Webhooks>(*database_, clock_, options);
  }
  Hook add(const std::string& url) {
    Hook hook;
    hook.project = 1;
    hook.url = url;
    hook.token = "secret";
    return webhooks_->store().add(hook);
  }
  std::string address() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/h";
  }
  Delivery only(forge::Id hook) { return webhooks_->store().deliveries(hook).at(0); }
  template <class Condition>
  bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  const std::filesystem::path directory_;
  store::Spool spool_;
  base::ThreadPool workers_;
  Receiver receiver_;
  std::unique_ptr<net::Server> server_;
  std::unique_ptr<Webhooks> webhooks_;
};

TEST_F(WebhooksTest, SendsWhatIsOwedOnce) {
  const Hook hook = add(address());
  webhooks_->owe({hook}, HookEvent::kPush, {{"a", 1}}, "uuid-1");
  webhooks_->owe({hook}, HookEvent::kPush, {{"a", 1}}, "uuid-1");
  const auto requests = receiver_.wait_for(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].headers.get("X-Gitlab-Event"), "Push Hook");
  EXPECT_EQ(requests[0].headers.get("X-Gitlab-Token"), "secret");
  EXPECT_EQ(requests[0].headers.get("X-Gitlab-Event-UUID"), "uuid-1");
  EXPECT_TRUE(requests[0].headers.get("User-Agent").starts_with("GitLab/"));
  EXPECT_EQ(requests[0].headers.get("Content-Type"), "application/json");
  EXPECT_EQ(requests[0].body.text(), "{\"a\":1}");
  EXPECT_TRUE(eventually([&] { return only(hook.id).state == DeliveryState::kDone; }));
  webhooks_->owe({hook}, HookEvent::kPush, {{"a", 2}}, "uuid-2");
  EXPECT_EQ(receiver_.wait_for(2).size(), 2u);
}

TEST_F(WebhooksTest, TriesAgainWhenItIsTimeAndGivesUpAtTheEnd) {
  receiver_.answer_with({500});
  const Hook hook = add(address());
  webhooks_->owe({hook}, HookEvent::kJob, Json::object(), "u");
  for (int attempt = 1; attempt <= 5; ++attempt) {
    ASSERT_TRUE(eventually([&] { return only(hook.id).attempts == attempt; })) << attempt;
    EXPECT_EQ(only(hook.id).response_status, 500);
    clock_.advance(3'600'000);
  }
  EXPECT_EQ(only(hook.id).state, DeliveryState::kFailed);
  EXPECT_EQ(webhooks_->store().hook(hook.id)->failures, 5);
  EXPECT_EQ(receiver_.wait_for(5).size(), 5u);
}

TEST_F(WebhooksTest, SendsAfterARestartWhatWaitedBefore) {
  receiver_.answer_with({503, 200});
  const Hook hook = add(address());
  webhooks_->owe({hook}, HookEvent::kPush, Json::object(), "u");
  ASSERT_TRUE(eventually([&] { return only(hook.id).attempts == 1; }));
  webhooks_->stop();
  open();
  clock_.advance(10'000);
  webhooks_->start();
  const auto requests = receiver_.wait_for(2);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].headers.get("X-Gitlab-Event-UUID"), "u");
  EXPECT_TRUE(eventually([&] { return only(hook.id).state == DeliveryState::kDone; }));
  EXPECT_EQ(webhooks_->store().hook(hook.id)->failures, 0);
}

TEST_F(WebhooksTest, CallsThisServerOnlyWhereItIsAllowed) {
  const Hook hook = add("http://127.0.0.1:9/x");
  webhooks_->owe({hook}, HookEvent::kPush, Json::object(), "u");
  ASSERT_TRUE(eventually([&] { return only(hook.id).attempts == 1; }));
  EXPECT_EQ(only(hook.id).problem, "requests to this server itself are not allowed");
}

TEST_F(WebhooksTest, HoldsNoMoreThanItsQueue) {
  // Paused, so that everything waits.
  Hook hook = add(address());
  hook.disabled_until = clock_.now() + 60'000;
  webhooks_->store().update(hook);
  for (int i = 0; i < 5; ++i)
    webhooks_->owe({hook}, HookEvent::kPush, Json::object(), std::to_string(i));
  EXPECT_EQ(webhooks_->store().deliveries(hook.id).size(), 3u);
  clock_.advance(60'000);
  EXPECT_EQ(receiver_.wait_for(3).size(), 3u);
}

TEST_F(WebhooksTest, ForgetsTheDeliveriesOfAHookThatIsRemoved) {
  Hook hook = add(address());
  hook.disabled_until = clock_.now() + 60'000;
  webhooks_->store().update(hook);
  webhooks_->owe({hook}, HookEvent::kPush, Json::object(), "u");
  webhooks_->store().remove(hook.id);
  EXPECT_TRUE(webhooks_->store().deliveries(hook.id).empty());
  EXPECT_NE(add(address()).id, hook.id);
}

}  // namespace
}  // namespace slipway::gitlab
