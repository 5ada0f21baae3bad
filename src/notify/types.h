#pragma once

// What the room works on, as values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"

namespace slipway::notify {

// By what a message leaves.
enum class Channel { kMail, kWeb, kSlack, kLambda };

struct Subscription {
  std::string id;  // the ARN's last part
  std::string account;
  std::string topic;  // its name
  std::string arn;
  std::string topic_arn;
  std::string protocol;  // "email", "email-json", "http", "https", "lambda"
  std::string endpoint;
  bool confirmed = false;
  bool authenticate_on_unsubscribe = false;  // then links without a signature do not end it
  Json attributes = Json::object();  // as set: FilterPolicy, FilterPolicyScope, SlackFormat, …
  base::Millis created = 0;
  base::Millis asked = 0;  // when its endpoint was last asked to confirm
};

struct Message {
  std::string id;
  std::string account;
  std::string topic_arn;
  std::string subject;  // may be empty
  std::string text;
  bool structured = false;           // MessageStructure=json: text holds one message per protocol
  Json attributes = Json::object();  // {"name": {"DataType", "StringValue" or "BinaryValue"}}
  base::Millis published = 0;
  Json notice;  // null, or {"text", "html", "blocks"} of Slipway's own notices
};

enum class DeliveryKind { kNotification, kConfirmation };
enum class DeliveryState { kWaiting, kDelivered, kDead };

// One message on its way to one subscription.
struct Delivery {
  std::string id;  // constant over all attempts
  std::string account;
  DeliveryKind kind = DeliveryKind::kNotification;
  std::string message;       // id; empty for a confirmation
  std::string subscription;  // ARN
  std::string lane;          // what it shares its fate with: "mail", "https://host", a function
  DeliveryState state = DeliveryState::kWaiting;
  int attempts = 0;
  base::Millis due = 0;
  base::Millis created = 0;
  std::optional<base::Millis> finished;
  std::string error;  // of the last attempt
};

// What came of an attempt.
struct Outcome {
  enum class Result {
    kDelivered,
    kFailed,   // may work later: nobody there, 5xx, 429
    kRefused,  // will never work: 4xx, no such mailbox
    kGone,     // nobody wants it any more: the subscription has ended or is confirmed already
  };
  Result result = Result::kDelivered;
  std::string error;
  // What the receiver asked for (Retry-After).
  std::optional<base::Millis> wait;
};

}  // namespace slipway::notify
