#include "notify/fixture_for_test.h"

namespace slipway::notify {
namespace {

using testing::HasSubstr;

TEST_F(NotifyTest, TopicsAreMadeOnce) {
  const Json input = {{"Name", "orders"},
                      {"Attributes", {{"DisplayName", "Orders"}}},
                      {"Tags", Json::array({{{"Key", "team"}, {"Value", "a"}}})}};
  const std::string arn = base::text_or(service().create_topic(kAccount, input), "TopicArn");
  EXPECT_EQ(arn, "arn:aws:sns:us-east-1:123456789012:orders");
  EXPECT_EQ(service().create_topic(kAccount, input)["TopicArn"], arn);
  EXPECT_EQ(service().create_topic(kAccount, {{"Name", "orders"}})["TopicArn"], arn);
  EXPECT_THROW(service().create_topic(
                   kAccount, {{"Name", "orders"}, {"Attributes", {{"DisplayName", "Other"}}}}),
               Error);
  const Json attributes = service().topic_attributes(kAccount, {{"TopicArn", arn}})["Attributes"];
  EXPECT_EQ(attributes["DisplayName"], "Orders");
  EXPECT_EQ(attributes["Owner"], kAccount);
  EXPECT_EQ(attributes["SubscriptionsConfirmed"], "0");
  EXPECT_EQ(Json::parse(attributes["Policy"].get<std::string>())["Statement"][0]["Resource"], arn);
  EXPECT_EQ(service().list_tags(kAccount, {{"ResourceArn", arn}})["Tags"].size(), 1u);
  service().set_topic_attribute(
      kAccount,
      {{"TopicArn", arn}, {"AttributeName", "SignatureVersion"}, {"AttributeValue", "2"}});
  EXPECT_EQ(
      service().topic_attributes(kAccount, {{"TopicArn", arn}})["Attributes"]["SignatureVersion"],
      "2");
  EXPECT_EQ(service().list_topics(kAccount, Json::object())["Topics"].size(), 2u);
  service().delete_topic(kAccount, {{"TopicArn", arn}});
  service().delete_topic(kAccount, {{"TopicArn", arn}});
  try {
    service().topic_attributes(kAccount, {{"TopicArn", arn}});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "NotFound");
    EXPECT_EQ(error.status(), 404);
  }
}

TEST_F(NotifyTest, WebReceiversConfirmFirst) {
  const std::string arn = subscribe("http", receiver_->url() + "/hook");
  EXPECT_EQ(attribute(arn, "PendingConfirmation"), "true");
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "early"}});
  deliver_all();
  ASSERT_EQ(receiver_->requests().size(), 1u);  // the question alone
  const net::Request asked = receiver_->requests()[0];
  EXPECT_EQ(asked.headers.get("x-amz-sns-message-type"), "SubscriptionConfirmation");
  EXPECT_EQ(asked.headers.get("x-amz-sns-topic-arn"), kTopic);
  const Json question = last_json();
  EXPECT_EQ(asked.headers.get("x-amz-sns-message-id"), question["MessageId"].get<std::string>());
  EXPECT_TRUE(verify_signature(room_->signer.certificate(), string_to_sign(question),
                               question["Signature"], "1"));

  const net::Response answer = open(question["SubscribeURL"]);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(body_of(answer), HasSubstr("<SubscriptionArn>" + arn + "</SubscriptionArn>"));
  EXPECT_EQ(attribute(arn, "PendingConfirmation"), "false");
  EXPECT_EQ(open(question["SubscribeURL"]).status, 200);  // once more is no harm

  const Json sent = service().publish(
      kAccount, {{"TargetArn", kTopic}, {"Message", "hello"}, {"Subject", "greeting"}});
  deliver_all();
  const net::Request told = receiver_->requests().back();
  EXPECT_EQ(told.headers.get("x-amz-sns-message-type"), "Notification");
  EXPECT_EQ(told.headers.get("x-amz-sns-subscription-arn"), arn);
  const Json envelope = last_json();
  EXPECT_EQ(envelope["Message"], "hello");
  EXPECT_EQ(envelope["Subject"], "greeting");
  EXPECT_EQ(envelope["MessageId"], sent["MessageId"]);
  EXPECT_EQ(body_of(open(envelope["SigningCertURL"])), room_->signer.certificate());
  EXPECT_EQ(open(envelope["UnsubscribeURL"]).status, 200);
  EXPECT_EQ(open(envelope["UnsubscribeURL"]).status, 404);
  EXPECT_THROW(attribute(arn, "Owner"), Error);
}

TEST_F(NotifyTest, TokensAreOfOneSubscriptionAndForThreeDays) {
  const std::string arn = subscribe("email", "ana@example.com");
  const auto subscription = service().find(arn);
  ASSERT_TRUE(subscription);
  const std::string token = service().confirmation_token(*subscription);
  const auto confirm = [&](const std::string& with) {
    return service().confirm(kAccount, {{"TopicArn", kTopic}, {"Token", with}}, true);
  };
  EXPECT_THROW(confirm("x"), Error);
  EXPECT_THROW(confirm(std::string(token.size(), '0')), Error);
  std::string other = token;
  other.back() = other.back() == '0' ? '1' : '0';
  EXPECT_THROW(confirm(other), Error);
  EXPECT_THROW(
      open(service().unsubscribe_url(*subscription)).status == 200 ? confirm(token) : Json(),
      Error);
  const std::string again = subscribe("email", "ana@example.com");
  clock_.advance(kConfirmationLife + 1);
  const std::string old = service().confirmation_token(*service().find(again));
  EXPECT_THROW(confirm(old), Error);
  EXPECT_EQ(subscribe("email", "ana@example.com"), again);  // asks anew
  EXPECT_EQ(confirm(old)["SubscriptionArn"], again);
}

TEST_F(NotifyTest, UnsubscribeLinksAskPeopleFirst) {
  const std::string arn = slack();
  const std::string url = service().unsubscribe_url(*service().find(arn));
  const net::Response page = open(url, "GET", "text/html,*/*");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(body_of(page), HasSubstr("<form method=\"post\">"));
  EXPECT_EQ(page.headers.get("Referrer-Policy"), "no-referrer");
  EXPECT_TRUE(service().find(arn));
  EXPECT_EQ(open(url + "x", "POST").status, 404);  // another token
  EXPECT_EQ(open(url, "POST", "text/html").status, 200);
  EXPECT_FALSE(service().find(arn));
}

TEST_F(NotifyTest, WhoAskedForASignatureGetsNoLinks) {
  const std::string arn = subscribe("email", "ana@example.com");
  service().confirm(kAccount,
                    {{"TopicArn", kTopic},
                     {"Token", service().confirmation_token(*service().find(arn))},
                     {"AuthenticateOnUnsubscribe", "true"}},
                    true);
  EXPECT_EQ(open(service().unsubscribe_url(*service().find(arn)), "POST").status, 403);
  service().unsubscribe(kAccount, {{"SubscriptionArn", arn}});
  EXPECT_EQ(service().topic_attributes(
                kAccount, {{"TopicArn", kTopic}})["Attributes"]["SubscriptionsDeleted"],
            "1");
}

TEST_F(NotifyTest, OnlyLinksAreTaken) {
  const auto takes = [](const std::string& method, const std::string& target,
                        const std::string& authorization = "") {
    net::RequestHead head;
    head.method = method;
    head.target = target;
    if (!authorization.empty()) head.headers.add("Authorization", authorization);
    return Notify::takes(head);
  };
  EXPECT_TRUE(takes("GET", "/?Action=ConfirmSubscription&Token=x&TopicArn=y"));
  EXPECT_TRUE(takes("POST", "/?Action=Unsubscribe&Token=x"));
  EXPECT_FALSE(takes("GET", "/?Action=ConfirmSubscription&Token=x", "AWS4-HMAC-SHA256 x"));
  EXPECT_FALSE(takes("GET", "/?Action=ConfirmSubscription&Token=x&X-Amz-Signature=y"));
  EXPECT_FALSE(takes("GET", "/?Action=Unsubscribe&SubscriptionArn=x"));
  EXPECT_FALSE(takes("GET", "/?Action=Publish&Token=x"));
  EXPECT_FALSE(takes("GET", "/bucket?Action=Unsubscribe&Token=x"));
  EXPECT_FALSE(takes("GET", "/notify/a-key-in-a-bucket"));
  EXPECT_FALSE(takes("PUT", "/notify/SimpleNotificationService-1.pem"));
}

TEST_F(NotifyTest, SubscriptionsAreMadeOnce) {
  const std::string arn = slack();
  EXPECT_EQ(slack(), arn);
  EXPECT_THROW(subscribe("http", receiver_->url() + "/slack",
                         {{"SlackFormat", "true"}, {"FilterPolicy", R"({"a":["b"]})"}}),
               Error);
  EXPECT_EQ(subscribe("http", receiver_->url() + "/slack"), arn);
  const Json list = service().list_subscriptions(kAccount, {{"TopicArn", kTopic}});
  ASSERT_EQ(list["Subscriptions"].size(), 1u);
  EXPECT_EQ(list["Subscriptions"][0]["SubscriptionArn"], arn);
  EXPECT_FALSE(list.contains("NextToken"));
  // Without being told to, a subscription that waits is not named.
  EXPECT_EQ(service().subscribe(kAccount, {{"TopicArn", kTopic},
                                           {"Protocol", "email"},
                                           {"Endpoint", "ana@example.com"}})["SubscriptionArn"],
            "pending confirmation");
}

TEST_F(NotifyTest, ListsInPages) {
  for (int i = 0; i < 105; ++i)
    subscribe("http", receiver_->url() + "/" + std::to_string(i), {{"SlackFormat", "true"}});
  const Json first = service().list_subscriptions(kAccount, Json::object());
  EXPECT_EQ(first["Subscriptions"].size(), 100u);
  const Json second = service().list_subscriptions(kAccount, {{"NextToken", first["NextToken"]}});
  EXPECT_EQ(second["Subscriptions"].size(), 5u);
  EXPECT_FALSE(second.contains("NextToken"));
}

TEST_F(NotifyTest, FilterPoliciesChoose) {
  const std::string arn = slack();
  const auto set = [&](const std::string& name, const std::string& value) {
    service().set_subscription_attribute(
        kAccount, {{"SubscriptionArn", arn}, {"AttributeName", name}, {"AttributeValue", value}});
  };
  const auto arrives = [&](const std::string& message, const Json& attributes) {
    const std::size_t before = receiver_->requests().size();
    service().publish(
        kAccount, {{"TopicArn", kTopic}, {"Message", message}, {"MessageAttributes", attributes}});
    deliver_all();
    return receiver_->requests().size() > before;
  };
  const Json good = {{"kind", {{"DataType", "String"}, {"StringValue", "good"}}}};
  const Json bad = {{"kind", {{"DataType", "String"}, {"StringValue", "bad"}}}};
  set("FilterPolicy", R"({"kind":["good"]})");
  EXPECT_EQ(attribute(arn, "FilterPolicyScope"), "MessageAttributes");
  EXPECT_TRUE(arrives("x", good));
  EXPECT_FALSE(arrives("x", bad));
  EXPECT_THROW(set("FilterPolicy", R"({"a":{"b":["c"]}})"), Error);
  set("FilterPolicyScope", "MessageBody");
  set("FilterPolicy", R"({"a":{"b":["c"]}})");
  EXPECT_TRUE(arrives(R"({"a":{"b":"c"}})", bad));
  EXPECT_FALSE(arrives(R"({"a":{"b":"d"}})", good));
  set("FilterPolicy", "{}");
  EXPECT_TRUE(arrives("x", bad));
}

}  // namespace
}  // namespace slipway::notify
