#include "models/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::models {
namespace {

Sources sources(std::map<std::string, std::string> images, std::map<std::string, std::string> data,
                std::map<std::string, Json> reports = {}) {
  const auto find = [](const auto& from, const std::string& name) {
    using Value = typename std::decay_t<decltype(from)>::mapped_type;
    const auto found = from.find(name);
    return found == from.end() ? std::optional<Value>() : std::optional<Value>(found->second);
  };
  return {[=](const std::string& image) { return find(images, image); },
          [=](const std::string& url) { return find(data, url); },
          [=](const std::string& url) { return find(reports, url); }};
}

const Json kSpecification = Json::parse(R"({"Containers": [
    {"Image": "here/a:1", "ModelDataUrl": "s3://b/a"},
    {"Image": "elsewhere/b:1",
     "ModelDataSource": {"S3DataSource": {"S3Uri": "s3://b/c/"}}}]})");

TEST(Evidence, HoldsWhatIsKnown) {
  EXPECT_EQ(
      material_of(kSpecification, sources({{"here/a:1", "sha256:1"}}, {{"s3://b/c/", "l:2"}})),
      Json::parse(R"({"Images": [{"Image": "here/a:1", "ImageDigest": "sha256:1"}],
                            "ModelData": [{"Url": "s3://b/c/", "Digest": "l:2"}]})"));
  EXPECT_EQ(material_of(Json::object(), sources({}, {})),
            Json::parse(R"({"Images": [], "ModelData": []})"));
}

TEST(Evidence, FiguresComeFromTheReportOrElseFromMetadata) {
  const Json package = Json::parse(R"({
      "ModelMetrics": {"ModelQuality": {"Statistics": {"S3Uri": "s3://b/r"}}},
      "CustomerMetadataProperties": {"metric.f1": "0.5", "metric.x": "no number", "other": "1"}})");
  EXPECT_EQ(metrics_of(package, sources({}, {})), Json::parse(R"({"f1": 0.5})"));
  for (const char* report : {"[]", "{}", R"({"a": 1})", R"({"g": {"f1": {"value": "x"}}})"})
    EXPECT_EQ(metrics_of(package, sources({}, {}, {{"s3://b/r", Json::parse(report)}})),
              Json::parse(R"({"f1": 0.5})"))
        << report;
  EXPECT_EQ(metrics_of(package, sources({}, {}, {{"s3://b/r", Json::parse(R"({"g": {"auc":
          {"value": 0.9, "standard_deviation": "NaN"}}, "n": 1})")}})),
            Json::parse(R"({"auc": 0.9})"));
}

TEST(Evidence, SaysWhatChanged) {
  const Json before =
      material_of(kSpecification, sources({{"here/a:1", "sha256:1"}}, {{"s3://b/a", "md5:1"}}));
  EXPECT_TRUE(changes_of(before, before).empty());
  EXPECT_TRUE(changes_of(Json::object(), before).empty());
  const Json now = material_of(
      kSpecification, sources({{"here/a:1", "sha256:2"}, {"elsewhere/b:1", "sha256:3"}}, {}));
  EXPECT_THAT(
      changes_of(before, now),
      testing::ElementsAre("the image here/a:1 had the digest sha256:1 and has sha256:2 now",
                           "the model data s3://b/a had the digest md5:1 and is gone"));
}

TEST(Evidence, ComparesOnlyWhatBothHave) {
  const Json live = Json::parse(R"({"ModelPackageArn": "arn", "ModelPackageVersion": 3,
      "Evidence": {"Metrics": {"f1": 0.5, "old": 1}}})");
  const auto compared = [&](const std::string& endpoint) {
    return evidence_of(Json::object(), Json::object(), Json::object(),
                       Live{live, endpoint})["Live"];
  };
  const Json evidence =
      evidence_of(Json::parse(R"({"MetadataProperties": {"CommitId": "c"}})"), Json::object(),
                  Json::parse(R"({"f1": 0.75, "fresh": 2})"), Live{live, ""});
  EXPECT_EQ(evidence, Json::parse(R"({"Commit": "c", "Metrics": {"f1": 0.75, "fresh": 2},
      "Live": {"ModelPackageArn": "arn", "ModelPackageVersion": 3,
               "Metrics": {"f1": 0.5, "old": 1}, "Basis": "NewestApproved"},
      "Difference": {"f1": 0.25}})"));
  EXPECT_EQ(compared("tumour")["Basis"], "Endpoint");
  EXPECT_EQ(compared("tumour")["EndpointName"], "tumour");
  EXPECT_FALSE(compared("").contains("EndpointName"));
  EXPECT_FALSE(
      evidence_of(Json::object(), Json::object(), Json::object(), std::nullopt).contains("Live"));
}

}  // namespace
}  // namespace slipway::models
