#include "notify/filter_policy.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::notify {
namespace {

Json attribute(const std::string& type, const std::string& value) {
  return {{"DataType", type}, {"StringValue", value}};
}

// What a message brings in the table below.
const Json kAttributes = {
    {"store", attribute("String", "example_corp")},
    {"event", attribute("String", "order_cancelled")},
    {"price", attribute("Number", "210.75")},
    {"interests", attribute("String.Array", R"(["rugby","football",3,null])")},
    {"picture", {{"DataType", "Binary"}, {"BinaryValue", "AAA="}}}};

struct AttributeCase {
  const char* policy;
  bool matches;
};

class AttributePolicy : public testing::TestWithParam<AttributeCase> {};

TEST_P(AttributePolicy, MatchesOrNot) {
  const Json policy = Json::parse(GetParam().policy);
  EXPECT_NO_THROW(check_filter_policy(GetParam().policy));
  EXPECT_EQ(matches_attributes(policy, kAttributes), GetParam().matches) << GetParam().policy;
}

INSTANTIATE_TEST_SUITE_P(
    Table, AttributePolicy,
    testing::Values(
        AttributeCase{R"({})", true},
        // Exact, any of the list, all of the keys.
        AttributeCase{R"({"store":["example_corp"]})", true},
        AttributeCase{R"({"store":["other","example_corp"]})", true},
        AttributeCase{R"({"store":["Example_Corp"]})", false},
        AttributeCase{R"({"store":["example_corp"],"event":["order_placed"]})", false},
        AttributeCase{R"({"store":["example_corp"],"event":["order_cancelled"]})", true},
        AttributeCase{R"({"missing":["x"]})", false},
        // Numbers compare as numbers, not as texts.
        AttributeCase{R"({"price":[210.75]})", true},
        AttributeCase{R"({"price":["210.75"]})", false},
        AttributeCase{R"({"price":[{"numeric":["=",2.1075e2]}]})", true},
        AttributeCase{R"({"price":[{"numeric":[">",210.75]}]})", false},
        AttributeCase{R"({"price":[{"numeric":[">=",210.75]}]})", true},
        AttributeCase{R"({"price":[{"numeric":[">",0,"<",100]}]})", false},
        AttributeCase{R"({"price":[{"numeric":[">",0,"<=",300]}]})", true},
        AttributeCase{R"({"store":[{"numeric":[">",0]}]})", false},
        // Parts of texts.
        AttributeCase{R"({"event":[{"prefix":"order_"}]})", true},
        AttributeCase{R"({"event":[{"prefix":"cancelled"}]})", false},
        AttributeCase{R"({"event":[{"suffix":"cancelled"}]})", true},
        AttributeCase{R"({"event":[{"equals-ignore-case":"ORDER_Cancelled"}]})", true},
        // Anything but.
        AttributeCase{R"({"event":[{"anything-but":"order_cancelled"}]})", false},
        AttributeCase{R"({"event":[{"anything-but":["a","b"]}]})", true},
        AttributeCase{R"({"event":[{"anything-but":["a","order_cancelled"]}]})", false},
        AttributeCase{R"({"event":[{"anything-but":{"prefix":"order_"}}]})", false},
        AttributeCase{R"({"event":[{"anything-but":{"prefix":"refund_"}}]})", true},
        AttributeCase{R"({"price":[{"anything-but":[100,200]}]})", true},
        AttributeCase{R"({"price":[{"anything-but":[210.75]}]})", false},
        AttributeCase{R"({"missing":[{"anything-but":["a"]}]})", false},
        // Being there.
        AttributeCase{R"({"store":[{"exists":true}]})", true},
        AttributeCase{R"({"store":[{"exists":false}]})", false},
        AttributeCase{R"({"missing":[{"exists":false}]})", true},
        AttributeCase{R"({"missing":[{"exists":true}]})", false},
        AttributeCase{R"({"missing":["x",{"exists":false}]})", true},
        AttributeCase{R"({"picture":[{"exists":true}]})", true},
        AttributeCase{R"({"picture":["AAA="]})", false},
        // Lists match by any element.
        AttributeCase{R"({"interests":["football"]})", true},
        AttributeCase{R"({"interests":["tennis"]})", false},
        AttributeCase{R"({"interests":[3]})", true}, AttributeCase{R"({"interests":[null]})", true},
        AttributeCase{R"({"interests":[{"anything-but":["rugby"]}]})", true},
        // Or.
        AttributeCase{R"({"$or":[{"store":["a"]},{"event":["order_cancelled"]}]})", true},
        AttributeCase{R"({"$or":[{"store":["a"]},{"event":["b"]}]})", false}));

struct BodyCase {
  const char* policy;
  const char* body;
  bool matches;
};

class BodyPolicy : public testing::TestWithParam<BodyCase> {};

TEST_P(BodyPolicy, MatchesOrNot) {
  EXPECT_NO_THROW(check_filter_policy(GetParam().policy));
  EXPECT_EQ(matches_body(Json::parse(GetParam().policy), GetParam().body), GetParam().matches)
      << GetParam().policy << " " << GetParam().body;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BodyPolicy,
    testing::Values(BodyCase{R"({"a":{"b":["x"]}})", R"({"a":{"b":"x"}})", true},
                    BodyCase{R"({"a":{"b":["x"]}})", R"({"a":{"b":"y"}})", false},
                    BodyCase{R"({"a":{"b":["x"]}})", R"({"a":"b"})", false},
                    BodyCase{R"({"a":["x"]})", R"({"a":["w","x"]})", true},
                    BodyCase{R"({"a":{"b":[2]}})", R"({"a":[{"b":1},{"b":2}]})", true},
                    BodyCase{R"({"ok":[true]})", R"({"ok":true})", true},
                    BodyCase{R"({"ok":[true]})", R"({"ok":"true"})", false},
                    BodyCase{R"({"ok":[null]})", R"({"ok":null})", true},
                    BodyCase{R"({"a":{"b":[{"exists":false}]}})", R"({"a":{"c":1}})", true},
                    BodyCase{R"({"a":{"b":[{"exists":true}]}})", R"({"a":{"b":0}})", true},
                    BodyCase{R"({"n":[{"numeric":["<",5]}]})", R"({"n":4.5})", true},
                    BodyCase{R"({"n":[{"numeric":["<",5]}]})", R"({"n":"4.5"})", false},
                    BodyCase{R"({})", "no json", false},
                    BodyCase{R"({"a":["x"]})", R"(["a"])", false}));

TEST(FilterPolicy, RefusesWhatIsNone) {
  for (const char* policy :
       {"", "[]", "{", R"({"a":"x"})", R"({"a":[]})", R"({"a":{}})", R"({"a":[["x"]]})",
        R"({"a":[{"like":"x"}]})", R"({"a":[{"prefix":1}]})",
        R"({"a":[{"prefix":"x","suffix":"y"}]})", R"({"a":[{"numeric":[">"]}]})",
        R"({"a":[{"numeric":["~",1]}]})", R"({"a":[{"numeric":["<","1"]}]})",
        R"({"a":[{"exists":"true"}]})", R"({"a":[{"anything-but":[]}]})",
        R"({"a":[{"anything-but":{"numeric":1}}]})", R"({"$or":[]})", R"({"$or":["x"]})"}) {
    try {
      check_filter_policy(policy);
      ADD_FAILURE() << policy;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "InvalidParameter");
      EXPECT_TRUE(error.message().starts_with("Invalid parameter: FilterPolicy: "))
          << error.message();
    }
  }
}

TEST(FilterPolicy, DeepMessagesAreNotFollowedForEver) {
  const std::string body =
      R"({"a":)" + std::string(200'000, '[') + "1" + std::string(200'000, ']') + "}";
  EXPECT_FALSE(matches_body(Json::parse(R"({"a":[1]})"), body));
}

TEST(FilterPolicy, KnowsWhatOnlyBodiesHave) {
  EXPECT_TRUE(is_nested(Json::parse(R"({"a":{"b":["x"]}})")));
  EXPECT_TRUE(is_nested(Json::parse(R"({"$or":[{"a":{"b":["x"]}}]})")));
  EXPECT_FALSE(is_nested(Json::parse(R"({"a":[{"prefix":"x"}]})")));
}

}  // namespace
}  // namespace slipway::notify
