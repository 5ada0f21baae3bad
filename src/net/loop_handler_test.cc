#include "net/loop_handler.h"

#include <atomic>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "net/test_client.h"

namespace slipway::net {
namespace {

constexpr std::size_t kBodyLimit = 4u << 20;

// Answers /loop/now at once, /loop/later from a timer, /loop/held when told to, and
// /loop/dropped never; with the request's own body.
class EchoLoopHandler final : public LoopHandler {
 public:
  bool takes(std::string_view, std::string_view target) const noexcept override {
    return target.starts_with("/loop/");
  }
  std::size_t body_limit() const noexcept override { return kBodyLimit; }

  void serve(std::unique_ptr<Exchange> exchange) noexcept override {
    const std::string_view target = exchange->request().target;
    if (target == "/loop/now") return echo(*exchange);
    if (target == "/loop/dropped") return;
    exchange->on_abandoned([this] { abandoned.give(); });
    auto& loop = exchange->loop();
    if (target == "/loop/later") {
      loop.after(std::chrono::milliseconds(20),
                 [shared = std::shared_ptr(std::move(exchange))] { echo(*shared); });
      return;
    }
    const std::lock_guard lock(mutex_);
    held_.push_back(std::move(exchange));
    holding.give();
  }
  void loop_started(Loop&) override { ++started; }
  void loop_ending(Loop&) override {
    const std::lock_guard lock(mutex_);
    held_.clear();
    ++ended;
  }

  // On the loop of the exchange that was held.
  void answer_held() {
    const std::lock_guard lock(mutex_);
    auto* const exchange = held_.front().get();
    exchange->loop().post([this] {
      std::unique_ptr<Exchange> mine;
      {
        const std::lock_guard inner(mutex_);
        if (held_.empty()) return;
        mine = std::move(held_.front());
        held_.erase(held_.begin());
      }
      echo(*mine);
    });
  }

  static void echo(Exchange& exchange) {
    const auto& request = exchange.request();
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(request.body.size()) +
        (exchange.keep_alive() ? "" : "\r\nConnection: close") +
        "\r\nX-Echo: " + std::string(request.header("x-a")) + "\r\n\r\n";
    exchange.respond(head, request.body);
  }

  Signal holding;
  Signal abandoned;
  std::atomic<int> started{0};
  std::atomic<int> ended{0};

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Exchange>> held_;
};

class LoopHandlerTest : public ServerTest {
 protected:
  LoopHandlerTest() {
    loop_handler_ = &echo_;
    options_.loops = 1;
  }
  ~LoopHandlerTest() override { server_.reset(); }
  EchoLoopHandler echo_;
};

TEST_F(LoopHandlerTest, AnswersAtOnceAndLater) {
  start();
  auto one = client();

  for (const char* path : {"/loop/now", "/loop/later", "/loop/now"}) {
    one.send(post(path, "hello", "X-A: b\r\n"));
    const auto answer = one.receive();
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.headers.get("x-echo"), "b");
  }
  one.send(get("/worker"));
  EXPECT_EQ(one.receive().body, "GET /worker ");
}

// Ten thousand requests answered from within serve(): recursion would end the process.
TEST_F(LoopHandlerTest, AnswersManyPipelinedRequests) {
  start();
  auto one = client();
  std::string requests;
  for (int i = 0; i < 10'000; ++i) {
    requests += post(i % 1000 == 7 ? "/loop/later" : "/loop/now", std::to_string(i));
  }

  std::thread sender([&] { one.send(requests); });
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(one.receive().body, std::to_string(i));
  sender.join();
}

TEST_F(LoopHandlerTest, GathersBodiesUpToItsOwnLimit) {
  start();
  auto one = client();
  const std::string body(kBodyLimit, 'x');

  one.send(post("/loop/later", body, "X-A: b\r\n"));
  const auto known = one.receive();
  one.send("POST /loop/now HTTP/1.1\r\nHost: a\r\nX-A: c\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 64; ++i) one.send("10000\r\n" + body.substr(0, 65536) + "\r\n");
  one.send("0\r\n\r\n" + post("/loop/now", "next"));
  const auto chunked = one.receive();

  EXPECT_TRUE(known.body == body);
  EXPECT_EQ(known.headers.get("x-echo"), "b");
  EXPECT_TRUE(chunked.body == body);
  EXPECT_EQ(chunked.headers.get("x-echo"), "c");
  EXPECT_EQ(one.receive().body, "next");
}

TEST_F(LoopHandlerTest, RefusesALargerBody) {
  start();
  auto known = client();
  auto chunked = client();

  known.send("POST /loop/now HTTP/1.1\r\nHost: a\r\nContent-Length: 4194305\r\n\r\n");
  chunked.send(
      "POST /loop/now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n500000\r\n" +
      std::string(0x500000, 'x'));

  EXPECT_EQ(known.receive().status, 413);
  EXPECT_EQ(chunked.receive().status, 413);
}

TEST_F(LoopHandlerTest, InvitesBodies) {
  start();
  auto one = client();

  one.send(
      "POST /loop/now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(one.receive().status, 100);
  one.send("ok");
  EXPECT_EQ(one.receive().body, "ok");
}

TEST_F(LoopHandlerTest, ReportsAClientThatLeft) {
  start();
  auto one = client();
  one.send(post("/loop/held", "x"));
  ASSERT_TRUE(echo_.holding.wait());

  one.close();
  ASSERT_TRUE(echo_.abandoned.wait());
  echo_.answer_held();

  auto two = client();
  two.send(post("/loop/now", "still here"));
  EXPECT_EQ(two.receive().body, "still here");
  EXPECT_EQ(echo_.abandoned.given(), 1);
}

TEST_F(LoopHandlerTest, AnswersForAHandlerThatForgot) {
  start();
  auto one = client();

  one.send(post("/loop/dropped", "x"));

  EXPECT_EQ(one.receive().status, 500);
  EXPECT_TRUE(one.ended());
}

TEST_F(LoopHandlerTest, StopsWithExchangesInFlight) {
  start();
  auto answered = client();
  auto lost = client();
  answered.send(post("/loop/held", "a"));
  ASSERT_TRUE(echo_.holding.wait(1));
  lost.send(post("/loop/held", "b"));
  ASSERT_TRUE(echo_.holding.wait(2));

  std::thread stopper([&] { server_->stop(std::chrono::milliseconds(300)); });
  echo_.answer_held();
  const auto answer = answered.receive();
  stopper.join();

  EXPECT_EQ(answer.body, "a");
  EXPECT_EQ(lost.receive().status, 0);
  EXPECT_EQ(echo_.abandoned.given(), 1);
  EXPECT_EQ(echo_.started, 1);
  EXPECT_EQ(echo_.ended, 1);
}

TEST_F(LoopHandlerTest, KeepsWhatASlowReaderDoesNotTake) {
  start();
  TestClient slow(server_->port(), 16 << 10);
  const std::string body(kBodyLimit, 'y');

  slow.send(post("/loop/now", body) + post("/loop/now", "after"));

  EXPECT_TRUE(slow.receive().body == body);
  EXPECT_EQ(slow.receive().body, "after");
}

}  // namespace
}  // namespace slipway::net
