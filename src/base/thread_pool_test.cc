#include "base/thread_pool.h"

#include <atomic>
#include <future>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/guarded.h"

namespace slipway::base {
namespace {

TEST(ThreadPool, RunsWhatIsQueuedBeforeItStops) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool({.name = "test", .threads = 3, .queue = 100});
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.submit([&] { ++ran; }));
  }

  EXPECT_EQ(ran, 100);
}

TEST(ThreadPool, RefusesWhatDoesNotFitIntoTheQueue) {
  std::promise<void> started;
  std::promise<void> may_end;
  ThreadPool pool({.name = "test", .threads = 1, .queue = 1});
  ASSERT_TRUE(pool.submit([&] {
    started.set_value();
    may_end.get_future().wait();
  }));
  started.get_future().wait();
  ASSERT_TRUE(pool.submit([] {}));

  EXPECT_FALSE(pool.submit([] {}));
  EXPECT_EQ(pool.waiting(), 1u);

  may_end.set_value();
}

TEST(ThreadPool, RefusesWorkOnceStopped) {
  ThreadPool pool({.name = "test", .threads = 1, .queue = 1});
  pool.stop();
  pool.stop();

  EXPECT_FALSE(pool.submit([] {}));
}

TEST(ThreadPool, GoesOnAfterATaskThatThrows) {
  std::promise<void> ran;
  ThreadPool pool({.name = "a-name-longer-than-fifteen", .threads = 1, .queue = 2});
  ASSERT_TRUE(pool.submit([] { throw std::runtime_error("expected by the test"); }));
  ASSERT_TRUE(pool.submit([&] { ran.set_value(); }));

  EXPECT_EQ(ran.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(Guarded, GivesItsValueToOneThreadAtATime) {
  Guarded<int> counter(0);
  {
    ThreadPool pool({.name = "test", .threads = 4, .queue = 1000});
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.submit([&] { ++*counter.lock(); }));
  }

  EXPECT_EQ(*counter.lock(), 1000);
}

}  // namespace
}  // namespace slipway::base
