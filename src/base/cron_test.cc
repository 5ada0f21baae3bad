#include "base/cron.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::base {
namespace {

// The next time as ISO 8601, UTC.
std::string next(const std::string& expression, const std::string& zone, const std::string& after) {
  const auto at = Cron(expression, zone).next_after(*parse_iso8601(after));
  return at ? iso8601(*at) : "never";
}

TEST(Cron, FiresStrictlyAfter) {
  EXPECT_EQ(next("30 2 * * *", "UTC", "2026-01-01T02:29:59Z"), "2026-01-01T02:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "UTC", "2026-01-01T02:30:00Z"), "2026-01-02T02:30:00Z");
}

TEST(Cron, KnowsListsRangesStepsAndNames) {
  EXPECT_EQ(next("*/20 * * * *", "UTC", "2026-01-01T00:01:00Z"), "2026-01-01T00:20:00Z");
  EXPECT_EQ(next("5,50 9-17/4 * * *", "UTC", "2026-01-01T09:50:00Z"), "2026-01-01T13:05:00Z");
  EXPECT_EQ(next("10/25 * * * *", "UTC", "2026-01-01T00:35:00Z"), "2026-01-01T01:10:00Z");
  EXPECT_EQ(next("0 0 1 MAR,Sep *", "UTC", "2026-04-01T00:00:00Z"), "2026-09-01T00:00:00Z");
  EXPECT_EQ(next("0 8 * * mon-fri", "UTC", "2026-01-02T08:00:00Z"), "2026-01-05T08:00:00Z");
  EXPECT_EQ(next("0 8 * * 7", "UTC", "2026-01-01T00:00:00Z"), "2026-01-04T08:00:00Z");
  EXPECT_EQ(next("0 8 * * sat-sun", "UTC", "2026-01-03T08:00:00Z"), "2026-01-04T08:00:00Z");
}

TEST(Cron, TakesEitherOfTwoRestrictedDays) {
  // The 13th, or a Friday.
  EXPECT_EQ(next("0 0 13 * 5", "UTC", "2026-01-09T00:00:00Z"), "2026-01-13T00:00:00Z");
  EXPECT_EQ(next("0 0 13 * 5", "UTC", "2026-01-13T00:00:00Z"), "2026-01-16T00:00:00Z");
  // With a star both must fit.
  EXPECT_EQ(next("0 0 13 * *", "UTC", "2026-01-14T00:00:00Z"), "2026-02-13T00:00:00Z");
  EXPECT_EQ(next("0 0 */2 * 1", "UTC", "2026-01-01T00:00:00Z"), "2026-01-05T00:00:00Z");
}

TEST(Cron, FindsTheLeapDayAndGivesUpOnWhatNeverComes) {
  EXPECT_EQ(next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(next("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z"), "never");
  EXPECT_EQ(next("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z"), "2026-03-31T00:00:00Z");
}

TEST(Cron, FiresAfterTheGapInBerlin) {
  // 29 March 2026: 02:00 CET becomes 03:00 CEST, at 01:00 UTC.
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z");
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z"), "2026-03-30T00:30:00Z");
  EXPECT_EQ(next("*/30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z"), "2026-03-30T00:00:00Z");
}

TEST(Cron, FiresOnceInTheOverlapInBerlin) {
  // 25 October 2026: 03:00 CEST becomes 02:00 CET, at 01:00 UTC.
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
  EXPECT_EQ(next("30 3 * * *", "Europe/Berlin", "2026-10-25T01:40:00Z"), "2026-10-25T02:30:00Z");
}

TEST(Cron, LeavesNoHourOutWhereEveryOneIsMeant) {
  // Both hours between 02:00 and 03:00 of 25 October.
  EXPECT_EQ(next("0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z"), "2026-10-25T01:00:00Z");
  EXPECT_EQ(next("0 * * * *", "Europe/Berlin", "2026-10-25T01:00:00Z"), "2026-10-25T02:00:00Z");
  EXPECT_EQ(next("*/20 * * * *", "Europe/Berlin", "2026-10-25T00:50:00Z"), "2026-10-25T01:00:00Z");
  // No 02:30 on 29 March, so nothing between 01:30 and 03:30.
  EXPECT_EQ(next("30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z"), "2026-03-29T01:30:00Z");
  // Clocks half an hour apart, days, and what never comes.
  EXPECT_EQ(next("0 * * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z"), "2026-01-01T00:30:00Z");
  EXPECT_EQ(next("15 * 2 * *", "Europe/Berlin", "2026-01-02T22:15:00Z"), "2026-02-01T23:15:00Z");
  EXPECT_EQ(next("0 * 30 2 *", "Europe/Berlin", "2026-01-01T00:00:00Z"), "never");
}

TEST(Cron, FollowsTheClocksOfNewYork) {
  // 8 March 2026: 02:00 EST becomes 03:00 EDT, at 07:00 UTC.
  EXPECT_EQ(next("15 2 * * *", "America/New_York", "2026-03-08T00:00:00Z"), "2026-03-08T07:00:00Z");
  // 1 November 2026: 02:00 EDT becomes 01:00 EST, at 06:00 UTC.
  EXPECT_EQ(next("15 1 * * *", "America/New_York", "2026-11-01T00:00:00Z"), "2026-11-01T05:15:00Z");
  EXPECT_EQ(next("15 1 * * *", "America/New_York", "2026-11-01T05:15:00Z"), "2026-11-02T06:15:00Z");
}

TEST(Cron, KnowsRailsNamesOfZones) {
  EXPECT_EQ(next("0 9 * * *", "Eastern Time (US & Canada)", "2026-01-01T00:00:00Z"),
            "2026-01-01T14:00:00Z");
  EXPECT_EQ(next("0 9 * * *", "Berlin", "2026-07-01T00:00:00Z"), "2026-07-01T07:00:00Z");
}

TEST(Cron, KnowsShorthands) {
  EXPECT_EQ(next("@hourly", "UTC", "2026-01-01T00:00:00Z"), "2026-01-01T01:00:00Z");
  EXPECT_EQ(next("@daily", "UTC", "2026-01-01T00:00:00Z"), "2026-01-02T00:00:00Z");
  EXPECT_EQ(next("@midnight", "UTC", "2026-01-01T12:00:00Z"), "2026-01-02T00:00:00Z");
  EXPECT_EQ(next("@weekly", "UTC", "2026-01-01T00:00:00Z"), "2026-01-04T00:00:00Z");
  EXPECT_EQ(next("@monthly", "UTC", "2026-01-02T00:00:00Z"), "2026-02-01T00:00:00Z");
  EXPECT_EQ(next("@yearly", "UTC", "2026-01-02T00:00:00Z"), "2027-01-01T00:00:00Z");
  EXPECT_EQ(next("@annually", "UTC", "2026-01-02T00:00:00Z"), "2027-01-01T00:00:00Z");
}

TEST(Cron, NamesWhatIsWrong) {
  const auto message = [](const std::string& expression, const std::string& zone) -> std::string {
    try {
      Cron(expression, zone);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "InvalidCron");
      return error.message();
    }
    return "taken";
  };
  EXPECT_EQ(message("60 * * * *", "UTC"), "the minute '60' is not valid in a cron schedule");
  EXPECT_EQ(message("* 9-5 * * *", "UTC"), "the hour '9-5' is not valid in a cron schedule");
  EXPECT_EQ(message("* * 0 * *", "UTC"), "the day of month '0' is not valid in a cron schedule");
  EXPECT_EQ(message("* * * foo *", "UTC"), "the month 'foo' is not valid in a cron schedule");
  EXPECT_EQ(message("* * * * 8", "UTC"), "the day of week '8' is not valid in a cron schedule");
  EXPECT_EQ(message("*/0 * * * *", "UTC"), "the minute '*/0' is not valid in a cron schedule");
  EXPECT_EQ(message("1,,2 * * * *", "UTC"), "the minute '' is not valid in a cron schedule");
  EXPECT_EQ(message("* * * *", "UTC"), "a cron schedule has five fields, '* * * *' has 4");
  EXPECT_EQ(message("* * * * *", "Mars/Olympus"), "the time zone 'Mars/Olympus' is not known");
}

}  // namespace
}  // namespace slipway::base
