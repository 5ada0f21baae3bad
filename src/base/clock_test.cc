#include "base/clock.h"

#include <gtest/gtest.h>

namespace slipway::base {
namespace {

constexpr Millis kInstant = 1'795'366'320'123;  // 2026-11-22T16:52:00.123Z

TEST(Clock, WritesEveryFormOfTheSameInstant) {
  EXPECT_EQ(iso8601_millis(kInstant), "2026-11-22T16:52:00.123Z");
  EXPECT_EQ(iso8601(kInstant), "2026-11-22T16:52:00Z");
  EXPECT_EQ(basic_time(kInstant), "20261122T165200Z");
  EXPECT_EQ(http_date(kInstant), "Sun, 22 Nov 2026 16:52:00 GMT");
  EXPECT_DOUBLE_EQ(epoch_seconds(kInstant), 1795366320.123);
}

TEST(Clock, WritesInstantsBeforeTheEpoch) {
  EXPECT_EQ(iso8601_millis(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Clock, ReadsWhatItWrites) {
  EXPECT_EQ(parse_iso8601(iso8601_millis(kInstant)), kInstant);
  EXPECT_EQ(parse_iso8601(iso8601(kInstant)), kInstant - 123);
  EXPECT_EQ(parse_basic_time(basic_time(kInstant)), kInstant - 123);
  EXPECT_EQ(parse_http_date(http_date(kInstant)), kInstant - 123);
  EXPECT_EQ(from_epoch_seconds(epoch_seconds(kInstant)), kInstant);
}

TEST(Clock, ReadsOffsetsAndFractionsOfAnyLength) {
  EXPECT_EQ(parse_iso8601("2026-11-22T18:52:00.1+02:00"), kInstant - 23);
  EXPECT_EQ(parse_iso8601("2026-11-22T11:22:00.123456-0530"), kInstant);
}

TEST(Clock, RefusesWhatIsNotOfTheForm) {
  for (const char* text : {"", "2026-11-22", "2026-11-22T16:52:00", "2026-11-22T16:52:00.Z",
                           "2026-13-22T16:52:00Z", "2026-02-29T16:52:00Z", "2026-11-22T24:00:00Z",
                           "2026-11-22T16:52:00Zx", "2026-11-22T16:52:00+"}) {
    EXPECT_FALSE(parse_iso8601(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_basic_time("20261122T165200").has_value());
  EXPECT_FALSE(parse_basic_time("2026112ZT165200Z").has_value());
  EXPECT_FALSE(parse_http_date("Sun, 22 Nov 2026 16:52:00 UTC").has_value());
  EXPECT_FALSE(parse_http_date("Sun, 22 Foo 2026 16:52:00 GMT").has_value());
}

TEST(FakeClock, StandsStillUntilItIsMoved) {
  FakeClock clock(1000);

  EXPECT_EQ(clock.now(), 1000);
  clock.advance(5);
  EXPECT_EQ(clock.now(), 1005);
}

}  // namespace
}  // namespace slipway::base
