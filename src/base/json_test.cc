#include "base/json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::base {
namespace {

TEST(Json, ParseErrorNamesWhatAndWhere) {
  try {
    parse_json("{\"a\": }", "the request body");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ParseError");
    EXPECT_EQ(error.message(), "the request body is not valid JSON (at byte 7)");
  }
}

TEST(Json, TryParseGivesNothingForOtherText) {
  EXPECT_FALSE(try_parse_json("{").has_value());
  EXPECT_EQ(try_parse_json("[1]"), Json::array({1}));
}

TEST(Json, RefusesWhatNestsTooDeep) {
  const auto nested = [](std::size_t levels) {
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) text += i % 2 == 0 ? R"({"a":)" : "[";
    for (std::size_t i = levels; i-- > 0;)
      text += i % 2 == 0 ? (i + 1 == levels ? "1}" : "}") : "]";
    return text;
  };
  EXPECT_TRUE(try_parse_json(nested(511)));
  EXPECT_FALSE(try_parse_json(nested(513)));
  EXPECT_FALSE(try_parse_json(std::string(1'000'000, '[')));
  try {
    parse_json(nested(513), "the body");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "the body nests deeper than 512 levels");
  }
  // Brackets in texts and beside each other are none.
  EXPECT_TRUE(try_parse_json("\"\\\"" + std::string(2000, '[') + "\""));
  std::string wide = "[[]";
  for (int i = 0; i < 1000; ++i) wide += ",[]";
  EXPECT_TRUE(try_parse_json(wide + "]"));
}

TEST(Json, DumpReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(dump_json(Json{{"line", "a\xff"}}), "{\"line\":\"a\xEF\xBF\xBD\"}");
}

TEST(Json, ReadsFallBackWhereTheMemberIsAbsentOrOfAnotherType) {
  const Json object = {
      {"text", "a"}, {"integer", 3}, {"number", 1.5}, {"flag", true}, {"no", nullptr}};

  EXPECT_EQ(text_or(object, "text"), "a");
  EXPECT_EQ(text_or(object, "integer", "x"), "x");
  EXPECT_EQ(text_or(object, "absent", "x"), "x");
  EXPECT_EQ(integer_or(object, "integer", 1), 3);
  EXPECT_EQ(integer_or(object, "number", 1), 1);
  EXPECT_DOUBLE_EQ(number_or(object, "integer", 0), 3);
  EXPECT_DOUBLE_EQ(number_or(object, "no", 0.5), 0.5);
  EXPECT_TRUE(boolean_or(object, "flag", false));
  EXPECT_FALSE(boolean_or(object, "text", false));
  EXPECT_EQ(text_or(Json::array(), "text", "x"), "x");
}

TEST(Json, EmptyCollectionsStandInForAbsentOnes) {
  const Json object = {{"list", {1, 2}}, {"map", {{"a", 1}}}};

  EXPECT_EQ(array_or_empty(object, "list").size(), 2u);
  EXPECT_TRUE(array_or_empty(object, "map").empty());
  EXPECT_EQ(object_or_empty(object, "map").size(), 1u);
  EXPECT_TRUE(object_or_empty(nullptr, "map").is_object());
}

}  // namespace
}  // namespace slipway::base
