#include "notify/deliverer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "notify/records.h"

namespace slipway::notify {
namespace {

using Result = Outcome::Result;

class DelivererTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = store::Database::in_memory_for_test();
    migrate_records(*database_);
    restart();
  }

  void restart() {
    DelivererOptions options;
    options.attempts = 4;
    options.closed = {"closed"};
    deliverer_ = std::make_unique<Deliverer>(
        *database_, clock_,
        [this](const Delivery& delivery) {
          tried_.push_back(delivery.id);
          return down_.contains(delivery.lane) ? Outcome{Result::kFailed, "down", {}} : outcome_;
        },
        options);
  }

  void add(const std::string& id, const std::string& lane) {
    Delivery delivery;
    delivery.id = id;
    delivery.account = "1";
    delivery.lane = lane;
    delivery.created = delivery.due = clock_.now();
    database_->write([&](store::Transaction& transaction) { save(transaction, delivery); });
    clock_.advance(1);
  }

  Delivery stored(const std::string& id) {
    const auto found =
        database_->read([&](store::Reader& reader) { return find_delivery(reader, id); });
    return found.value_or(Delivery{});
  }

  void deliver_all() {
    while (deliverer_->deliver_one()) {
    }
  }

  std::unique_ptr<store::Database> database_;
  base::FakeClock clock_;
  std::unique_ptr<Deliverer> deliverer_;
  std::vector<std::string> tried_;
  std::set<std::string> down_;
  Outcome outcome_;
};

TEST_F(DelivererTest, DeliversInTheirOrderOnce) {
  add("b", "x");
  add("a", "y");
  deliver_all();
  deliver_all();
  EXPECT_EQ(tried_, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(stored("a").state, DeliveryState::kDelivered);
}

TEST_F(DelivererTest, ADownDestinationDelaysItsOwnAlone) {
  down_ = {"x"};
  for (int i = 0; i < 50; ++i) add("x" + std::to_string(i), "x");
  add("y", "y");
  deliver_all();
  // One found out; the others of the lane were spared the attempt.
  EXPECT_EQ(tried_, (std::vector<std::string>{"x0", "y"}));
  EXPECT_EQ(stored("y").state, DeliveryState::kDelivered);
  EXPECT_EQ(stored("x1").attempts, 0);
}

TEST_F(DelivererTest, WhatWaitedGoesWhenTheDestinationIsBack) {
  down_ = {"x"};
  add("first", "x");
  add("second", "x");
  deliver_all();
  clock_.advance(1000);
  deliver_all();  // "second" finds out
  EXPECT_EQ(tried_, (std::vector<std::string>{"first", "second"}));
  down_.clear();
  clock_.advance(2000);
  deliver_all();
  EXPECT_EQ(stored("first").state, DeliveryState::kDelivered);
  EXPECT_EQ(stored("second").state, DeliveryState::kDelivered);
}

TEST_F(DelivererTest, IsGivenUpAfterTheLastAttempt) {
  down_ = {"x"};
  add("d", "x");
  std::vector<base::Millis> at;
  for (int i = 0; i < 60; ++i) {
    const std::size_t before = tried_.size();
    deliver_all();
    if (tried_.size() > before) at.push_back(i);
    clock_.advance(1000);
  }
  EXPECT_EQ(at, (std::vector<base::Millis>{0, 1, 3, 7}));
  EXPECT_EQ(stored("d").state, DeliveryState::kDead);
  EXPECT_EQ(stored("d").attempts, 4);
  EXPECT_EQ(stored("d").error, "down");
}

TEST_F(DelivererTest, WhatNobodyWantsIsForgotten) {
  outcome_ = {Result::kGone, "", {}};
  add("d", "x");
  deliver_all();
  EXPECT_EQ(stored("d").id, "");
}

TEST_F(DelivererTest, ARefusalKeepsTheLaneOpen) {
  outcome_ = {Result::kRefused, "404", {}};
  add("a", "x");
  add("b", "x");
  deliver_all();
  EXPECT_EQ(tried_.size(), 2u);
  EXPECT_EQ(stored("b").state, DeliveryState::kDead);
}

TEST_F(DelivererTest, AClosedLaneWaits) {
  add("a", "closed");
  deliver_all();
  EXPECT_TRUE(tried_.empty());
  EXPECT_EQ(stored("a").state, DeliveryState::kWaiting);
}

TEST_F(DelivererTest, ARestartCarriesOn) {
  down_ = {"x"};
  add("a", "x");
  deliver_all();
  restart();
  down_.clear();
  deliver_all();
  EXPECT_EQ(tried_.size(), 1u);  // its pause is kept
  clock_.advance(1000);
  deliver_all();
  EXPECT_EQ(stored("a").state, DeliveryState::kDelivered);
}

TEST_F(DelivererTest, ThreadsDeliverWhatIsAdded) {
  deliverer_->start();
  deliverer_->start();
  add("a", "x");
  deliverer_->wake();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (stored("a").state != DeliveryState::kDelivered &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  deliverer_->stop();
  deliverer_->stop();
  EXPECT_EQ(stored("a").state, DeliveryState::kDelivered);
}

TEST_F(DelivererTest, AClockThatWasAheadDelaysNothingForLong) {
  constexpr base::Millis kYear = 365 * 24LL * 3600 * 1000;
  clock_.advance(kYear);
  down_ = {"x"};
  add("a", "x");
  deliver_all();
  EXPECT_EQ(tried_.size(), 1u);
  clock_.advance(-kYear);
  down_.clear();
  add("b", "x");
  deliver_all();
  EXPECT_EQ(stored("b").state, DeliveryState::kDelivered) << "the destination is not paused";
  database_->write([&](store::Transaction& transaction) { expire(transaction, clock_.now()); });
  deliver_all();
  EXPECT_EQ(stored("a").state, DeliveryState::kDelivered);
}

TEST_F(DelivererTest, UpkeepRemovesWhatIsOld) {
  constexpr base::Millis kDay = 24LL * 3600 * 1000;
  Message message;
  message.id = "m";
  const auto put = [&](const std::string& id, DeliveryState state, base::Millis age) {
    Delivery delivery;
    delivery.id = id;
    delivery.message = "m";
    delivery.state = state;
    delivery.created = clock_.now() - age;
    if (state != DeliveryState::kWaiting) delivery.finished = delivery.created;
    database_->write([&](store::Transaction& transaction) { save(transaction, delivery); });
  };
  database_->write([&](store::Transaction& transaction) { insert(transaction, message); });
  put("new", DeliveryState::kDelivered, kDay);
  put("old", DeliveryState::kDelivered, 4 * kDay);
  put("dead", DeliveryState::kDead, 29 * kDay);
  put("forgotten", DeliveryState::kDead, 31 * kDay);
  put("stuck", DeliveryState::kWaiting, 15 * kDay);
  const auto expire_now = [&] {
    database_->write([&](store::Transaction& transaction) { expire(transaction, clock_.now()); });
  };
  expire_now();
  EXPECT_EQ(stored("new").id, "new");
  EXPECT_EQ(stored("old").id, "");
  EXPECT_EQ(stored("dead").id, "dead");
  EXPECT_EQ(stored("forgotten").id, "");
  EXPECT_EQ(stored("stuck").state, DeliveryState::kDead);
  const auto kept = [&] {
    return database_->read([&](store::Reader& reader) { return find_message(reader, "m"); });
  };
  EXPECT_TRUE(kept());
  clock_.advance(40 * kDay);
  expire_now();
  EXPECT_FALSE(kept());
}

}  // namespace
}  // namespace slipway::notify
