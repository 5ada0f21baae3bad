#include "notify/decide.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "notify/lanes.h"

namespace slipway::notify {
namespace {

using std::chrono::milliseconds;
using testing::Test;

template <class Work>
std::string message_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

TEST(Endpoints, OfEachProtocol) {
  const std::vector<std::pair<const char*, const char*>> good = {
      {"email", "ana@example.com"},
      {"email-json", "a.b+c@localhost"},
      {"http", "http://127.0.0.1:9000/hook"},
      {"https", "https://hooks.slack.com/services/T/B/x"},
      {"lambda", "arn:aws:lambda:us-east-1:123456789012:function:f"}};
  for (const auto& [protocol, endpoint] : good)
    EXPECT_NO_THROW(check_endpoint(protocol, endpoint)) << endpoint;
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"email", "ana"},
      {"email", "@example.com"},
      {"email", "ana@"},
      {"email", "ana@example.com\r\nBcc: x@y"},
      {"email", "<ana@example.com>"},
      {"email", "a@b,c@d"},
      {"email", std::string(250, 'a') + "@example.com"},
      {"http", "https://example.com"},
      {"https", "http://example.com"},
      {"http", "http://"},
      {"http", "http:///path"},
      {"http", "http://a b/"},
      {"lambda", "f"},
      {"sqs", "arn:aws:sqs:us-east-1:123456789012:q"},
      {"sms", "+4912345"}};
  for (const auto& [protocol, endpoint] : bad)
    EXPECT_THROW(check_endpoint(protocol, endpoint), Error) << protocol << " " << endpoint;
}

TEST(TopicNames, AreLettersDigitsDashes) {
  EXPECT_NO_THROW(check_topic_name("slipway-notices_2"));
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a:b"),
                                  std::string("a.fifo"), std::string(257, 'a')})
    EXPECT_THROW(check_topic_name(name), Error) << name;
}

TEST(Attributes, AreThoseOfSns) {
  EXPECT_NO_THROW(check_topic_attribute("SignatureVersion", "2"));
  EXPECT_THROW(check_topic_attribute("SignatureVersion", "3"), Error);
  EXPECT_NO_THROW(check_topic_attribute("Policy", R"({"Version":"2012-10-17"})"));
  EXPECT_THROW(check_topic_attribute("Policy", "x"), Error);
  EXPECT_THROW(check_topic_attribute("FifoTopic", "true"), Error);
  EXPECT_THROW(check_topic_attribute("Colour", "red"), Error);
  EXPECT_NO_THROW(check_subscription_attribute("SlackFormat", "true"));
  EXPECT_THROW(check_subscription_attribute("SlackFormat", "yes"), Error);
  EXPECT_THROW(check_subscription_attribute("FilterPolicyScope", "Body"), Error);
  EXPECT_NE(message_of([] {
              check_subscription_attribute("RedrivePolicy", R"({"deadLetterTargetArn":"arn"})");
            }).find("no queues"),
            std::string::npos);
}

TEST(Messages, AreRefusedBeforeTheyAreStored) {
  Message message;
  message.text = "hello";
  EXPECT_NO_THROW(check_message(message));
  message.subject = std::string(101, 'a');
  EXPECT_EQ(message_of([&] { check_message(message); }), "Invalid parameter: Subject");
  message.subject = "two\nlines";
  EXPECT_EQ(message_of([&] { check_message(message); }), "Invalid parameter: Subject");
  message.subject.clear();
  message.text = std::string((256u << 10) + 1, 'a');
  EXPECT_EQ(message_of([&] { check_message(message); }), "Invalid parameter: Message too long");
  message.text = R"({"email":"x"})";
  message.structured = true;
  EXPECT_EQ(message_of([&] { check_message(message); }),
            "Invalid parameter: Message Structure - No default entry in JSON message body");
  message.text = "{";
  EXPECT_EQ(message_of([&] { check_message(message); }),
            "Invalid parameter: Message Structure - JSON message body failed to parse");
  message = {};
  EXPECT_EQ(message_of([&] { check_message(message); }), "Invalid parameter: Empty message");
}

TEST(Messages, AttributesHaveTypes) {
  const auto check = [](const char* type, const char* value) {
    check_message_attributes({{"a", {{"DataType", type}, {"StringValue", value}}}});
  };
  EXPECT_NO_THROW(check("String", "x"));
  EXPECT_NO_THROW(check("Number.int", "12"));
  EXPECT_NO_THROW(check("String.Array", R"(["x"])"));
  EXPECT_NO_THROW(
      check_message_attributes({{"a", {{"DataType", "Binary"}, {"BinaryValue", "AA=="}}}}));
  EXPECT_THROW(check("Text", "x"), Error);
  EXPECT_THROW(check("String", ""), Error);
  EXPECT_THROW(check("Number", "x"), Error);
  EXPECT_THROW(check("String.Array", "x"), Error);
}

TEST(Messages, HaveATextForEachProtocol) {
  Message message;
  message.text = R"({"default":"d","email":"e"})";
  EXPECT_EQ(text_for(message, "email"), message.text);
  message.structured = true;
  EXPECT_EQ(text_for(message, "email"), "e");
  EXPECT_EQ(text_for(message, "http"), "d");
}

TEST(Slack, IsKnownByItsHostOrByAttribute) {
  const Json none = Json::object();
  EXPECT_TRUE(is_slack("https://hooks.slack.com/services/x", none));
  EXPECT_FALSE(is_slack("https://hooks.slack.com.example.com/x", none));
  EXPECT_FALSE(is_slack("https://example.com/hooks.slack.com", none));
  EXPECT_FALSE(is_slack("https://hooks.slack.com@example.com/", none));
  EXPECT_TRUE(is_slack("http://127.0.0.1:1/x", {{"SlackFormat", "true"}}));
  EXPECT_FALSE(is_slack("https://hooks.slack.com/x", {{"SlackFormat", "false"}}));
}

TEST(Lanes, AreOriginsWithoutSecrets) {
  EXPECT_EQ(origin_of("https://user:secret@Example.com:8443/path?token=x"),
            "https://example.com:8443");
  EXPECT_EQ(origin_of("http://example.com"), "http://example.com");
  EXPECT_EQ(origin_of("http://example.com/a@b"), "http://example.com");
  Subscription subscription;
  subscription.protocol = "email";
  EXPECT_EQ(lane_of(subscription), "mail");
  subscription.protocol = "lambda";
  subscription.endpoint = "arn:aws:lambda:r:1:function:f";
  EXPECT_EQ(lane_of(subscription), subscription.endpoint);
}

TEST(Pauses, DoubleToAnHour) {
  EXPECT_EQ(pause_after(1, milliseconds(1000)), 1000);
  EXPECT_EQ(pause_after(2, milliseconds(1000)), 2000);
  EXPECT_EQ(pause_after(12, milliseconds(1000)), 2'048'000);
  EXPECT_EQ(pause_after(13, milliseconds(1000)), 3'600'000);
  EXPECT_EQ(pause_after(1'000'000, milliseconds(1000)), 3'600'000);
  EXPECT_EQ(pause_after(1, milliseconds(0)), 1);
}

using Result = Outcome::Result;

TEST(Deliveries, GoOnToTheirEnd) {
  struct Case {
    int attempts;  // before
    Outcome outcome;
    DeliveryState state;
    base::Millis due;  // after now
  };
  const std::vector<Case> cases = {
      {0, {Result::kDelivered, "", {}}, DeliveryState::kDelivered, 0},
      {0, {Result::kFailed, "x", {}}, DeliveryState::kWaiting, 1000},
      {1, {Result::kFailed, "x", {}}, DeliveryState::kWaiting, 2000},
      {1, {Result::kFailed, "x", 30'000}, DeliveryState::kWaiting, 30'000},
      {1, {Result::kFailed, "x", 500}, DeliveryState::kWaiting, 2000},
      {1, {Result::kFailed, "x", 1'000'000'000}, DeliveryState::kWaiting, 3'600'000},
      {2, {Result::kFailed, "x", {}}, DeliveryState::kDead, 0},
      {0, {Result::kRefused, "x", {}}, DeliveryState::kDead, 0}};
  for (const Case& one : cases) {
    Delivery delivery;
    delivery.attempts = one.attempts;
    const auto after = after_attempt(delivery, one.outcome, 3, milliseconds(1000), 5'000);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->state, one.state);
    EXPECT_EQ(after->attempts, one.attempts + 1);
    EXPECT_EQ(after->error, one.outcome.error);
    EXPECT_EQ(after->finished.has_value(), one.state != DeliveryState::kWaiting);
    if (one.state == DeliveryState::kWaiting) {
      EXPECT_EQ(after->due, 5'000 + one.due);
    }
  }
  EXPECT_FALSE(after_attempt({}, {Result::kGone, "", {}}, 3, milliseconds(1000), 5'000));
}

TEST(Deliveries, DeadOnesStartAnewUnderTheirId) {
  Delivery dead;
  dead.id = "d";
  dead.state = DeliveryState::kDead;
  dead.attempts = 8;
  dead.finished = 1;
  const Delivery again = revived(dead, 9);
  EXPECT_EQ(again.id, "d");
  EXPECT_EQ(again.state, DeliveryState::kWaiting);
  EXPECT_EQ(again.attempts, 0);
  EXPECT_EQ(again.due, 9);
  EXPECT_FALSE(again.finished);
}

TEST(Statuses, SayWhetherToTryAgain) {
  EXPECT_EQ(outcome_of_status(200, "").result, Result::kDelivered);
  EXPECT_EQ(outcome_of_status(204, "").result, Result::kDelivered);
  EXPECT_EQ(outcome_of_status(301, "").result, Result::kRefused);
  EXPECT_EQ(outcome_of_status(404, "").result, Result::kRefused);
  EXPECT_EQ(outcome_of_status(408, "").result, Result::kFailed);
  EXPECT_EQ(outcome_of_status(503, "").result, Result::kFailed);
  const Outcome busy = outcome_of_status(429, "30");
  EXPECT_EQ(busy.result, Result::kFailed);
  EXPECT_EQ(busy.wait, 30'000);
  EXPECT_FALSE(outcome_of_status(429, "soon").wait);
  EXPECT_EQ(outcome_of_status(429, "9999999999999").wait, 3'600'000);
}

TEST(LaneBook, KeepsADownDestinationFromTheOthers) {
  Lanes lanes(2, milliseconds(1000), {"mail"});
  EXPECT_EQ(lanes.blocked(0), std::vector<std::string>{"mail"});
  lanes.begin("a");
  EXPECT_EQ(lanes.blocked(0).size(), 1u);
  lanes.begin("a");
  EXPECT_EQ(lanes.blocked(0), (std::vector<std::string>{"mail", "a"}));  // two at once
  EXPECT_FALSE(lanes.end("a", false, 0));
  EXPECT_FALSE(lanes.end("a", false, 0));
  EXPECT_EQ(lanes.next(0), 2000);
  EXPECT_EQ(lanes.blocked(1999), (std::vector<std::string>{"mail", "a"}));
  EXPECT_EQ(lanes.blocked(2000), std::vector<std::string>{"mail"});
  lanes.begin("a");  // only one finds out
  EXPECT_EQ(lanes.blocked(2000), (std::vector<std::string>{"mail", "a"}));
  EXPECT_TRUE(lanes.end("a", true, 2100));  // it is back
  EXPECT_EQ(lanes.blocked(2100), std::vector<std::string>{"mail"});
  lanes.begin("a");
  EXPECT_FALSE(lanes.end("a", true, 2200));  // and stays so
}

TEST(LaneBook, LooksAgainWithinAMinute) {
  Lanes lanes(1, milliseconds(1000), {});
  for (int i = 0; i < 30; ++i) {
    lanes.begin("a");
    lanes.end("a", false, 0);
  }
  EXPECT_EQ(lanes.next(0), 60'000);
}

}  // namespace
}  // namespace slipway::notify
