#include "ci_config/expression.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ci_config/ci_config.h"
#include "ci_config/regex.h"

namespace slipway::ci_config {
namespace {

const Variables kVariables = {{.key = "PRESENT", .value = "my variable"},
                              {.key = "PATH_VARIABLE", .value = "a/path/variable/value"},
                              {.key = "FULL_PATH", .value = "/a/full/path/variable/value"},
                              {.key = "EMPTY", .value = ""},
                              {.key = "BLANK", .value = "  "},
                              {.key = "OUTER", .value = "$PRESENT"},
                              {.key = "TEXT", .value = "abcde"},
                              {.key = "PATTERN", .value = "/^ab.*/"},
                              {.key = "OTHER_PATTERN", .value = "/^at.*/"},
                              {.key = "BAD_PATTERN", .value = "/(/"}};

struct Case {
  std::string expression;
  bool holds;
};

class Holds : public testing::TestWithParam<Case> {};

TEST_P(Holds, AsInGitLab) {
  EXPECT_EQ(holds(GetParam().expression, kVariables), GetParam().holds) << GetParam().expression;
}

INSTANTIATE_TEST_SUITE_P(
    Comparisons, Holds,
    testing::Values(Case{R"($PRESENT == "my variable")", true},
                    Case{R"("my variable" == $PRESENT)", true},
                    Case{"$PRESENT == 'my variable'", true}, Case{"$PRESENT == null", false},
                    Case{"$EMPTY == null", false}, Case{R"("" == $EMPTY)", true},
                    Case{"$UNDEFINED == null", true}, Case{"null == $UNDEFINED", true},
                    Case{R"($UNDEFINED == "")", false}, Case{R"($UNDEFINED != "")", true},
                    Case{R"($PRESENT != "my variable")", false}, Case{"$PRESENT != null", true},
                    Case{"$EMPTY != null", true}, Case{R"("" != $EMPTY)", false},
                    Case{"$UNDEFINED != null", false}, Case{"$OUTER == \"my variable\"", false},
                    Case{"$OUTER == '$PRESENT'", true}, Case{"$PRESENT==$PRESENT", true}));

INSTANTIATE_TEST_SUITE_P(Truth, Holds,
                         testing::Values(Case{"$PRESENT", true}, Case{"$EMPTY", false},
                                         Case{"$BLANK", false}, Case{"$UNDEFINED", false},
                                         Case{"\"text\"", true}, Case{"null", false}));

INSTANTIATE_TEST_SUITE_P(
    Patterns, Holds,
    testing::Values(Case{"$PRESENT =~ /var.*e$/", true}, Case{"$PRESENT =~ /^var.*/", false},
                    Case{"$EMPTY =~ /var.*/", false}, Case{"$UNDEFINED =~ /var.*/", false},
                    Case{"$UNDEFINED =~ /^$/", true}, Case{"$PRESENT =~ /VAR.*/i", true},
                    Case{R"($PATH_VARIABLE =~ /path\/variable/)", true},
                    Case{R"($FULL_PATH =~ /^\/a\/full\/path\/variable\/value$/)", true},
                    Case{"$PRESENT !~ /var.*e$/", false}, Case{"$PRESENT !~ /^var.*/", true},
                    Case{"$EMPTY !~ /var.*/", true}, Case{"$UNDEFINED !~ /var.*/", true},
                    Case{"$PRESENT !~ /VAR.*/i", false}, Case{"$TEXT =~ $PATTERN", true},
                    Case{"$TEXT =~ $OTHER_PATTERN", false}, Case{"$TEXT =~ \"abcde\"", true},
                    Case{"$TEXT =~ $TEXT", true}, Case{"$TEXT =~ $UNDEFINED", false},
                    Case{"$TEXT !~ $UNDEFINED", true}, Case{"$TEXT =~ $BAD_PATTERN", false},
                    Case{"$TEXT !~ $BAD_PATTERN", false}, Case{"$TEXT =~ '/^AB/i'", true}));

// GitLab's own table: texts count as true in && and ||, even empty ones.
INSTANTIATE_TEST_SUITE_P(
    Connectives, Holds,
    testing::Values(
        Case{"$PRESENT && \"string\"", true}, Case{"$PRESENT && $EMPTY", false},
        Case{"$EMPTY && $PRESENT", true}, Case{"null && $PRESENT", false},
        Case{"$PRESENT && null", false}, Case{"$UNDEFINED && $PRESENT", false},
        Case{"$PRESENT || $UNDEFINED", true}, Case{"$UNDEFINED || $PRESENT", true},
        Case{"$EMPTY || $PRESENT", false}, Case{"$PRESENT =~ /my var/ && $EMPTY =~ /nope/", false},
        Case{"$EMPTY == \"\" && $PRESENT != \"nope\"", true},
        Case{"$PRESENT && null || $EMPTY == \"\"", true},
        Case{"$EMPTY == \"\" || $UNDEFINED == \"a\" && $UNDEFINED == \"b\"", true},
        Case{"($EMPTY == \"\" || $UNDEFINED == \"a\") && $UNDEFINED == \"b\"", false},
        Case{"($PRESENT)", true}, Case{"(($PRESENT && null) || $EMPTY == \"\")", true},
        Case{"(\"string\" || \"test\") == \"string\"", true},
        Case{"(null || (\"test\" == \"string\"))", false},
        Case{"(\"string\" == (\"test\" && \"string\"))", true},
        Case{"(\"string\" == (\"string\" || ((\"1\" == \"1\") && (\"2\" == \"3\"))))", true},
        Case{R"($FULL_PATH =~ /^\/a\/bad\/path$/ || $PATH_VARIABLE =~ /path\/variable/)", true}));

class Refuses : public testing::TestWithParam<std::string> {};

TEST_P(Refuses, BadSyntax) {
  EXPECT_FALSE(Expression::is_valid(GetParam())) << GetParam();
  EXPECT_THROW(holds(GetParam(), kVariables), base::Error) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Expression, Refuses,
                         testing::Values("", "   ", "${PRESENT}", "$", "$PRESENT = 1", "== null",
                                         "$PRESENT ==", "$PRESENT $PRESENT", "$PRESENT &&",
                                         "(($PRESENT)", "$PRESENT)", "()", "\"open", "'open",
                                         "$PRESENT == 'a\nb'", "$PRESENT =~ /open",
                                         "$PRESENT =~ /a/", "$PRESENT =~ /(ab/",
                                         "$PRESENT =~ /(?=ab)/", R"($PRESENT =~ /(a)\1/)",
                                         "$PRESENT =~ /ab++/", "true == $PRESENT", "nullable",
                                         "!$PRESENT", "$PRESENT & $PRESENT"));

TEST(Expression, HasAtMostAHundredTokens) {
  std::string text = "$A";
  for (int i = 0; i < 49; ++i) text += " && $A";
  EXPECT_TRUE(Expression::is_valid(text));
  EXPECT_FALSE(Expression::is_valid(text + " && $A"));
}

TEST(Regex, GivesUpWhereAPatternWouldTakeForEver) {
  const auto regex = Regex::parse("/^(a+)+$/");
  ASSERT_TRUE(regex);

  EXPECT_FALSE(regex->matches(std::string(60, 'a') + "b"));
}

TEST(Regex, AnchorsAtTheTextsEndOnly) {
  EXPECT_TRUE(Regex::parse("/^ab$/")->matches("ab"));
  EXPECT_FALSE(Regex::parse("/^ab$/")->matches("ab\n"));
  EXPECT_FALSE(Regex::parse("/^ab$/")->matches("ab\ncd"));
  EXPECT_TRUE(Regex::parse("/^ab$/m")->matches("ab\ncd"));
  EXPECT_FALSE(Regex::parse("/ab.cd/")->matches("ab\ncd"));
  EXPECT_TRUE(Regex::parse("/ab.cd/s")->matches("ab\ncd"));
}

TEST(Regex, TakesGroupsThatRe2Knows) {
  EXPECT_TRUE(Regex::parse("/(?i)AB(?:c|d)(?P<name>e)/")->matches("abde"));
  EXPECT_TRUE(Regex::parse(R"(/[\]1]\d+/)")->matches("]12"));
}

TEST(Regex, IsNoneWithoutSlashes) {
  EXPECT_FALSE(Regex::parse("abc"));
  EXPECT_FALSE(Regex::parse("/abc/x"));
  EXPECT_FALSE(Regex::looks_like("/a/full/path"));
}

}  // namespace
}  // namespace slipway::ci_config
