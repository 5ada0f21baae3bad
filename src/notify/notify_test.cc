#include "notify/fixture_for_test.h"

namespace slipway::notify {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(NotifyTest, RawAndStructuredMessages) {
  const std::string arn =
      subscribe("http", receiver_->url() + "/raw", {{"RawMessageDelivery", "true"}});
  service().confirm(
      kAccount,
      {{"TopicArn", kTopic}, {"Token", service().confirmation_token(*service().find(arn))}}, true);
  service().publish(kAccount, {{"TopicArn", kTopic},
                               {"Message", R"({"default":"d","http":"for the web"})"},
                               {"MessageStructure", "json"}});
  deliver_all();
  const net::Request request = receiver_->requests().back();
  EXPECT_EQ(request.body.text(), "for the web");
  EXPECT_EQ(request.headers.get("x-amz-sns-rawdelivery"), "true");
}

TEST_F(NotifyTest, SlackIsNotAskedAndGetsBlocks) {
  const std::string arn = slack();
  EXPECT_EQ(attribute(arn, "PendingConfirmation"), "false");
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "a < b"}, {"Subject", "S"}});
  deliver_all();
  EXPECT_EQ(last_json()["text"], "S\na &lt; b");
  EXPECT_EQ(last_json()["blocks"].size(), 2u);
  EXPECT_EQ(receiver_->requests().back().headers.get("content-type"),
            "application/json; charset=utf-8");
}

TEST_F(NotifyTest, FunctionsAreCalledWhereTheirPolicyLets) {
  const std::string function = "arn:aws:lambda:us-east-1:123456789012:function:f";
  subscribe("lambda", function);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}});
  deliver_all();
  EXPECT_TRUE(calls_.empty());
  auto dead = room_->dead_letters(kAccount, 10);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_THAT(dead[0].error, HasSubstr("does not let sns.amazonaws.com"));
  EXPECT_EQ(dead[0].topic_arn, kTopic);
  permitted_ = kTopic;
  room_->redrive(kAccount, dead[0].id);
  deliver_all();
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_EQ(calls_[0].first, function);
  EXPECT_EQ(Json::parse(calls_[0].second)["Records"][0]["Sns"]["Message"], "m");
  EXPECT_TRUE(room_->dead_letters(kAccount, 10).empty());
  EXPECT_THROW(room_->redrive(kAccount, dead[0].id), Error);
  // A function that is busy now is not gone.
  lambda_error_ = Error("TooManyRequestsException", "busy", 429);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}});
  deliver_all();
  lambda_error_.reset();
  clock_.advance(1000);
  deliver_all();
  EXPECT_EQ(calls_.size(), 2u);
  lambda_error_ = Error("ResourceNotFoundException", "gone", 404);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}});
  deliver_all();
  EXPECT_EQ(room_->dead_letters(kAccount, 10).size(), 1u);
}

TEST_F(NotifyTest, ADownReceiverGetsItLater) {
  slack();
  receiver_->answer(503);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}});
  deliver_all();
  EXPECT_EQ(receiver_->requests().size(), 1u);
  receiver_->answer(200);
  deliver_all();
  EXPECT_EQ(receiver_->requests().size(), 1u);  // not before its pause is over
  clock_.advance(1000);
  deliver_all();
  EXPECT_EQ(receiver_->requests().size(), 2u);
  deliver_all();
  EXPECT_EQ(receiver_->requests().size(), 2u);
}

TEST_F(NotifyTest, ARefusedMessageIsKeptAsADeadLetter) {
  slack();
  receiver_->answer(404);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}, {"Subject", "S"}});
  deliver_all();
  const auto dead = room_->dead_letters(kAccount, 10);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].subject, "S");
  EXPECT_EQ(dead[0].destination, receiver_->url());
  EXPECT_EQ(dead[0].error, "the receiver answered 404");
  EXPECT_THROW(room_->redrive("210987654321", dead[0].id), Error);
}

TEST_F(NotifyTest, TooManyWaitingAreRefused) {
  slack();
  const Json input = {{"TopicArn", kTopic}, {"Message", "m"}};
  for (int i = 0; i < 5; ++i) service().publish(kAccount, input);
  try {
    service().publish(kAccount, input);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "Throttled");
    EXPECT_EQ(error.status(), 429);
  }
  // Nothing half written, and other destinations have room.
  deliver_all();
  EXPECT_EQ(receiver_->requests().size(), 5u);
  EXPECT_NO_THROW(service().publish(kAccount, input));
}

TEST_F(NotifyTest, BatchesAreJudgedEntryByEntry) {
  slack();
  const auto entries = [](const Json& list) {
    return Json{{"TopicArn", kTopic}, {"PublishBatchRequestEntries", list}};
  };
  const Json answer = service().publish_batch(
      kAccount, entries({{{"Id", "a"}, {"Message", "m"}},
                         {{"Id", "b"}, {"Message", "m"}, {"Subject", "two\nlines"}}}));
  ASSERT_EQ(answer["Successful"].size(), 1u);
  EXPECT_EQ(answer["Successful"][0]["Id"], "a");
  ASSERT_EQ(answer["Failed"].size(), 1u);
  EXPECT_EQ(answer["Failed"][0]["Code"], "InvalidParameter");
  EXPECT_THROW(service().publish_batch(kAccount, entries(Json::array())), Error);
  EXPECT_THROW(service().publish_batch(kAccount, entries({{{"Id", "a"}, {"Message", "m"}},
                                                          {{"Id", "a"}, {"Message", "m"}}})),
               Error);
}

TEST_F(NotifyTest, PublishingNeedsATopic) {
  EXPECT_THROW(service().publish(kAccount, {{"Message", "m"}}), Error);
  EXPECT_THROW(service().publish(kAccount, {{"PhoneNumber", "+49"}, {"Message", "m"}}), Error);
  try {
    service().publish(kAccount, {{"TopicArn", kTopic + "x"}, {"Message", "m"}});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "NotFound");
  }
}

TEST_F(NotifyTest, MailGoesOutSigned) {
  MailReceiver mailbox;
  SmtpOptions smtp;
  smtp.host = "127.0.0.1";
  smtp.port = mailbox.port();
  smtp.user = "slip";
  smtp.password = "way";
  smtp.require_tls = false;
  build(smtp);
  const std::string arn = subscribe("email", "ana@example.com");
  deliver_all();
  ASSERT_EQ(mailbox.mails().size(), 1u);
  EXPECT_THAT(mailbox.mails()[0], HasSubstr("To: <ana@example.com>"));
  EXPECT_THAT(mailbox.mails()[0], HasSubstr("Subject: Confirm your subscription"));
  service().confirm(
      kAccount,
      {{"TopicArn", kTopic}, {"Token", service().confirmation_token(*service().find(arn))}}, false);
  service().publish(kAccount, {{"TopicArn", kTopic}, {"Message", "m"}, {"Subject", "Greeting"}});
  deliver_all();
  ASSERT_EQ(mailbox.mails().size(), 2u);
  EXPECT_THAT(mailbox.mails()[1], HasSubstr("Subject: Greeting"));
  EXPECT_THAT(mailbox.mails()[1], HasSubstr("List-Unsubscribe: <http://127.0.0.1:4700/?Action="));
  EXPECT_THAT(mailbox.commands(), testing::Contains(testing::StartsWith("AUTH PLAIN")));
  EXPECT_THAT(mailbox.commands(), testing::Contains(testing::StartsWith("MAIL FROM:<slipway@")));
}

TEST_F(NotifyTest, MailWithoutTlsIsNotSent) {
  MailReceiver mailbox;  // offers none
  SmtpOptions smtp;
  smtp.host = "127.0.0.1";
  smtp.port = mailbox.port();
  build(smtp);
  subscribe("email", "ana@example.com");
  for (int i = 0; i < 3; ++i) {
    deliver_all();
    clock_.advance(60'000);
  }
  EXPECT_TRUE(mailbox.mails().empty());
  EXPECT_THAT(mailbox.commands(), testing::Not(testing::Contains(testing::StartsWith("MAIL"))));
  EXPECT_EQ(room_->dead_letters(kAccount, 10).size(), 1u);
}

TEST_F(NotifyTest, AMailboxThatIsRefusedIsNotTriedAgain) {
  MailReceiver mailbox("550 no such user");
  SmtpOptions smtp;
  smtp.host = "127.0.0.1";
  smtp.port = mailbox.port();
  smtp.require_tls = false;
  build(smtp);
  subscribe("email", "ana@example.com");
  deliver_all();
  const auto dead = room_->dead_letters(kAccount, 10);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].attempts, 1);
  EXPECT_THAT(dead[0].error, HasSubstr("550"));
  EXPECT_EQ(dead[0].destination, "mail");
}

TEST_F(NotifyTest, WithoutAMailServerMailsWait) {
  subscribe("email", "ana@example.com");
  deliver_all();
  EXPECT_TRUE(room_->dead_letters(kAccount, 10).empty());
  MailReceiver mailbox;
  SmtpOptions smtp;
  smtp.host = "127.0.0.1";
  smtp.port = mailbox.port();
  smtp.require_tls = false;
  build(smtp);
  deliver_all();
  EXPECT_EQ(mailbox.mails().size(), 1u);
}

store::Event happened(std::int64_t sequence, const std::string& type, const std::string& subject,
                      const Json& detail) {
  return {.sequence = sequence,
          .at = 1'700'000'000'000,
          .account = kAccount,
          .type = type,
          .subject = subject,
          .detail = detail};
}

TEST_F(NotifyTest, EventsBecomeNoticesOnce) {
  database_->write([&](store::Transaction& transaction) {
    service().ensure_topic(transaction, kAccount, "slipway-notices");
  });
  slack(kNotices);
  const auto failed = happened(7, "PipelineExecution.Failed", "arn",
                               {{"PipelineName", "train"}, {"FailureReason", "<why>"}});
  take_event(*database_, service(), failed, clock_);
  take_event(*database_, service(), failed, clock_);
  take_event(*database_, service(), happened(8, "TrainingJob.Failed", "arn", Json::object()),
             clock_);
  deliver_all();
  ASSERT_EQ(receiver_->requests().size(), 1u);
  EXPECT_EQ(last_json()["text"], "Pipeline train failed");
  EXPECT_EQ(last_json()["blocks"][1]["fields"][1]["text"], "*Reason*\n&lt;why&gt;");
}

TEST_F(NotifyTest, AFullDestinationKeepsNoNoticeFromTheOthers) {
  service().create_topic(kAccount, {{"Name", "slipway-notices"}});
  // There is no mail server.
  const std::string mail = subscribe("email", "a@example.com", Json::object(), kNotices);
  service().confirm_by_link(kNotices, service().confirmation_token(*service().find(mail)));
  slack(kNotices);
  for (int i = 1; i <= 7; ++i) {
    take_event(*database_, service(),
               happened(i, "PipelineExecution.Succeeded", "arn", {{"PipelineName", "p"}}), clock_);
    deliver_all();
  }
  EXPECT_EQ(receiver_->requests().size(), 7u);
}

TEST_F(NotifyTest, CiIsToldWithItsFailedJobs) {
  database_->write([&](store::Transaction& transaction) {
    service().ensure_topic(transaction, kAccount, "slipway-notices");
  });
  slack(kNotices);
  const auto finished = [&](std::int64_t sequence, const std::string& id,
                            const std::string& status) {
    take_event(*database_, service(),
               happened(sequence, "Pipeline.Finished", "health/tumour#" + id,
                        {{"ref", "main"}, {"status", status}}),
               clock_);
    deliver_all();
    return receiver_->requests().size();
  };
  take_event(*database_, service(),
             happened(1, "Job.Finished", "health/tumour#31",
                      {{"pipeline_id", 12}, {"name", "test"}, {"status", "failed"}}),
             clock_);
  EXPECT_EQ(finished(2, "12", "failed"), 1u);
  EXPECT_THAT(base::dump_json(last_json()), HasSubstr("*Failed job*\\ntest"));
  EXPECT_EQ(finished(3, "13", "canceled"), 1u);
  EXPECT_EQ(finished(4, "14", "success"), 2u);
  EXPECT_EQ(last_json()["text"], "CI is fixed: health/tumour main");
  EXPECT_EQ(finished(5, "15", "success"), 2u);
}

TEST_F(NotifyTest, NoticesBringWhatOthersKnow) {
  database_->write([&](store::Transaction& transaction) {
    service().ensure_topic(transaction, kAccount, "slipway-notices");
  });
  slack(kNotices);
  const Details details = [](const store::Event& event) -> Json {
    if (event.type == "Job.Finished") return {{"lines", {"no data", "exit 1"}}};
    if (event.type == "Endpoint.InService") return {{"Versions", {"tumour 7"}}, {"Commit", "4f2a"}};
    if (event.type == "PipelineExecution.Failed") throw Error("Gone", "it is gone");
    return {};
  };
  std::int64_t sequence = 0;
  const auto take = [&](const std::string& type, const std::string& subject, const Json& detail) {
    take_event(*database_, service(), happened(++sequence, type, subject, detail), clock_, details);
    deliver_all();
    return base::dump_json(last_json());
  };
  const Json commit{{"sha", "4f2a"}, {"ref", "main"}, {"source", "push"}};
  take("Pipeline.Created", "health/tumour#12", commit);
  take("Job.Finished", "health/tumour#31",
       {{"pipeline", 12}, {"name", "test"}, {"stage", "check"}, {"status", "failed"}});

  EXPECT_THAT(take("Pipeline.Finished", "health/tumour#12",
                   {{"ref", "main"}, {"sha", "4f2a"}, {"status", "failed"}}),
              AllOf(HasSubstr("test, stage check"), HasSubstr("no data\\nexit 1")));
  EXPECT_THAT(
      take("Endpoint.InService", "arn", {{"EndpointName", "tumour"}}),
      AllOf(HasSubstr("*Model version*\\ntumour 7"), HasSubstr("/health/tumour/-/pipelines/12")));
  EXPECT_THAT(
      take("PipelineExecution.Failed", "arn",
           {{"PipelineName", "train"}, {"Parameters", {{"Commit", "4f2a"}}}}),
      AllOf(HasSubstr("Pipeline train failed"), HasSubstr("/health/tumour/-/pipelines/12")));
}

TEST_F(NotifyTest, TheNoticesTopicComesBack) {
  store::EventPump events(*database_);
  const Notify notify(*database_, clock_, events, *iam_, LambdaCaller{}, options_);
  EXPECT_NO_THROW(service().topic_attributes(kAccount, {{"TopicArn", kNotices}}));
  const std::string arn = slack(kNotices);
  service().delete_topic(kAccount, {{"TopicArn", kNotices}});
  EXPECT_NO_THROW(service().topic_attributes(kAccount, {{"TopicArn", kNotices}}));
  EXPECT_FALSE(service().find(arn));
}

TEST_F(NotifyTest, DeadLettersAreForWhoHasAKey) {
  store::EventPump events(*database_);
  Notify notify(*database_, clock_, events, *iam_, LambdaCaller{}, options_);
  net::Request request;
  request.method = "GET";
  request.target = "/notify/dead-letters";
  const auto login = [&](const std::string& secret) {
    const std::string user = iam_->access_keys().front().first;
    request.headers.set("Authorization", "Basic " + base::base64(user + ":" + secret));
  };
  EXPECT_FALSE(Notify::takes(request));
  login("wrong");
  EXPECT_TRUE(Notify::takes(request));
  EXPECT_EQ(notify.handle(request).status, 401);
  login(iam_->find(iam_->access_keys().front().first)->secret);
  const net::Response list = notify.handle(request);
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(std::get<std::string>(list.body), R"({"DeadLetters":[]})");
  request.method = "POST";
  request.target = "/notify/dead-letters/none/redrive";
  EXPECT_EQ(notify.handle(request).status, 404);
}

TEST_F(NotifyTest, TheWholeRunsOnItsThreads) {
  const base::SystemClock clock;
  store::EventPump events(*database_);
  Notify notify(*database_, clock, events, *iam_, LambdaCaller{}, options_);
  slack(kNotices);
  slack();
  notify.start();
  events.start();
  notify.publish(kAccount, kTopic, "S", "m");
  database_->write([&](store::Transaction& transaction) {
    store::append(transaction,
                  happened(0, "PipelineExecution.Succeeded", "arn", {{"PipelineName", "train"}}));
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (receiver_->requests().size() < 2 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  events.stop();
  notify.stop();
  notify.stop();
  EXPECT_EQ(receiver_->requests().size(), 2u);
  EXPECT_TRUE(notify.dead_letters(kAccount).empty());
  EXPECT_THROW(notify.publish(kAccount, kTopic + "x", "S", "m"), Error);
}

}  // namespace
}  // namespace slipway::notify
