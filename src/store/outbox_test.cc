#include "store/outbox.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::store {
namespace {

using testing::ElementsAre;

// What a handler was given; threads may wait for a number of events.
class Received {
 public:
  void add(const std::string& subject) {
    {
      const std::lock_guard lock(mutex_);
      subjects_.push_back(subject);
    }
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return subjects_.size() >= count; });
    return subjects_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> subjects_;
};

class Outbox : public testing::Test {
 protected:
  void SetUp() override {
    database_ = Database::in_memory_for_test();
    migrate_outbox(*database_);
  }

  void add(const std::string& subject) {
    database_->write([&](Transaction& transaction) {
      append(transaction, {.at = 7,
                           .account = "123456789012",
                           .type = "TrainingJob.Completed",
                           .subject = subject,
                           .detail = {{"a", 1}}});
    });
  }
  // A new consumer's position is taken at its first start.
  void introduce(const std::string& name) {
    EventPump pump(*database_);
    pump.consume(name, [](const Event&) {});
    pump.start();
  }

  std::unique_ptr<Database> database_;
};

TEST_F(Outbox, EventsComeBackInOrder) {
  add("a");
  add("b");
  add("c");

  const std::vector<Event> events =
      database_->read([](Reader& reader) { return events_after(reader, 1, 10); });

  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].sequence, 2);
  EXPECT_EQ(events[0].subject, "b");
  EXPECT_EQ(events[0].at, 7);
  EXPECT_EQ(events[0].type, "TrainingJob.Completed");
  EXPECT_EQ(events[0].detail["a"], 1);
  EXPECT_EQ(events[1].subject, "c");
}

TEST_F(Outbox, AnEventOfWorkThatFailedDoesNotExist) {
  EXPECT_THROW(database_->write([](Transaction& transaction) {
    append(transaction, {.subject = "a", .detail = Json::object()});
    throw std::runtime_error("expected by the test");
  }),
               std::runtime_error);

  EXPECT_TRUE(database_->read([](Reader& reader) { return events_after(reader, 0, 10); }).empty());
}

TEST_F(Outbox, ThePumpDeliversInOrderToEachConsumer) {
  Received one;
  Received two;
  EventPump pump(*database_);
  pump.consume("one", [&](const Event& event) { one.add(event.subject); });
  pump.consume("two", [&](const Event& event) { two.add(event.subject); });
  pump.start();

  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    add(std::to_string(i));
    expected.push_back(std::to_string(i));
  }

  EXPECT_EQ(one.wait_for(200), expected);
  EXPECT_EQ(two.wait_for(200), expected);
}

TEST_F(Outbox, ANewConsumerStartsWithTheNextEvent) {
  add("before");
  Received received;
  EventPump pump(*database_);
  pump.consume("new", [&](const Event& event) { received.add(event.subject); });
  pump.start();

  add("after");

  EXPECT_THAT(received.wait_for(1), ElementsAre("after"));
}

TEST_F(Outbox, ARestartCarriesOnWhereThePositionStands) {
  introduce("consumer");
  add("a");
  {
    Received received;
    EventPump pump(*database_);
    pump.consume("consumer", [&](const Event& event) { received.add(event.subject); });
    pump.start();
    EXPECT_THAT(received.wait_for(1), ElementsAre("a"));
  }
  add("b");

  Received received;
  EventPump pump(*database_);
  pump.consume("consumer", [&](const Event& event) { received.add(event.subject); });
  pump.start();

  EXPECT_THAT(received.wait_for(1), ElementsAre("b"));
}

TEST_F(Outbox, AnEventWhoseHandlerDidNotReturnIsDeliveredAgain) {
  introduce("consumer");
  add("a");
  {
    Received tried;
    EventPump pump(*database_);
    pump.consume("consumer", [&](const Event& event) {
      tried.add(event.subject);
      throw std::runtime_error("expected by the test");
    });
    pump.start();
    tried.wait_for(1);
  }

  Received received;
  EventPump pump(*database_);
  pump.consume("consumer", [&](const Event& event) { received.add(event.subject); });
  pump.start();

  EXPECT_THAT(received.wait_for(1), ElementsAre("a"));
}

TEST_F(Outbox, AFailingHandlerIsTriedAgainAndThenPassedOver) {
  Received received;
  EventPump pump(*database_);
  pump.consume(
      "consumer",
      [&](const Event& event) {
        received.add(event.subject);
        if (event.subject == "bad") throw std::runtime_error("expected by the test");
      },
      3);
  pump.start();

  add("bad");
  add("good");

  EXPECT_THAT(received.wait_for(4), ElementsAre("bad", "bad", "bad", "good"));
}

TEST_F(Outbox, AFailingConsumerDoesNotHoldUpTheOthers) {
  Received received;
  EventPump pump(*database_);
  pump.consume("failing", [](const Event&) { throw std::runtime_error("expected by the test"); });
  pump.consume("good", [&](const Event& event) { received.add(event.subject); });
  pump.start();

  add("a");
  add("b");

  EXPECT_THAT(received.wait_for(2), ElementsAre("a", "b"));
}

TEST_F(Outbox, StopMayBeCalledTwiceAndStartAgain) {
  Received received;
  EventPump pump(*database_);
  pump.consume("consumer", [&](const Event& event) { received.add(event.subject); });
  pump.start();
  pump.stop();
  pump.stop();
  add("a");

  pump.start();

  EXPECT_THAT(received.wait_for(1), ElementsAre("a"));
}

}  // namespace
}  // namespace slipway::store
