#include "observe/filter_pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::observe {
namespace {

TEST(FilterPatternTest, MatchesByTheTable) {
  struct Case {
    const char* pattern;
    const char* line;
    bool matches;
  };
  const Case cases[] = {
      {"", "anything", true},
      {"ERROR", "an ERROR here", true},
      {"ERROR", "an error here", false},
      {"ERROR disk", "disk gone: ERROR", true},
      {"ERROR disk", "ERROR: network", false},
      {"\"disk full\"", "the disk full again", true},
      {"\"disk full\"", "disk is full", false},
      {"\"a \\\"b\\\"\"", "say a \"b\" now", true},
      {"?ERROR ?WARN", "WARN: low", true},
      {"?ERROR ?WARN", "INFO: fine", false},
      {"ERROR -expected", "ERROR: expected", false},
      {"ERROR -expected", "ERROR: other", true},
      {"-DEBUG", "INFO", true},
      {"-\"two words\"", "with two words in it", false},
      {"a ?b", "a alone", true},
      {"-", "minus - sign", true},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(FilterPattern::parse(one.pattern).matches(one.line), one.matches)
        << one.pattern << " on " << one.line;
  }
}

TEST(FilterPatternTest, RefusesWhatItDoesNotKnow) {
  for (const char* pattern : {"{ $.level = \"error\" }", "[ip, user]", "%a+%", "\"open", "- a"}) {
    EXPECT_THROW(FilterPattern::parse(pattern), Error) << pattern;
  }
}

}  // namespace
}  // namespace slipway::observe
