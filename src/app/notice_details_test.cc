#include "app/notice_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::app {
namespace {

using testing::ElementsAre;

TEST(LastLinesOfTrace, AreWhatAPersonReads) {
  EXPECT_THAT(last_lines_of_trace("section_start:1700000000:step_script\r\x1b[0K\x1b[0;m$ make\n"
                                  "  10%\r 50%\r100%\n\n\x1b[31;1mERROR: exit 1\x1b[0;m\r\n"
                                  "section_end:1700000000:step_script\r\x1b[0K\n",
                                  20),
              ElementsAre("$ make", "100%", "ERROR: exit 1"));
}

TEST(LastLinesOfTrace, AreTheLastOnes) {
  std::string trace;
  for (int i = 0; i < 50'000; ++i) trace += "line " + std::to_string(i) + "\n";

  EXPECT_THAT(last_lines_of_trace(trace, 2), ElementsAre("line 49998", "line 49999"));
  EXPECT_TRUE(last_lines_of_trace("", 20).empty());
}

TEST(LastLinesOfTrace, SurviveAnUnfinishedSequence) {
  EXPECT_THAT(last_lines_of_trace("text\x1b[31", 20), ElementsAre("text"));
  EXPECT_THAT(last_lines_of_trace("text\x1b", 20), ElementsAre("text"));
}

}  // namespace
}  // namespace slipway::app
