#include "pipelines/expressions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::pipelines {
namespace {

using testing::HasSubstr;

const Json& described_job() {
  static const Json job = Json::parse(R"({
      "ProcessingJobName": "p-1",
      "ProcessingOutputConfig": {"Outputs": [
          {"OutputName": "train", "S3Output": {"S3Uri": "s3://lab/train"}},
          {"OutputName": "test", "S3Output": {"S3Uri": "s3://lab/test"}}]},
      "FinalMetricDataList": [{"MetricName": "f1", "Value": 0.9}],
      "Environment": {"a.b": "dotted"}})");
  return job;
}

Scope scope(bool reads = true) {
  Scope made;
  made.parameters = {{"Count", 3}, {"Bucket", "lab"}, {"Fast", true}, {"Rate", 0.5}};
  made.execution = {{"PipelineName", "demo"}};
  made.outputs = [](const std::string& step) { return step == "P" ? &described_job() : nullptr; };
  made.property_file = [](const std::string& step, const std::string& file) {
    return "s3://lab/" + step + "/" + file;
  };
  if (reads) {
    made.read = [](const std::string& uri) {
      return Json{{"uri", uri}, {"scores", {{{"f1", 0.8}}, {{"f1", 0.7}}}}, {"odd.key", 1}};
    };
  }
  return made;
}

Json get(const char* path) { return {{"Get", path}}; }

struct Resolved {
  const char* name;
  Json expression;
  Json value;
};

class Expression : public testing::TestWithParam<Resolved> {};

TEST_P(Expression, HasItsValue) {
  EXPECT_EQ(resolve(GetParam().expression, scope()), GetParam().value);
}

INSTANTIATE_TEST_SUITE_P(
    All, Expression,
    testing::Values(
        Resolved{"Plain", {{"a", {1, "b"}}}, {{"a", {1, "b"}}}},
        Resolved{"Parameter", get("Parameters.Count"), 3},
        Resolved{"Variable", get("Execution.PipelineName"), "demo"},
        Resolved{"Property", get("Steps.P.ProcessingJobName"), "p-1"},
        Resolved{"Index", get("Steps.P.ProcessingOutputConfig.Outputs[1].S3Output.S3Uri"),
                 "s3://lab/test"},
        Resolved{"ByMemberName",
                 get("Steps.P.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"),
                 "s3://lab/train"},
        Resolved{"DoubleQuotes", get("Steps.P.FinalMetricDataList[\"f1\"].Value"), 0.9},
        Resolved{"KeyWithDot", get("Steps.P.Environment['a.b']"), "dotted"},
        Resolved{"Nested", {{"x", {{{"y", get("Parameters.Bucket")}}}}}, {{"x", {{{"y", "lab"}}}}}},
        Resolved{"Join",
                 {{"Std:Join",
                   {{"On", "/"}, {"Values", {"s3:/", get("Parameters.Bucket"), 3, true, 0.5}}}}},
                 "s3://lab/3/true/0.5"},
        Resolved{"JoinInJoin",
                 {{"Std:Join",
                   {{"On", "-"},
                    {"Values", {Json{{"Std:Join", {{"On", ""}, {"Values", {"a", "b"}}}}}, "c"}}}}},
                 "ab-c"},
        Resolved{"PropertyFile",
                 {{"Std:JsonGet",
                   {{"PropertyFile", get("Steps.P.PropertyFiles.report")}, {"Path", "uri"}}}},
                 "s3://lab/P/report"},
        Resolved{"FileByUri",
                 {{"Std:JsonGet",
                   {{"S3Uri", {{"Std:Join", {{"On", "/"}, {"Values", {"s3://x", "y.json"}}}}}},
                    {"Path", "scores[1].f1"}}}},
                 0.7},
        Resolved{"FileKeyWithDot",
                 {{"Std:JsonGet", {{"S3Uri", "s3://x/y"}, {"Path", "['odd.key']"}}}},
                 1},
        Resolved{"FilePathFromRoot",
                 {{"Std:JsonGet", {{"S3Uri", "s3://x/y"}, {"Path", "$.scores[0].f1"}}}},
                 0.8}),
    [](const auto& tested) { return tested.param.name; });

struct Unresolved {
  const char* name;
  Json expression;
  const char* message;
};

class BrokenExpression : public testing::TestWithParam<Unresolved> {};

TEST_P(BrokenExpression, SaysWhatIsMissing) {
  try {
    const Json value = resolve(GetParam().expression, scope());
    FAIL() << value;
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenExpression,
    testing::Values(
        Unresolved{"Parameter", get("Parameters.Nope"), "\"Parameters.Nope\" has no value"},
        Unresolved{"Step", get("Steps.Q.A"), "step Q has not succeeded"},
        Unresolved{"Member", get("Steps.P.Nope"), "the properties of step P lack Nope"},
        Unresolved{"Index", get("Steps.P.FinalMetricDataList[1]"), "FinalMetricDataList[1]"},
        Unresolved{"Element", get("Steps.P.FinalMetricDataList['loss']"), "lack"},
        Unresolved{"Path", get("Steps.P.A["), "is not a path"},
        Unresolved{"Negative", get("Steps.P.A[-1]"), "is not a path"},
        Unresolved{"Root", get("Nothing"), "is not a reference"},
        Unresolved{"Operand", {{"Get", 3}}, "operand of Get is no text"},
        Unresolved{"FilePath",
                   {{"Std:JsonGet", {{"S3Uri", "s3://x/y"}, {"Path", "none"}}}},
                   "found nothing at none in s3://x/y"},
        Unresolved{"File", {{"Std:JsonGet", {{"Path", "a"}}}}, "needs a PropertyFile"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Expressions, LeavesFilesForLater) {
  const Json expression{
      {"Std:Join",
       {{"On", "/"},
        {"Values",
         {get("Parameters.Bucket"),
          Json{{"Std:JsonGet",
                {{"PropertyFile", get("Steps.P.PropertyFiles.f")}, {"Path", "uri"}}}}}}}}};

  const Json first = resolve({{"a", expression}, {"b", get("Parameters.Count")}}, scope(false));

  EXPECT_EQ(first["b"], 3);
  EXPECT_TRUE(reads_files(first));
  EXPECT_TRUE(references_in(first).empty());
  EXPECT_EQ(resolve(first, scope())["a"], "lab/s3://lab/P/f");
}

TEST(Expressions, FindsEveryReference) {
  const Json expression{
      {"Std:Join", {{"On", get("Parameters.A")}, {"Values", {"x", get("Steps.S.B['c d'].E")}}}}};

  const auto references = references_in(expression);

  ASSERT_EQ(references.size(), 2u);
  EXPECT_EQ(references[0].root, Reference::Root::kParameter);
  EXPECT_EQ(references[1].name, "S");
  EXPECT_EQ(references[1].path.size(), 3u);
}

struct Compared {
  const char* name;
  Json condition;
  bool outcome;
};

class Condition : public testing::TestWithParam<Compared> {};

TEST_P(Condition, HasItsOutcome) {
  check_condition(GetParam().condition);
  EXPECT_EQ(all_hold(Json::array({GetParam().condition})), GetParam().outcome);
}

Json compare(const char* type, Json left, Json right) {
  return {{"Type", type}, {"LeftValue", std::move(left)}, {"RightValue", std::move(right)}};
}

INSTANTIATE_TEST_SUITE_P(
    All, Condition,
    testing::Values(
        Compared{"EqualTexts", compare("Equals", "a", "a"), true},
        Compared{"UnequalTexts", compare("Equals", "1", "1.0"), false},
        Compared{"EqualNumbers", compare("Equals", 1, 1.0), true},
        Compared{"NumberAsText", compare("Equals", 1, "1.0"), true},
        Compared{"BooleanAsText", compare("Equals", true, "True"), true},
        Compared{"NullIsNotEmpty", compare("Equals", nullptr, ""), false},
        Compared{"Greater", compare("GreaterThan", 0.9, 0.8), true},
        Compared{"NotGreater", compare("GreaterThan", 0.8, 0.8), false},
        Compared{"NumbersNotTexts", compare("GreaterThan", "10", 9), true},
        Compared{"GreaterOrEqual", compare("GreaterThanOrEqualTo", 0.8, "0.8"), true},
        Compared{"Less", compare("LessThan", -1, 0), true},
        Compared{"LessOrEqual", compare("LessThanOrEqualTo", 1, 0), false},
        Compared{"Times", compare("LessThan", "2026-11-22T01:00:00Z", "2026-11-22T02:00:00Z"),
                 true},
        Compared{"In", {{"Type", "In"}, {"QueryValue", "b"}, {"Values", {"a", "b"}}}, true},
        Compared{"NotIn", {{"Type", "In"}, {"QueryValue", "c"}, {"Values", {"a", "b"}}}, false},
        Compared{"Not", {{"Type", "Not"}, {"Condition", compare("Equals", 1, 2)}}, true},
        Compared{
            "Or",
            {{"Type", "Or"}, {"Conditions", {compare("Equals", 1, 2), compare("Equals", 1, 1)}}},
            true},
        Compared{
            "OrOfNone",
            {{"Type", "Or"}, {"Conditions", {compare("Equals", 1, 2), compare("Equals", 1, 3)}}},
            false}),
    [](const auto& tested) { return tested.param.name; });

TEST(Condition, AllMustHold) {
  EXPECT_TRUE(all_hold(Json::array({compare("Equals", 1, 1), compare("Equals", 2, 2)})));
  EXPECT_FALSE(all_hold(Json::array({compare("Equals", 1, 1), compare("Equals", 2, 1)})));
}

TEST(Condition, RefusesValuesWithoutAnOrder) {
  EXPECT_THROW(all_hold(Json::array({compare("LessThan", true, Json::array())})), Error);
}

}  // namespace
}  // namespace slipway::pipelines
