#include "ship/versions.h"

#include <gtest/gtest.h>

namespace slipway::ship {
namespace {

TEST(Version, ReadsWhatItWrites) {
  for (const std::string text : {"1.0.0", "0.12.3", "10.20.30+r4"})
    EXPECT_EQ(parse_version(text)->text(), text);
}

TEST(Version, RefusesWhatIsNotOne) {
  for (const std::string text : {"", "latest", "1.0", "1.0.0.0", "01.0.0", "1.0.x", "v1.0.0",
                                 "1.0.0+r0", "1.0.0+r", "1.0.0-rc1", "1..0", "1.0.9999999999"})
    EXPECT_FALSE(parse_version(text)) << text;
}

TEST(Version, LatestComparesNumbersNotText) {
  EXPECT_EQ(latest({"1.9.0", "1.10.0", "latest", "1.2.30"})->image(), "1.10.0");
  EXPECT_FALSE(latest({"latest", "main"}));
}

struct Case {
  const char* name;
  std::vector<std::string> messages;
  const char* expected;
};

class NextVersion : public testing::TestWithParam<Case> {};

TEST_P(NextVersion, FollowsTheMessages) {
  EXPECT_EQ(next_version(parse_version("1.4.2+r3"), GetParam().messages).text(),
            GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    ConventionalCommits, NextVersion,
    testing::Values(Case{"fix", {"fix: rounding"}, "1.4.3"}, Case{"no_type", {"Tidy up"}, "1.4.3"},
                    Case{"none", {}, "1.4.3"}, Case{"feature", {"fix: a", "feat: b"}, "1.5.0"},
                    Case{"feature_with_scope", {"feat(train): b"}, "1.5.0"},
                    Case{"feature_in_body_only", {"fix: a\n\nfeat: not this"}, "1.4.3"},
                    Case{"exclamation", {"feat: a", "refactor!: b"}, "2.0.0"},
                    Case{"exclamation_with_scope", {"feat(api)!: b"}, "2.0.0"},
                    Case{"breaking_footer", {"fix: a\n\nBREAKING CHANGE: rows"}, "2.0.0"},
                    Case{"feature_like_word", {"feature: b"}, "1.4.3"}),
    [](const auto& each) { return each.param.name; });

TEST(Version, StartsAtOne) { EXPECT_EQ(next_version({}, {"fix: a"}).text(), "1.0.0"); }

}  // namespace
}  // namespace slipway::ship
