#include "endpoints/ping.h"

#include <condition_variable>

#include <gtest/gtest.h>

#include "endpoints/fake_model_for_test.h"

namespace slipway::endpoints {
namespace {

using std::chrono::milliseconds;

bool ping_of(FakeModel::Behaviour behaviour, milliseconds timeout = milliseconds(5'000)) {
  FakeConnector connector;
  connector.add("r", std::move(behaviour));
  return ping(connector, "r", timeout);
}

TEST(Ping, IsGoodForAnAnswerOf200) {
  std::string head;

  EXPECT_TRUE(ping_of([&](const FakeModel::Request& request) {
    head = request.head;
    return FakeModel::ok("\n");
  }));

  EXPECT_EQ(head.rfind("GET /ping HTTP/1.1\r\n", 0), 0u);
}

TEST(Ping, IsGoodForAnAnswerThatEndsWithTheConnection) {
  EXPECT_TRUE(ping_of([](const FakeModel::Request&) { return "HTTP/1.0 200 OK\r\n\r\nfine"; }));
}

TEST(Ping, IsBadForAnyOtherStatus) {
  EXPECT_FALSE(ping_of([](const FakeModel::Request&) {
    return "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
  }));
  EXPECT_FALSE(ping_of(
      [](const FakeModel::Request&) { return "HTTP/1.1 503 Wait\r\nContent-Length: 0\r\n\r\n"; }));
}

TEST(Ping, IsBadForAConnectionThatCloses) {
  EXPECT_FALSE(ping_of([](const FakeModel::Request&) { return ""; }));
}

TEST(Ping, IsBadWhereNothingListens) {
  FakeConnector connector;

  EXPECT_FALSE(ping(connector, "r", milliseconds(100)));
}

TEST(Ping, IsBadWithoutAnAnswerInTime) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;

  const bool good = [&] {
    FakeConnector connector;
    connector.add("r", [&](const FakeModel::Request&) {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::seconds(20), [&] { return done; });
      return std::string();
    });
    const bool answered = ping(connector, "r", milliseconds(50));
    {
      const std::lock_guard lock(mutex);
      done = true;
    }
    changed.notify_all();
    return answered;
  }();

  EXPECT_FALSE(good);
}

}  // namespace
}  // namespace slipway::endpoints
