#pragma once

// A room on its own database with a clock that stands still, and receivers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "notify/envelope.h"
#include "notify/events.h"
#include "notify/links.h"
#include "notify/notify.h"
#include "notify/receivers_for_test.h"
#include "notify/records.h"
#include "notify/room.h"
#include "store/resources.h"

namespace slipway::notify {

inline constexpr const char* kAccount = "123456789012";
inline const std::string kTopic = "arn:aws:sns:us-east-1:123456789012:news";
inline const std::string kNotices = "arn:aws:sns:us-east-1:123456789012:slipway-notices";

class NotifyTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("notify-" + base::random_hex(16));
    std::filesystem::create_directories(directory_);
    database_ = store::Database::in_memory_for_test();
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    iam_ = std::make_unique<iam::Iam>(
        *database_, clock_, iam::IamOptions{kAccount, "us-east-1", directory_ / "credentials"});
    receiver_ = std::make_unique<WebReceiver>(directory_ / "spool");
    build({});
    service().create_topic(kAccount, {{"Name", "news"}});
  }
  void TearDown() override {
    room_.reset();
    receiver_.reset();
    iam_.reset();
    std::filesystem::remove_all(directory_);
  }

  void build(const SmtpOptions& smtp) {
    NotifyOptions options;
    options.region = "us-east-1";
    options.smtp = smtp;
    options.url = [] { return std::string("http://127.0.0.1:4700"); };
    options.attempts = 3;
    options.waiting = 5;
    LambdaCaller lambda;
    lambda.permits = [this](const std::string&, const std::string&, const std::string& topic) {
      return permitted_ == topic;
    };
    lambda.invoke = [this](const std::string&, const std::string& function,
                           const std::string& event) {
      if (lambda_error_) throw *lambda_error_;
      calls_.emplace_back(function, event);
    };
    options_ = options;
    room_ = std::make_unique<Room>(*database_, clock_, lambda, options);
  }

  Service& service() { return room_->service; }
  void deliver_all() {
    while (room_->deliverer.deliver_one()) {
    }
  }

  std::string subscribe(const std::string& protocol, const std::string& endpoint,
                        const Json& attributes = Json::object(),
                        const std::string& topic = kTopic) {
    Json input = {{"TopicArn", topic},
                  {"Protocol", protocol},
                  {"Endpoint", endpoint},
                  {"ReturnSubscriptionArn", true}};
    if (!attributes.empty()) input["Attributes"] = attributes;
    return base::text_or(service().subscribe(kAccount, input), "SubscriptionArn");
  }
  std::string slack(const std::string& topic = kTopic) {
    return subscribe("http", receiver_->url() + "/slack", {{"SlackFormat", "true"}}, topic);
  }
  std::string attribute(const std::string& arn, const std::string& name) {
    return base::text_or(
        service().subscription_attributes(kAccount, {{"SubscriptionArn", arn}})["Attributes"],
        name);
  }
  Json last_json() {
    const auto requests = receiver_->requests();
    return requests.empty() ? Json() : Json::parse(requests.back().body.text());
  }
  net::Response open(const std::string& url, const std::string& method = "GET",
                     const std::string& accept = "*/*") {
    net::Request request;
    request.method = method;
    request.target = url.substr(url.find('/', 8));
    request.headers.add("Accept", accept);
    EXPECT_TRUE(Notify::takes(request)) << request.target;
    return answer_link(request, service(), room_->signer);
  }
  static std::string body_of(const net::Response& response) {
    return std::get<std::string>(response.body);
  }

  std::filesystem::path directory_;
  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<iam::Iam> iam_;
  std::unique_ptr<WebReceiver> receiver_;
  NotifyOptions options_;
  std::unique_ptr<Room> room_;
  std::string permitted_;
  std::optional<Error> lambda_error_;
  std::vector<std::pair<std::string, std::string>> calls_;
};

}  // namespace slipway::notify
