#include "wire/json_shapes.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "wire/model.h"
#include "wire/validation.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kModel =
    R"(service {"protocol":"json","jsonVersion":"1.1","targetPrefix":"T"}
operation Make {"http":{"method":"POST","requestUri":"/"},"input":{"shape":"MakeInput"},"errors":[]}
other Break
shape Blob {"type":"blob"}
shape Count {"type":"integer","min":1,"max":10}
shape Counts {"type":"list","member":{"shape":"Count"},"max":3}
shape Kind {"type":"string","enum":["Red","Blue"]}
shape MakeInput {"type":"structure","required":["MakeName"],"members":{"MakeName":{"shape":"Name"},"Count":{"shape":"Count"},"Counts":{"shape":"Counts"},"Kind":{"shape":"Kind"},"Nested":{"shape":"Nested"},"Parts":{"shape":"Parts"},"Labels":{"shape":"Labels"},"At":{"shape":"Time"},"Data":{"shape":"Blob"},"Password":{"shape":"Password"}}}
shape Labels {"type":"map","key":{"shape":"Name"},"value":{"shape":"Name"}}
shape Name {"type":"string","min":1,"max":8,"pattern":"^[a-zA-Z0-9](-*[a-zA-Z0-9])*"}
shape Nested {"type":"structure","required":["Inner"],"members":{"Inner":{"shape":"Name"},"Again":{"shape":"Nested"}}}
shape Parts {"type":"list","member":{"shape":"Nested"}}
shape Password {"type":"string","min":8,"sensitive":true}
shape Time {"type":"timestamp"}
)";

class JsonShapes : public testing::Test {
 protected:
  Json decode(const std::string& text) {
    return structure_from_json(*model_.shape("MakeInput"), parse_json_body(text));
  }
  std::string refusal(const std::string& text) {
    try {
      decode(text);
      return "";
    } catch (const Error& error) {
      return error.code() + ": " + error.message();
    }
  }
  std::string violations(const Json& input) {
    return find_violations(*model_.shape("MakeInput"), input).value_or("");
  }

  const ServiceModel model_{"thing", kModel};
};

TEST_F(JsonShapes, KeepsWhatTheModelKnowsAndDropsTheRest) {
  EXPECT_EQ(decode(R"({"MakeName":"a","Unknown":1,"Count":null,"Nested":{"Inner":"b","x":[]}})"),
            Json::parse(R"({"MakeName":"a","Nested":{"Inner":"b"}})"));
}

TEST_F(JsonShapes, RefusesOtherTypes) {
  EXPECT_EQ(refusal(R"({"MakeName":1})"),
            "SerializationException: NUMBER_VALUE can not be converted to a String");
  EXPECT_EQ(refusal(R"({"Count":"1"})"),
            "SerializationException: STRING_VALUE can not be converted to an Integer");
  EXPECT_EQ(refusal(R"({"Counts":{}})"),
            "SerializationException: Start of structure or map found where not expected.");
  EXPECT_EQ(refusal(R"({"Nested":[]})"),
            "SerializationException: Start of list found where not expected.");
  EXPECT_EQ(refusal(R"({"MakeName":)"), "SerializationException: the body is not valid JSON");
  EXPECT_EQ(refusal(R"({"Data":"%%%"})"), "SerializationException: a Blob is not base64");
}

TEST_F(JsonShapes, RefusesABodyThatNestsWithoutEnd) {
  EXPECT_EQ(refusal(std::string(100'000, '[')), "SerializationException: the body nests too deep");
  EXPECT_EQ(refusal(R"({"MakeName":")" + std::string(1000, '[') + R"("})"), "");
}

TEST_F(JsonShapes, ReadsTimesOfAnyForm) {
  EXPECT_EQ(decode(R"({"At":1.5})")["At"], 1.5);
  EXPECT_EQ(decode(R"({"At":"1970-01-01T00:00:02Z"})")["At"], 2);
}

TEST_F(JsonShapes, ConstraintsAreToldInTheWordsOfAws) {
  EXPECT_EQ(violations({{"MakeName", "a"}}), "");
  EXPECT_EQ(violations(Json::object()),
            "1 validation error detected: Value null at 'makeName' failed to satisfy constraint: "
            "Member must not be null");
  EXPECT_EQ(violations({{"MakeName", "a_b"}}),
            "1 validation error detected: Value 'a_b' at 'makeName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*");
  EXPECT_EQ(violations({{"MakeName", "abcdefghi"}, {"Count", 11}}),
            "2 validation errors detected: Value '11' at 'count' failed to satisfy constraint: "
            "Member must have value less than or equal to 10; Value 'abcdefghi' at 'makeName' "
            "failed to satisfy constraint: Member must have length less than or equal to 8");
  EXPECT_EQ(violations({{"MakeName", "a"}, {"Kind", "Green"}}),
            "1 validation error detected: Value 'Green' at 'kind' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Red, Blue]");
}

TEST_F(JsonShapes, ConstraintsReachWhatIsNested) {
  EXPECT_EQ(violations({{"MakeName", "a"}, {"Parts", {{{"Inner", ""}}}}}),
            "2 validation errors detected: Value '' at 'parts.1.member.inner' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1; Value '' at "
            "'parts.1.member.inner' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*");
  EXPECT_NE(violations({{"MakeName", "a"}, {"Labels", {{"k", "too-long-v"}}}})
                .find("at 'labels' failed to satisfy constraint: Map value must satisfy "
                      "constraint: [Member must have length less than or equal to 8]"),
            std::string::npos);
  EXPECT_NE(violations({{"MakeName", "a"}, {"Counts", {1, 2, 3, 4}}}).find("at 'counts'"),
            std::string::npos);
}

TEST_F(JsonShapes, DoesNotRepeatWhatIsSecret) {
  EXPECT_EQ(violations({{"MakeName", "a"}, {"Password", "hunter2"}}),
            "1 validation error detected: Value at 'password' failed to satisfy constraint: "
            "Member must have length greater than or equal to 8");
}

TEST_F(JsonShapes, CountsCharactersNotBytes) {
  EXPECT_EQ(violations({{"MakeName", "a"}, {"Password", "ÄÖÜäöüßé"}}), "");
}

TEST_F(JsonShapes, APatternThatExplodesEndsSoon) {
  // Without a limit this takes for ever: "(-*[a-z])*" backtracks over each way to split.
  const std::string text = "a" + std::string(5000, '-') + "_";
  EXPECT_FALSE(matches_pattern(*model_.shape("Name"), text));
}

TEST_F(JsonShapes, WritesByTheModel) {
  const Json out = structure_to_json(*model_.shape("MakeInput"), {{"MakeName", "a"},
                                                                  {"Stranger", 1},
                                                                  {"Count", 3.0},
                                                                  {"At", 1700000000.25},
                                                                  {"Kind", nullptr}});
  EXPECT_EQ(base::dump_json(out), R"({"At":1700000000.25,"Count":3,"MakeName":"a"})");
}

TEST_F(JsonShapes, KnowsOperationsByNameOnlyWhereTheyAreNotEmbedded) {
  ASSERT_NE(model_.operation("Make"), nullptr);
  EXPECT_TRUE(model_.operation("Make")->embedded);
  ASSERT_NE(model_.operation("Break"), nullptr);
  EXPECT_FALSE(model_.operation("Break")->embedded);
  EXPECT_EQ(model_.operation("Burn"), nullptr);
}

TEST(EmbeddedModels, AllShapesResolve) {
  for (const std::string name :
       {"sagemaker", "sagemaker-runtime", "s3", "ecr", "logs", "sts", "iam", "sns", "lambda"}) {
    const ServiceModel model(name, embedded_model(name));
    int embedded = 0;
    for (const OperationModel* operation : model.operations()) {
      if (!operation->embedded) continue;
      ++embedded;
      EXPECT_NO_THROW(model.shape(operation->input_shape)) << name << " " << operation->name;
      EXPECT_NO_THROW(model.shape(operation->output_shape)) << name << " " << operation->name;
      for (const std::string& error : operation->errors) EXPECT_NO_THROW(model.shape(error));
    }
    EXPECT_GT(embedded, 0) << name;
  }
}

}  // namespace
}  // namespace slipway::wire
