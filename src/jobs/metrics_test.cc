#include "jobs/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::jobs {
namespace {

using Found = std::vector<std::pair<std::string, double>>;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Found scan(const std::string& regex, const std::string& line) {
  const std::vector<MetricDefinition> definitions{{.name = "m", .regex = regex}};
  MetricScanner scanner(definitions);
  Found found;
  scanner.scan(line, [&](const std::string& name, double value) {
    found.push_back({name, value});
  });
  return found;
}

TEST(MetricScanner, TakesTheFirstGroupOfALazyExpression) {
  EXPECT_THAT(scan("Train_loss=(.*?);", "Train_loss=0.138318;  Valid_loss=0.324557;"),
              ElementsAre(Pair("m", 0.138318)));
}

TEST(MetricScanner, UnderstandsNamedGroupsAsPythonWritesThem) {
  EXPECT_THAT(scan(R"(f1 = (?P<value>[0-9\.]+))", "epoch 3 f1 = 0.91"),
              ElementsAre(Pair("m", 0.91)));
}

TEST(MetricScanner, ReadsExponentsAndSigns) {
  EXPECT_THAT(scan("lr: (.*)", "lr: -1.5e-05 "), ElementsAre(Pair("m", -1.5e-05)));
}

TEST(MetricScanner, PassesOverWhatIsNoNumber) {
  EXPECT_THAT(scan("loss=(.*);", "loss=unknown;"), IsEmpty());
}

TEST(MetricScanner, PassesOverWhatIsNotFinite) {
  EXPECT_THAT(scan("loss=(.*);", "loss=nan;"), IsEmpty());
}

TEST(MetricScanner, PassesOverAnExpressionWithoutAGroup) {
  EXPECT_THAT(scan("loss=[0-9.]+", "loss=1.0"), IsEmpty());
}

TEST(MetricScanner, LivesWithBytesThatAreNotUtf8) {
  EXPECT_THAT(scan("loss=([0-9.]+)", "\xff\xfe loss=2.5"), ElementsAre(Pair("m", 2.5)));
}

TEST(MetricScanner, GivesUpOnAnExpressionThatBacktracksWithoutEnd) {
  const std::vector<MetricDefinition> definitions{{.name = "slow", .regex = "(a+)+b"},
                                                  {.name = "quick", .regex = "a ([0-9]+)$"}};
  MetricScanner scanner(definitions);
  Found found;
  const std::string line = std::string(4000, 'a') + " 7";

  for (int each = 0; each < 10; ++each) {
    scanner.scan(line, [&](const std::string& name, double v) { found.push_back({name, v}); });
  }

  EXPECT_EQ(found, Found(10, {"quick", 7.0}));
}

TEST(MetricScanner, NamesTheDefinitionThatIsNoExpression) {
  try {
    const std::vector<MetricDefinition> definitions{{.name = "broken", .regex = "(["}};
    MetricScanner scanner(definitions);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    EXPECT_THAT(error.message(), testing::HasSubstr("'broken'"));
  }
}

}  // namespace
}  // namespace slipway::jobs
