#include "gitlab/junit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::gitlab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TestSuite read(std::string_view text, const JunitLimits& limits = {}) {
  TestSuite suite;
  suite.name = "test";
  suite.jobs = {7};
  read_junit(text, suite, limits);
  return suite;
}

// As pytest writes it.
constexpr std::string_view kPytest = R"(<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" skipped="1"
 tests="4" time="0.061" timestamp="2026-11-22T23:00:00+00:00" hostname="x">
<testcase classname="tests.test_model" name="test_fits[a&amp;b]" time="0.250" file="tests/a.py" />
<testcase classname="tests.test_model" name="test_fails" time="1.5"><failure message="assert 1 == 2">def test_fails():
&gt;       assert 1 == 2</failure><system-out><![CDATA[printed <b>]]></system-out></testcase>
<testcase classname="tests.test_model" name="test_skips" time="0"><skipped type="pytest.skip" message="no GPU"/></testcase>
<testcase classname="tests.test_model" name="test_breaks" time="0.25"><error message="in setup">boom</error></testcase>
</testsuite></testsuites>)";

TEST(Junit, ReadsWhatPytestWrites) {
  const TestSuite suite = read(kPytest);
  EXPECT_EQ(suite.error, "");
  ASSERT_EQ(suite.cases.size(), 4u);
  EXPECT_EQ(suite.cases[0].name, "test_fits[a&b]");
  EXPECT_EQ(suite.cases[0].file, "tests/a.py");
  EXPECT_EQ(suite.cases[1].outcome, TestCase::Outcome::kFailed);
  EXPECT_EQ(suite.cases[1].output, "def test_fails():\n>       assert 1 == 2");
  EXPECT_EQ(suite.cases[2].output, "no GPU");
  EXPECT_EQ(suite.cases[3].outcome, TestCase::Outcome::kError);
  EXPECT_EQ(suite.seconds, 2.0);
}

TEST(Junit, HasGitLabsShape) {
  const Json report = test_report_json({read(kPytest)});
  Json counts = report;
  counts.erase("test_suites");
  EXPECT_EQ(counts, (Json{{"total_time", 2.0},
                          {"total_count", 4},
                          {"success_count", 1},
                          {"failed_count", 1},
                          {"skipped_count", 1},
                          {"error_count", 1}}));
  const Json& suite = report["test_suites"][0];
  EXPECT_EQ(suite["name"], "test");
  EXPECT_EQ(suite["suite_error"], nullptr);
  std::vector<std::string> order;
  for (const Json& each : suite["test_cases"]) order.push_back(each["status"]);
  EXPECT_THAT(order, ElementsAre("error", "failed", "success", "skipped"));
  EXPECT_EQ(suite["test_cases"][0], (Json{{"status", "error"},
                                          {"name", "test_breaks"},
                                          {"classname", "tests.test_model"},
                                          {"file", nullptr},
                                          {"execution_time", 0.25},
                                          {"system_output", "boom"},
                                          {"stack_trace", nullptr},
                                          {"recent_failures", nullptr}}));

  const Json summary = test_summary_json({read(kPytest)});
  EXPECT_EQ(summary["total"], (Json{{"time", 2.0},
                                    {"count", 4},
                                    {"success", 1},
                                    {"failed", 1},
                                    {"skipped", 1},
                                    {"error", 1},
                                    {"suite_error", nullptr}}));
  EXPECT_EQ(summary["test_suites"][0]["build_ids"], Json::array({7}));
  EXPECT_EQ(test_report_json({})["total_count"], 0);
}

TEST(Junit, FindsCasesWhereGitLabDoes) {
  struct Case {
    std::string_view text;
    std::size_t cases;
  };
  const Case cases[] = {
      {"<testsuite><testcase name='a'/></testsuite>", 1},
      {"<testsuites><testcase name='a'/></testsuites>", 1},
      {"<testsuites><testsuite><testsuite><testcase name='a'/></testsuite>"
       "<testcase name='b'/></testsuite></testsuites>",
       2},
      {"<testcase name='a'/>", 0},
      {"<testsuite><properties><testcase name='a'/></properties></testsuite>", 0},
      {"<other><testsuite><testcase name='a'/></testsuite></other>", 0},
      {"<testsuites/>", 0},
      // Two reports of one job, packed into one file.
      {"<?xml version='1.0'?><testsuite><testcase name='a'/></testsuite>\n"
       "<?xml version='1.0'?>\n<testsuite><testcase name='b'/></testsuite>",
       2},
      // The same test again takes the first one's place.
      {"<testsuite><testcase name='a'/><testcase name='a'/></testsuite>", 1},
      {"<testsuite><testcase name='a'/><testcase name='a'><failure/></testcase></testsuite>", 2},
  };
  for (const Case& each : cases) {
    const TestSuite suite = read(each.text);
    EXPECT_EQ(suite.error, "") << each.text;
    EXPECT_EQ(suite.cases.size(), each.cases) << each.text;
  }
}

TEST(Junit, TakesTimesThatAreNone) {
  for (const char* time : {"", "nan", "inf", "-1", "x", "1e999"}) {
    const TestSuite suite =
        read("<testsuite><testcase name='a' time='" + std::string(time) + "'/></testsuite>");
    EXPECT_EQ(suite.seconds, 0) << time;
  }
  EXPECT_EQ(read("<testsuite><testcase name='a' time=' 1.25s'/></testsuite>").seconds, 1.25);
}

TEST(Junit, MakesWhatIsWrongTheSuitesError) {
  const std::string deep = [] {
    std::string text = "<testsuites>";
    for (int i = 0; i < 10'000; ++i) text += "<testsuite>";
    return text;
  }();
  struct Case {
    std::string_view text;
    const char* error;
  };
  const Case cases[] = {
      {"", "the document is empty"},
      {"no xml", "text outside of the root element"},
      {"<testsuite>", "the document ends within <testsuite>"},
      {"<testsuite>\n<testcase></testsuite>", "2: </testsuite> closes another element"},
      {"<testsuite><testcase name='a' name='b'/></testsuite>", "is there twice"},
      {"<testsuite><testcase name=a/></testsuite>", "expected a quote"},
      {"<testsuite><testcase a='1'b='2'/></testsuite>", "expected a space"},
      {"<testsuite>&nbsp;</testsuite>", "entity 'nbsp' is not known"},
      {"<testsuite>&#0;</testsuite>", "a reference to no character"},
      {"<testsuite>\x1b[0m</testsuite>", "a character that XML does not allow"},
      {"<testsuite>\xff</testsuite>", "the document is not UTF-8"},
      {"<!DOCTYPE x [<!ENTITY a 'aa'>]><testsuite>&a;</testsuite>", "document types"},
      {"<testsuite><![CDATA[x</testsuite>", "expected ]]>"},
      {deep, "elements nest too deep"},
  };
  for (const Case& each : cases) {
    const TestSuite suite = read(each.text);
    EXPECT_THAT(suite.error, StartsWith("JUnit XML parsing failed: ")) << each.text;
    EXPECT_THAT(suite.error, HasSubstr(each.error)) << each.text;
  }
  const TestSuite many =
      read("<testsuite><testcase name='a'/><testcase name='b'/></testsuite>", {.cases = 1});
  EXPECT_EQ(many.error, "JUnit data parsing failed: number of test cases exceeded the limit of 1");
}

TEST(Junit, CountsNothingOfASuiteThatIsWrong) {
  TestSuite bad = read(kPytest);
  read_junit("<x", bad);
  const Json report = test_report_json({bad, read(kPytest)});
  EXPECT_EQ(report["total_count"], 4);
  EXPECT_EQ(report["test_suites"][0]["total_count"], 0);
  EXPECT_EQ(report["test_suites"][0]["test_cases"], Json::array());
  EXPECT_THAT(std::string(report["test_suites"][0]["suite_error"]), HasSubstr("expected"));
}

}  // namespace
}  // namespace slipway::gitlab
