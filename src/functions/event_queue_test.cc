#include "functions/event_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "store/resources.h"

namespace slipway::functions {
namespace {

using namespace std::chrono_literals;

class EventQueueTest : public testing::Test {
 protected:
  EventQueueTest() { store::migrate_resources(*database_); }

  void open(EventQueueOptions options = {.pauses = {1ms, 1ms}}) {
    queue_.emplace(
        store_, clock_,
        [this](const QueuedEvent& event) {
          const std::lock_guard lock(mutex_);
          attempts_.push_back(event.attempts);
          changed_.notify_all();
          return run_(event);
        },
        options);
    queue_->start();
  }
  QueuedEvent event(const std::string& id, int attempts = 0) const {
    return {.id = id,
            .account = "123456789012",
            .name = "f",
            .qualifier = "",
            .payload = "{}",
            .attempts = attempts,
            .created = clock_.now()};
  }
  bool has_attempts(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return attempts_.size() >= count; });
  }
  // Waits until no event is left.
  bool is_empty() {
    std::unique_lock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!store_.due(clock_.now() + 3'600'000, 1).empty()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      changed_.wait_for(lock, 5ms);
    }
    return true;
  }

  const std::unique_ptr<store::Database> database_ = store::Database::in_memory_for_test();
  const base::SystemClock clock_;
  FunctionStore store_{*database_, clock_, "us-east-1"};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> attempts_;
  std::function<Outcome(const QueuedEvent&)> run_ = [](const QueuedEvent&) { return Outcome(); };
  std::optional<EventQueue> queue_;
};

TEST_F(EventQueueTest, CarriesEachOutOnce) {
  open();

  for (int i = 0; i < 20; ++i) queue_->add(event("e" + std::to_string(i)));

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_.size(), 20u);
}

TEST_F(EventQueueTest, DropsWhatFailsThreeTimes) {
  run_ = [](const QueuedEvent&) {
    return Outcome{.payload = "", .error = "Unhandled", .log_tail = ""};
  };
  open();

  queue_->add(event("e"));

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_, (std::vector<int>{1, 2, 3}));
}

TEST_F(EventQueueTest, DoesNotCountWhatTheServerInterrupted) {
  std::atomic<int> calls = 0;
  run_ = [&](const QueuedEvent&) {
    return Outcome{.payload = "", .error = "", .log_tail = "", .aborted = calls++ == 0};
  };
  open();

  queue_->add(event("e"));

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_, (std::vector<int>{1, 1}));
}

TEST_F(EventQueueTest, CarriesOnWithWhatAnEarlierProcessBegan) {
  store_.enqueue(event("e"), 10);
  store_.begin_attempt("e", 0);

  open();

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_, (std::vector<int>{2}));
}

TEST_F(EventQueueTest, DoesNotTryForEverWhatEndsTheServer) {
  store_.enqueue(event("e", 3), 10);

  open();

  EXPECT_TRUE(is_empty());
  EXPECT_TRUE(attempts_.empty());
}

TEST_F(EventQueueTest, WaitsForAFreeContainer) {
  std::atomic<int> calls = 0;
  run_ = [&](const QueuedEvent&) -> Outcome {
    if (calls++ == 0) throw Error("TooManyRequestsException", "Rate Exceeded.", 429);
    return {};
  };
  open();

  queue_->add(event("e"));

  EXPECT_TRUE(has_attempts(2));
  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_, (std::vector<int>{1, 1})) << "that was no attempt";
}

TEST_F(EventQueueTest, DropsTheEventsOfAFunctionThatIsGone) {
  run_ = [](const QueuedEvent&) -> Outcome { throw_not_found("Function not found: f"); };
  open();

  queue_->add(event("e"));

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(attempts_.size(), 1u);
}

TEST_F(EventQueueTest, RefusesOneTooMany) {
  queue_.emplace(
      store_, clock_, [](const QueuedEvent&) { return Outcome(); },
      EventQueueOptions{.waiting = 1});
  queue_->add(event("a"));

  EXPECT_THROW(queue_->add(event("b")), Error);
}

}  // namespace
}  // namespace slipway::functions
