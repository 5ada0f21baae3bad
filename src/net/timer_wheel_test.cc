#include "net/timer_wheel.h"

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace slipway::net {
namespace {

using std::chrono::milliseconds;

const TimerWheel::Time kStart{std::chrono::hours(1)};

TEST(TimerWheel, RunsNothingEarlyAndEverythingOnce) {
  TimerWheel wheel(kStart);
  int ran = 0;
  wheel.add(kStart + milliseconds(100), [&] { ++ran; });

  wheel.run_due(kStart + milliseconds(99));
  EXPECT_EQ(ran, 0);
  wheel.run_due(kStart + milliseconds(104));
  EXPECT_EQ(ran, 1);
  wheel.run_due(kStart + milliseconds(20'000));
  EXPECT_EQ(ran, 1);
}

TEST(TimerWheel, KeepsTimersOfLaterRounds) {
  TimerWheel wheel(kStart);
  int ran = 0;
  wheel.add(kStart + std::chrono::seconds(60), [&] { ++ran; });

  for (int second = 1; second < 60; ++second) wheel.run_due(kStart + std::chrono::seconds(second));
  EXPECT_EQ(ran, 0);
  wheel.run_due(kStart + milliseconds(60'004));
  EXPECT_EQ(ran, 1);
}

TEST(TimerWheel, RunsWhatWasMissedInOneLongPause) {
  TimerWheel wheel(kStart);
  int ran = 0;
  for (int i = 1; i <= 100; ++i) wheel.add(kStart + milliseconds(i * 137), [&] { ++ran; });

  wheel.run_due(kStart + std::chrono::hours(1));

  EXPECT_EQ(ran, 100);
}

TEST(TimerWheel, DoesNotRunWhatATimerOfTheSameMomentCancelled) {
  TimerWheel wheel(kStart);
  std::vector<std::uint64_t> timers;
  int ran = 0;
  for (int i = 0; i < 2; ++i) {
    timers.push_back(wheel.add(kStart + milliseconds(8), [&] {
      ++ran;
      for (const auto timer : timers) wheel.cancel(timer);
    }));
  }

  wheel.run_due(kStart + milliseconds(16));

  EXPECT_EQ(ran, 1);
}

TEST(TimerWheel, CancellingLateTouchesNobodyElse) {
  TimerWheel wheel(kStart);
  int ran = 0;
  const auto first = wheel.add(kStart + milliseconds(8), [] {});
  wheel.run_due(kStart + milliseconds(16));
  wheel.add(kStart + milliseconds(24), [&] { ++ran; });  // in the first one's place

  wheel.cancel(first);
  wheel.run_due(kStart + milliseconds(32));

  EXPECT_EQ(ran, 1);
}

TEST(TimerWheel, SaysHowLongToWait) {
  TimerWheel wheel(kStart);
  EXPECT_FALSE(wheel.wait(kStart));
  const auto timer = wheel.add(kStart + milliseconds(400), [] {});
  EXPECT_EQ(wheel.wait(kStart), milliseconds(400));
  EXPECT_EQ(wheel.wait(kStart + milliseconds(150)), milliseconds(250));
  EXPECT_EQ(wheel.wait(kStart + milliseconds(500)), milliseconds(0));
  wheel.cancel(timer);
  EXPECT_FALSE(wheel.wait(kStart));
}

// Against a plain list of what should happen.
TEST(TimerWheel, AgreesWithAListOverManyRandomSteps) {
  std::mt19937 random(7);
  TimerWheel wheel(kStart);
  struct Expected {
    std::uint64_t timer;
    TimerWheel::Time due;
    bool open;
    int ran;
  };
  std::vector<Expected> all;
  all.reserve(20'000);
  auto now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 3 != 0) {
      const auto due = now + milliseconds(random() % 30'000);
      const std::size_t index = all.size();
      all.push_back({0, due, true, 0});
      all[index].timer = wheel.add(due, [&all, index] { ++all[index].ran; });
    } else if (!all.empty()) {
      auto& one = all[random() % all.size()];
      if (one.ran == 0) {
        wheel.cancel(one.timer);
        one.open = false;
      }
    }
    now += milliseconds(random() % 10);
    wheel.run_due(now);
  }
  for (const auto& one : all) {
    const bool must = one.open && one.due + milliseconds(8) < now;
    const bool may = one.open && one.due <= now;
    ASSERT_GE(one.ran, must ? 1 : 0);
    ASSERT_LE(one.ran, may ? 1 : 0);
  }
}

}  // namespace
}  // namespace slipway::net
