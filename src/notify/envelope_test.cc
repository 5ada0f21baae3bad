#include "notify/envelope.h"

#include <gtest/gtest.h>

#include "notify/records.h"

namespace slipway::notify {
namespace {

class EnvelopeTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = store::Database::in_memory_for_test();
    migrate_records(*database_);
    signer_ = std::make_unique<Signer>(*database_);
    subscription_.arn = "arn:aws:sns:us-east-1:123456789012:t:s";
    subscription_.topic_arn = "arn:aws:sns:us-east-1:123456789012:t";
    subscription_.protocol = "http";
    message_.id = "m-1";
    message_.text = "hello";
    message_.published = 1'700'000'000'000;
    surroundings_ = {"http://127.0.0.1:4700", "1", "http://127.0.0.1:4700/?Action=Unsubscribe"};
  }

  bool verified(const Json& envelope) const {
    return verify_signature(signer_->certificate(), string_to_sign(envelope),
                            base::text_or(envelope, "Signature"),
                            base::text_or(envelope, "SignatureVersion"));
  }

  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Signer> signer_;
  Subscription subscription_;
  Message message_;
  Surroundings surroundings_;
};

TEST_F(EnvelopeTest, NotificationIsSigned) {
  for (const char* version : {"1", "2"}) {
    surroundings_.signature_version = version;
    message_.subject = "s";
    Json envelope = notification(message_, subscription_, *signer_, surroundings_);
    EXPECT_EQ(string_to_sign(envelope),
              "Message\nhello\nMessageId\nm-1\nSubject\ns\nTimestamp\n2023-11-14T22:13:20.000Z\n"
              "TopicArn\narn:aws:sns:us-east-1:123456789012:t\nType\nNotification\n");
    EXPECT_TRUE(verified(envelope));
    EXPECT_EQ(envelope["SigningCertURL"],
              "http://127.0.0.1:4700/notify/" + signer_->certificate_name());
    envelope["Message"] = "other";
    EXPECT_FALSE(verified(envelope));
    envelope["Message"] = "hello";
    envelope["SignatureVersion"] = std::string(version) == "1" ? "2" : "1";
    EXPECT_FALSE(verified(envelope));
  }
}

TEST_F(EnvelopeTest, WithoutSubjectNoneIsSigned) {
  const Json envelope = notification(message_, subscription_, *signer_, surroundings_);
  EXPECT_FALSE(envelope.contains("Subject"));
  EXPECT_FALSE(envelope.contains("MessageAttributes"));
  EXPECT_EQ(string_to_sign(envelope).find("Subject"), std::string::npos);
  EXPECT_TRUE(verified(envelope));
}

TEST_F(EnvelopeTest, ConfirmationIsSigned) {
  const Json envelope =
      confirmation("d-1", subscription_, "token", "http://127.0.0.1:4700/?Action=Confirm",
                   1'700'000'000'000, *signer_, surroundings_);
  EXPECT_EQ(envelope["Type"], "SubscriptionConfirmation");
  EXPECT_NE(string_to_sign(envelope).find(
                "SubscribeURL\nhttp://127.0.0.1:4700/?Action=Confirm\nTimestamp\n"
                "2023-11-14T22:13:20.000Z\nToken\ntoken\nTopicArn\n"),
            std::string::npos);
  EXPECT_TRUE(verified(envelope));
}

TEST_F(EnvelopeTest, AttributesAndStructureArrive) {
  message_.structured = true;
  message_.text = R"({"default":"d","http":"h"})";
  message_.attributes = {{"a", {{"DataType", "Number"}, {"StringValue", "1"}}},
                         {"b", {{"DataType", "Binary"}, {"BinaryValue", "AA=="}}}};
  const Json envelope = notification(message_, subscription_, *signer_, surroundings_);
  EXPECT_EQ(envelope["Message"], "h");
  EXPECT_EQ(envelope["MessageAttributes"], Json::parse(R"({"a":{"Type":"Number","Value":"1"},
                            "b":{"Type":"Binary","Value":"AA=="}})"));
}

TEST_F(EnvelopeTest, LambdaGetsARecord) {
  const Json event = lambda_event(message_, subscription_, *signer_, surroundings_);
  const Json& record = event["Records"][0];
  EXPECT_EQ(record["EventSource"], "aws:sns");
  EXPECT_EQ(record["EventVersion"], "1.0");
  EXPECT_EQ(record["EventSubscriptionArn"], subscription_.arn);
  const Json& sns = record["Sns"];
  EXPECT_EQ(sns["Message"], "hello");
  EXPECT_TRUE(sns["Subject"].is_null());
  EXPECT_EQ(sns["MessageAttributes"], Json::object());
  EXPECT_TRUE(sns.contains("SigningCertUrl"));
  EXPECT_TRUE(sns.contains("UnsubscribeUrl"));
  EXPECT_FALSE(sns.contains("SigningCertURL"));
}

TEST_F(EnvelopeTest, SlackGetsNoLinksFromStrangers) {
  message_.subject = "a <b>";
  message_.text = "<!channel> look: <http://evil|here> & there";
  const Json slack = slack_message(message_);
  EXPECT_EQ(slack["blocks"][0]["type"], "header");
  EXPECT_EQ(slack["blocks"][0]["text"]["type"], "plain_text");
  EXPECT_EQ(slack["blocks"][0]["text"]["text"], "a <b>");
  EXPECT_EQ(slack["blocks"][1]["text"]["text"],
            "&lt;!channel&gt; look: &lt;http://evil|here&gt; &amp; there");
  EXPECT_EQ(slack["text"],
            "a &lt;b&gt;\n&lt;!channel&gt; look: &lt;http://evil|here&gt; &amp; there");
}

TEST_F(EnvelopeTest, SlackTextsAreOfItsLengths) {
  message_.text = std::string(40'000, '&');
  const Json slack = slack_message(message_);
  EXPECT_LE(slack["blocks"].size(), 50u);
  std::size_t all = 0;
  for (const Json& block : slack["blocks"]) {
    EXPECT_LE(block["text"]["text"].get<std::string>().size(), 3000u);
    all += block["text"]["text"].get<std::string>().size() / 5;
  }
  EXPECT_GE(all, 25'000u);
  EXPECT_LE(slack["text"].get<std::string>().size(), 5 * 3000u);
}

TEST_F(EnvelopeTest, KeyAndTokensStay) {
  const Signer again(*database_);
  EXPECT_EQ(again.certificate(), signer_->certificate());
  EXPECT_EQ(again.token_of("x"), signer_->token_of("x"));
  EXPECT_NE(again.token_of("x"), again.token_of("y"));
  EXPECT_EQ(again.token_of("x").size(), 64u);
  EXPECT_TRUE(verify_signature(signer_->certificate(), "t", again.sign("t", "2"), "2"));
  const auto other = store::Database::in_memory_for_test();
  migrate_records(*other);
  EXPECT_NE(Signer(*other).token_of("x"), signer_->token_of("x"));
}

}  // namespace
}  // namespace slipway::notify
