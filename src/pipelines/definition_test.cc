#include "pipelines/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json fail_step(const std::string& name) {
  return {{"Name", name}, {"Type", "Fail"}, {"Arguments", {{"ErrorMessage", "no"}}}};
}

Json condition_step(const std::string& name, Json if_steps = Json::array(),
                    Json else_steps = Json::array()) {
  return {{"Name", name},
          {"Type", "Condition"},
          {"Arguments",
           {{"Conditions", {{{"Type", "Equals"}, {"LeftValue", 1}, {"RightValue", 1}}}},
            {"IfSteps", std::move(if_steps)},
            {"ElseSteps", std::move(else_steps)}}}};
}

Json with(Json step, const char* member, Json value) {
  step[member] = std::move(value);
  return step;
}

std::string definition(Json steps, Json parameters = Json::array()) {
  return Json{{"Version", "2020-12-01"}, {"Parameters", parameters}, {"Steps", steps}}.dump();
}

std::string refusal(const std::string& text) {
  try {
    parse_definition(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ValidationException");
    return error.message();
  }
  return "accepted";
}

TEST(Definition, KnowsWhatEachStepDependsOn) {
  const Json train{
      {"Name", "Train"},
      {"Type", "Training"},
      {"DependsOn", {"First"}},
      {"Arguments",
       {{"RoleArn", "r"},
        {"OutputDataConfig",
         {{"S3OutputPath",
           {{"Std:Join",
             {{"On", "/"},
              {"Values", {"s3:/", Json{{"Get", "Steps.Prepare.ProcessingJobName"}}}}}}}}}}}}};
  const Json prepare{
      {"Name", "Prepare"}, {"Type", "Processing"}, {"Arguments", {{"RoleArn", "r"}}}};

  const Definition parsed =
      parse_definition(definition({train, prepare, condition_step("First", {fail_step("Inner")})}));

  ASSERT_EQ(parsed.steps.size(), 4u);
  EXPECT_THAT(parsed.find("Train")->dependencies, ElementsAre(1, 2));
  EXPECT_EQ(parsed.find("Inner")->condition, 2u);
  EXPECT_TRUE(parsed.find("Inner")->branch);
  EXPECT_EQ(parsed.find("Nobody"), nullptr);
}

TEST(Definition, ReadsTheOptionsOfAStep) {
  Json step{{"Name", "P"},
            {"Type", "Processing"},
            {"DisplayName", "Prepare"},
            {"Arguments", {{"RoleArn", "r"}}},
            {"CacheConfig", {{"Enabled", true}, {"ExpireAfter", "30dT5h"}}},
            {"PropertyFiles",
             {{{"PropertyFileName", "f"}, {"OutputName", "out"}, {"FilePath", "a.json"}}}},
            {"RetryPolicies",
             {{{"ExceptionType", {"SageMaker.JOB_INTERNAL_ERROR"}},
               {"IntervalSeconds", 2},
               {"BackoffRate", 1.5},
               {"ExpireAfterMin", 10}}}}};

  const Definition parsed = parse_definition(definition({step}));
  const Step& read = parsed.steps[0];

  EXPECT_TRUE(read.cached);
  EXPECT_EQ(read.cache_for, (30LL * 24 + 5) * 3'600'000);
  EXPECT_EQ(read.property_files[0].path, "a.json");
  EXPECT_EQ(read.retry_policies[0].interval, 2000);
  EXPECT_EQ(read.retry_policies[0].expire_after, 600'000);
}

struct Refused {
  const char* name;
  std::string text;
  const char* message;
};

class RefusedDefinition : public testing::TestWithParam<Refused> {};

TEST_P(RefusedDefinition, IsToldWhatIsWrong) {
  EXPECT_THAT(refusal(GetParam().text), HasSubstr(GetParam().message));
}

const Json kGetUnknown{
    {"Conditions",
     {{{"Type", "Equals"}, {"LeftValue", {{"Get", "Parameters.Missing"}}}, {"RightValue", 1}}}}};

INSTANTIATE_TEST_SUITE_P(
    All, RefusedDefinition,
    testing::Values(
        Refused{"NotJson", "{", "not a JSON object"},
        Refused{"Version", R"({"Version":"1","Steps":[]})", "give 2020-12-01"},
        Refused{"NoSteps", R"({"Version":"2020-12-01","Steps":[]})", "no steps"},
        Refused{"TooLarge", std::string(kLargestDefinition + 1, ' '), "more than 1048576"},
        Refused{"TooDeep", std::string(100, '['), "nests deeper"},
        Refused{"UnknownType", definition({with(fail_step("a"), "Type", "Transform")}),
                "Step 'a' has the type 'Transform', which this server does not run"},
        Refused{"NoType", definition({{{"Name", "a"}}}), "has the type ''"},
        Refused{"BadName", definition({fail_step("a b")}), "no valid Name"},
        Refused{"Twice", definition({fail_step("a"), condition_step("b", {fail_step("a")})}),
                "Step 'a' is defined twice"},
        Refused{"UnknownDependency", definition({with(fail_step("a"), "DependsOn", {"z"})}),
                "depends on step 'z', which is not defined"},
        Refused{"Cycle",
                definition({with(fail_step("a"), "DependsOn", {"b"}),
                            with(fail_step("b"), "DependsOn", {"a"})}),
                "form a cycle"},
        Refused{"CycleThroughABranch",
                definition({with(condition_step("c", {fail_step("in")}), "DependsOn", {"b"}),
                            with(fail_step("b"), "DependsOn", {"c"})}),
                "form a cycle"},
        Refused{"IntoABranch",
                definition({condition_step("c", {fail_step("in")}),
                            with(fail_step("b"), "DependsOn", {"in"})}),
                "in a branch of the condition step 'c' only"},
        Refused{"AcrossBranches",
                definition({condition_step("c", {fail_step("yes")},
                                           {with(fail_step("no"), "DependsOn", {"yes"})})}),
                "in a branch of the condition step 'c' only"},
        Refused{"UnknownParameter",
                definition({with(condition_step("c"), "Arguments", kGetUnknown)}),
                "there is no parameter 'Missing'"},
        Refused{"UnknownVariable",
                definition({with(fail_step("a"), "Arguments",
                                 {{"ErrorMessage", {{"Get", "Execution.Owner"}}}})}),
                "no variable Execution.Owner"},
        Refused{"BadReference",
                definition({with(fail_step("a"), "Arguments",
                                 {{"ErrorMessage", {{"Get", "Elsewhere.X"}}}})}),
                "is not a reference"},
        Refused{"NoConditions",
                definition({with(condition_step("c"), "Arguments", Json::object())}),
                "has no Conditions"},
        Refused{"UnknownCondition",
                definition({with(condition_step("c"), "Arguments",
                                 {{"Conditions", {{{"Type", "Likes"}}}}})}),
                "\"Likes\" is not a type of condition"},
        Refused{"ConditionWithoutValue",
                definition({with(condition_step("c"), "Arguments",
                                 {{"Conditions", {{{"Type", "In"}, {"QueryValue", 1}}}}})}),
                "In needs Values"},
        Refused{"CacheDuration",
                definition({with(fail_step("a"), "CacheConfig",
                                 {{"Enabled", true}, {"ExpireAfter", "soon"}})}),
                "ExpireAfter 'soon'"},
        Refused{"RetryException",
                definition({with(fail_step("a"), "RetryPolicies", {{{"ExceptionType", {"Any"}}}})}),
                "'Any' is not an ExceptionType"},
        Refused{"RetryBoth",
                definition({with(fail_step("a"), "RetryPolicies",
                                 {{{"ExceptionType", {"Step.THROTTLING"}},
                                   {"MaxAttempts", 2},
                                   {"ExpireAfterMin", 2}}})}),
                "MaxAttempts up to 20 or ExpireAfterMin"},
        Refused{"ParameterType", definition({fail_step("a")}, {{{"Name", "p"}, {"Type", "Date"}}}),
                "Parameter 'p' has the Type 'Date'"},
        Refused{"ParameterDefault",
                definition({fail_step("a")},
                           {{{"Name", "p"}, {"Type", "Integer"}, {"DefaultValue", "x"}}}),
                "DefaultValue that is not of its Type"},
        Refused{"ParameterEnum",
                definition({fail_step("a")}, {{{"Name", "p"},
                                               {"Type", "String"},
                                               {"DefaultValue", "c"},
                                               {"EnumValues", {"a", "b"}}}}),
                "not among its EnumValues"},
        Refused{"ParameterTwice",
                definition({fail_step("a")}, {{{"Name", "p"}, {"Type", "String"}},
                                              {{"Name", "p"}, {"Type", "String"}}}),
                "Parameter 'p' is defined twice"},
        Refused{"PropertyFile",
                definition({{{"Name", "p"}, {"Type", "Processing"}, {"Arguments", {{"a", 1}}}},
                            with(fail_step("a"), "Arguments",
                                 {{"ErrorMessage",
                                   {{"Std:JsonGet",
                                     {{"PropertyFile", {{"Get", "Steps.p.PropertyFiles.f"}}},
                                      {"Path", "x"}}}}}})}),
                "no such property file"},
        Refused{"DependsOnText",
                definition({fail_step("a"), with(fail_step("b"), "DependsOn", "a")}),
                "Step 'b' has the DependsOn \"a\", which is not a list"},
        Refused{"RetryPoliciesObject",
                definition({with(fail_step("a"), "RetryPolicies", {{"MaxAttempts", 2}})}),
                "which is not a list"},
        Refused{
            "IfStepsObject",
            definition({with(condition_step("c"), "Arguments",
                             {{"Conditions",
                               {{{"Type", "In"}, {"QueryValue", 1}, {"Values", Json::array({1})}}}},
                              {"IfSteps", fail_step("a")}})}),
            "Step 'c' has the IfSteps"},
        Refused{"ConditionInText",
                definition({with(condition_step("c"), "Arguments",
                                 {{"Conditions",
                                   {{{"Type", "In"}, {"QueryValue", 1}, {"Values", "1"}}}}})}),
                "Values of a condition In are not a list"},
        Refused{"JoinWithoutValues",
                definition({with(fail_step("a"), "Arguments",
                                 {{"ErrorMessage", {{"Std:Join", {{"On", "/"}}}}}})}),
                "Std:Join needs Values"},
        Refused{"JsonGetOfText",
                definition({with(fail_step("a"), "Arguments",
                                 {{"ErrorMessage",
                                   {{"Std:JsonGet", {{"PropertyFile", "f"}, {"Path", "x"}}}}}})}),
                "A Std:JsonGet needs a PropertyFile"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Definition, ReadsWhatWasStoredAsItWasTaken) {
  const std::string text = definition(
      {fail_step("a"), with(fail_step("b"), "DependsOn", "a"),
       with(condition_step("c"), "Arguments",
            {{"Conditions", {{{"Type", "In"}, {"QueryValue", 1}, {"Values", "1"}}}}}),
       with(fail_step("d"), "Arguments", {{"ErrorMessage", {{"Std:Join", {{"On", "/"}}}}}})});
  EXPECT_THAT(refusal(text), HasSubstr("not a list"));

  const Definition read = parse_definition(text, Reading::kStored);

  EXPECT_EQ(read.steps.size(), 4u);
  EXPECT_TRUE(read.steps[1].dependencies.empty());
}

TEST(Definition, RefusesMoreStepsThanTheLimit) {
  Json steps = Json::array();
  for (std::size_t i = 0; i < kMostSteps; ++i) steps.push_back(fail_step("s" + std::to_string(i)));
  EXPECT_EQ(parse_definition(definition(steps)).steps.size(), kMostSteps);

  steps.push_back(fail_step("last"));

  EXPECT_THAT(refusal(definition(steps)), HasSubstr("more than 500 steps"));
}

TEST(Definition, TakesDurationsInBothSpellings) {
  constexpr base::Millis kHour = 3'600'000;
  EXPECT_EQ(parse_duration("30d"), 720 * kHour);
  EXPECT_EQ(parse_duration("P30d"), 720 * kHour);
  EXPECT_EQ(parse_duration("T16m"), 960'000);
  EXPECT_EQ(parse_duration("PT1H"), kHour);
  EXPECT_EQ(parse_duration("30dT5h"), 725 * kHour);
  EXPECT_EQ(parse_duration("P1DT2H3M4S"), 26 * kHour + 184'000);
  EXPECT_EQ(parse_duration("P2m"), 1440 * kHour);
  EXPECT_EQ(parse_duration(""), std::nullopt);
  EXPECT_EQ(parse_duration("P"), std::nullopt);
  EXPECT_EQ(parse_duration("5h"), std::nullopt);
  EXPECT_EQ(parse_duration("T5"), std::nullopt);
  EXPECT_EQ(parse_duration("T1hT1h"), std::nullopt);
}

TEST(Definition, CoercesToDeclaredTypes) {
  EXPECT_EQ(as_type(ValueType::kInteger, "5"), Json(5));
  EXPECT_EQ(as_type(ValueType::kInteger, 5.0), Json(5));
  EXPECT_EQ(as_type(ValueType::kInteger, "5.5"), std::nullopt);
  EXPECT_EQ(as_type(ValueType::kFloat, "0.25"), Json(0.25));
  EXPECT_EQ(as_type(ValueType::kBoolean, "True"), Json(true));
  EXPECT_EQ(as_type(ValueType::kBoolean, "yes"), std::nullopt);
  EXPECT_EQ(as_type(ValueType::kString, 7), Json("7"));
}

}  // namespace
}  // namespace slipway::pipelines
