#include "models/search.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::models {
namespace {

const Json& document() {
  static const Json kDocument = {
      {"ModelPackageGroupName", "tumour"},
      {"ModelPackageVersion", 3},
      {"CreationTime", 1'700'000'000.0},
      {"CustomerMetadataProperties", {{"team.name", "health"}}},
      {"InferenceSpecification", {{"SupportedContentTypes", {"text/csv", "application/json"}}}},
      {"Tags", {{{"Key", "stage"}, {"Value", "dev"}}, {{"Key", "owner"}, {"Value", "ana"}}}}};
  return kDocument;
}

struct Case {
  const char* name;
  const char* comparison;
  const char* value;  // null: absent
  bool expected;
};

class Filter : public testing::TestWithParam<Case> {};

TEST_P(Filter, HoldsOrNot) {
  Json filter = {{"Name", GetParam().name}};
  if (*GetParam().comparison != '\0') filter["Operator"] = GetParam().comparison;
  if (GetParam().value) filter["Value"] = GetParam().value;

  EXPECT_EQ(matches(document(), {{"Filters", {filter}}}), GetParam().expected) << filter;
}

INSTANTIATE_TEST_SUITE_P(
    All, Filter,
    testing::Values(
        Case{"ModelPackageGroupName", "", "tumour", true},
        Case{"ModelPackageGroupName", "Equals", "tumou", false},
        Case{"ModelPackageGroupName", "NotEquals", "other", true},
        Case{"ModelPackageGroupName", "NotEquals", "tumour", false},
        Case{"ModelPackageGroupName", "Contains", "umo", true},
        Case{"ModelPackageGroupName", "In", "other, tumour", true},
        Case{"ModelPackageGroupName", "In", "other", false},
        Case{"ModelPackageVersion", "GreaterThan", "2", true},
        Case{"ModelPackageVersion", "GreaterThan", "3", false},
        Case{"ModelPackageVersion", "GreaterThanOrEqualTo", "3", true},
        Case{"ModelPackageVersion", "LessThan", "10", true},
        Case{"ModelPackageVersion", "LessThanOrEqualTo", "2", false},
        Case{"ModelPackageVersion", "Equals", "three", false},
        Case{"CreationTime", "GreaterThan", "2023-11-14T22:13:19Z", true},
        Case{"CreationTime", "GreaterThan", "2023-11-14T22:13:20Z", false},
        Case{"Absent", "Exists", nullptr, false}, Case{"Absent", "NotExists", nullptr, true},
        Case{"Absent", "Equals", "x", false}, Case{"Absent", "NotEquals", "x", true},
        Case{"Tags", "Exists", nullptr, true},
        Case{"CustomerMetadataProperties.team.name", "Equals", "health", true},
        Case{"InferenceSpecification.SupportedContentTypes", "Equals", "application/json", true},
        Case{"InferenceSpecification.SupportedContentTypes", "Equals", "text/xml", false}));

Json is(const char* name, const char* value) { return {{"Name", name}, {"Value", value}}; }

TEST(Search, AnEmptyExpressionMatchesEverything) {
  EXPECT_TRUE(matches(document(), Json::object()));
}

TEST(Search, FiltersAreJoinedByAndUnlessAskedOtherwise) {
  Json expression = {{"Filters", {is("ModelPackageGroupName", "tumour"), is("Absent", "x")}}};

  EXPECT_FALSE(matches(document(), expression));
  expression["Operator"] = "Or";
  EXPECT_TRUE(matches(document(), expression));
}

TEST(Search, NestedFiltersMustHoldForOneElement) {
  const auto tagged = [](const char* key, const char* value) {
    return Json{{"NestedFilters",
                 {{{"NestedPropertyName", "Tags"},
                   {"Filters", {is("Tags.Key", key), is("Tags.Value", value)}}}}}};
  };

  EXPECT_TRUE(matches(document(), tagged("stage", "dev")));
  EXPECT_FALSE(matches(document(), tagged("stage", "ana")));
}

TEST(Search, SubExpressionsNest) {
  const Json inner = {{"Operator", "Or"},
                      {"Filters", {is("Absent", "x"), is("ModelPackageVersion", "3")}}};
  const Json wrong = {{"Filters", {is("ModelPackageVersion", "4")}}};

  EXPECT_TRUE(matches(document(), {{"SubExpressions", {inner}}}));
  EXPECT_FALSE(matches(document(), {{"SubExpressions", {inner, wrong}}}));
}

TEST(Search, RefusesAComparisonWithoutAValueAndEndlessNesting) {
  EXPECT_THROW(matches(document(), {{"Filters", {{{"Name", "ModelPackageVersion"}}}}}), Error);
  Json expression = Json::object();
  for (int i = 0; i < 30; ++i) expression = {{"SubExpressions", Json::array({expression})}};
  EXPECT_THROW(matches(document(), expression), Error);
}

TEST(Search, OrdersByNumberOrTextWithAbsentFirst) {
  const Json nine = {{"V", 9}, {"N", "b"}};
  const Json ten = {{"V", 10}, {"N", "a"}};

  EXPECT_LT(compare_by(nine, ten, "V"), 0);
  EXPECT_GT(compare_by(nine, ten, "N"), 0);
  EXPECT_EQ(compare_by(nine, nine, "V"), 0);
  EXPECT_LT(compare_by(Json::object(), nine, "V"), 0);
  EXPECT_EQ(compare_by(Json::object(), Json::object(), "V"), 0);
}

}  // namespace
}  // namespace slipway::models
