#include "base/ids.h"

#include <regex>
#include <set>

#include <gtest/gtest.h>

namespace slipway::base {
namespace {

TEST(Ids, RandomTextKeepsToItsAlphabetAndLength) {
  std::set<char> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string text = random_text(20, "abc");
    EXPECT_EQ(text.size(), 20u);
    seen.insert(text.begin(), text.end());
  }
  EXPECT_EQ(seen, (std::set<char>{'a', 'b', 'c'}));
}

TEST(Ids, RandomHexMayHaveAnOddLength) {
  EXPECT_EQ(random_hex(7).size(), 7u);
  EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(Ids, UuidIsVersionFour) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");

  EXPECT_TRUE(std::regex_match(uuid(), form));
  EXPECT_NE(uuid(), uuid());
}

TEST(Arn, IsReadAndWritten) {
  const std::string text = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/a:*";

  const auto arn = parse_arn(text);

  ASSERT_TRUE(arn.has_value());
  EXPECT_EQ(arn->service, "logs");
  EXPECT_EQ(arn->region, "us-east-1");
  EXPECT_EQ(arn->account, "123456789012");
  EXPECT_EQ(arn->resource, "log-group:/aws/a:*");
  EXPECT_EQ(arn->text(), text);
}

TEST(Arn, MayLackRegionAndAccount) {
  const auto arn = parse_arn("arn:aws:s3:::bucket/key");

  ASSERT_TRUE(arn.has_value());
  EXPECT_EQ(arn->region, "");
  EXPECT_EQ(arn->resource, "bucket/key");
}

TEST(Arn, IsRefusedWhereAPartIsMissing) {
  for (const char* text : {"", "name", "arn:aws:s3", "arn:aws:s3:::", "arn:other:s3:::bucket"}) {
    EXPECT_FALSE(parse_arn(text).has_value()) << text;
  }
}

TEST(Arn, NameIsWhatFollowsTheLastSlash) {
  EXPECT_EQ(name_of("arn:aws:sagemaker:us-east-1:123456789012:model/a"), "a");
  EXPECT_EQ(name_of("a"), "a");
}

}  // namespace
}  // namespace slipway::base
