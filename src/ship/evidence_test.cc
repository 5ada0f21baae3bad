#include "ship/evidence.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::ship {
namespace {

TEST(Evidence, ReadsTheFiguresOfAReport) {
  const Json report = Json::parse(R"({"binary_classification_metrics": {
      "f1": {"value": 0.9, "standard_deviation": "NaN"}, "auc": {"value": 1},
      "confusion_matrix": {"0": {"0": 5, "1": 1}}}, "version": 0})");

  EXPECT_EQ(metrics_of(report), (Metrics{{"auc", 1.0}, {"f1", 0.9}}));
}

TEST(Evidence, RefusesAReportWithoutFigures) {
  EXPECT_THROW(metrics_of(Json::parse(R"({"a": {"f1": 0.9}})")), Error);
  EXPECT_THROW(metrics_of(Json::parse("[]")), Error);
}

TEST(Evidence, SurvivesTheWayThroughMetadata) {
  const Metrics metrics{{"f1", 0.1 + 0.2}, {"mse", 1e-9}};
  Json metadata = to_metadata(metrics);
  metadata["version"] = "1.0.0";

  EXPECT_EQ(from_metadata(metadata), metrics);
}

TEST(Evidence, BetterGoesByTheDirection) {
  const Metrics low{{"x", 0.1}}, high{{"x", 0.2}};
  EXPECT_TRUE(is_better("x", Direction::kMaximize, high, low));
  EXPECT_FALSE(is_better("x", Direction::kMaximize, low, high));
  EXPECT_TRUE(is_better("x", Direction::kMinimize, low, high));
  EXPECT_FALSE(is_better("x", Direction::kMaximize, high, high)) << "equal is not better";
  EXPECT_TRUE(is_better("x", Direction::kMaximize, low, std::nullopt)) << "nothing is live";
  EXPECT_FALSE(is_better("y", Direction::kMaximize, high, low)) << "no such figure";
}

TEST(Evidence, ComparesOnlyWhatTheLiveVersionHas) {
  const auto differences = compare({{"f1", 0.9}, {"new", 1}}, Metrics{{"f1", 0.8}, {"old", 2}});

  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].metric, "f1");
  EXPECT_EQ(differences[0].live, 0.8);
  EXPECT_FALSE(differences[1].live);
}

}  // namespace
}  // namespace slipway::ship
