#include "base/strings.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace slipway::base {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
}

TEST(Strings, TrimTakesSpaceFromBothEnds) {
  EXPECT_EQ(trim(" \ta b\r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
}

TEST(Strings, CaseIsThatOfAscii) {
  EXPECT_EQ(lower("AbZ\xC3\x84"), "abz\xC3\x84");
  EXPECT_EQ(upper("aBz"), "ABZ");
  EXPECT_TRUE(equals_ignoring_case("Content-Type", "content-type"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
}

TEST(Strings, ReplaceAllDoesNotReplaceWhatItPutThere) {
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
  EXPECT_EQ(replace_all("abc", "", "x"), "abc");
}

TEST(Strings, NumbersMustFillTheText) {
  EXPECT_EQ(parse_integer("-42"), -42);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  for (const char* text : {"", "4x", " 4", "9223372036854775808", "1.5", "+4"}) {
    EXPECT_FALSE(parse_integer(text).has_value()) << text;
  }
  EXPECT_EQ(parse_number("1e3"), 1000.0);
  EXPECT_FALSE(parse_number("1,5").has_value());
}

TEST(Strings, HexadecimalGoesBothWays) {
  EXPECT_EQ(hex(std::string("\x00\xAF", 2)), "00af");
  EXPECT_EQ(from_hex("00Af"), std::string("\x00\xAF", 2));
  EXPECT_FALSE(from_hex("abc").has_value());
  EXPECT_FALSE(from_hex("zz").has_value());
}

// RFC 4648, section 10.
TEST(Strings, Base64IsThatOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(from_base64("Zm9vYg=="), "foob");
}

TEST(Strings, Base64OfRandomBytesComesBack) {
  for (std::size_t length = 0; length < 70; ++length) {
    const std::string bytes = random_bytes(length);
    EXPECT_EQ(from_base64(base64(bytes)), bytes);
  }
}

TEST(Strings, Base64RefusesOtherText) {
  for (const char* text : {"Zg=", "Zg", "Z===", "Zh==", "Zm9v\n", "Zm=v", "===="}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  }
}

TEST(Strings, PercentEncodingLeavesTheUnreservedCharacters) {
  EXPECT_EQ(percent_encode("a-._~ /\xC3\xA4+"), "a-._~%20%2F%C3%A4%2B");
  EXPECT_EQ(percent_encode("a/b c", Slash::kKeep), "a/b%20c");
}

TEST(Strings, PercentDecodingKeepsWhatIsNoEscape) {
  EXPECT_EQ(percent_decode("a%20b+c"), "a b+c");
  EXPECT_EQ(percent_decode("a+b", Plus::kIsSpace), "a b");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
}

TEST(Strings, QueryKeepsOrderAndEmptyValues) {
  EXPECT_EQ(parse_query("b=2&a=x%26y&flag&c=&b=1+1"),
            (Pairs{{"b", "2"}, {"a", "x&y"}, {"flag", ""}, {"c", ""}, {"b", "1 1"}}));
  EXPECT_TRUE(parse_query("").empty());
}

TEST(Strings, ConstantTimeComparisonComparesAll) {
  EXPECT_TRUE(equals_in_constant_time("secret", "secret"));
  EXPECT_FALSE(equals_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equals_in_constant_time("secret", "secre"));
  EXPECT_TRUE(equals_in_constant_time("", ""));
}

TEST(Strings, Utf8IsWellFormedOrNot) {
  EXPECT_TRUE(is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
  for (const char* text : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xF0\x9F\x98"}) {
    EXPECT_FALSE(is_utf8(text)) << hex(text);
  }
}

TEST(Strings, Utf8PrefixCutsNoCharacterInTwo) {
  const std::string text = "a\xE2\x82\xAC";

  EXPECT_EQ(utf8_prefix(text, 4), text);
  EXPECT_EQ(utf8_prefix(text, 3), "a");
  EXPECT_EQ(utf8_prefix(text, 2), "a");
  EXPECT_EQ(utf8_prefix(text, 0), "");
}

}  // namespace
}  // namespace slipway::base
