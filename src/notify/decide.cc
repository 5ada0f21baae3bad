#include "notify/decide.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "notify/filter_policy.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kMostMessageBytes = 256u << 10;
constexpr std::size_t kMostUrlBytes = 2048;
constexpr std::size_t kMostMailBytes = 254;
constexpr base::Millis kLongestPause = 3'600'000;

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c <= ' ' || c == 127; });
}

// A mailbox that can stand in a header and an envelope as it is.
bool is_mailbox(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != 0 && at != std::string_view::npos && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && text.size() <= kMostMailBytes &&
         is_plain(text) && text.find_first_of("<>()[],;:\\\"") == std::string_view::npos;
}

bool is_url(std::string_view text, std::string_view scheme) {
  const std::string prefix = std::string(scheme) + "://";
  return base::lower(text.substr(0, prefix.size())) == prefix && text.size() > prefix.size() &&
         text[prefix.size()] != '/' && is_plain(text) && text.size() <= kMostUrlBytes;
}

void check_truth(const std::string& name, const std::string& value) {
  if (value != "true" && value != "false")
    refuse("Attributes Reason: " + name + ": Invalid value [" + value +
           "]. Must be true or false.");
}

void check_json(const std::string& name, const std::string& value) {
  if (value.empty()) return;
  const auto json = base::try_parse_json(value);
  if (!json || !json->is_object()) refuse("Attributes Reason: " + name + ": failed to parse JSON.");
}

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* each) { return name == each; });
}

// Only so that what is in force for a topic elsewhere can be applied here: kept and shown.
bool is_kept_only(const std::string& name) {
  return is_one_of(name, {"TracingConfig", "KmsMasterKeyId", "ArchivePolicy"}) ||
         name.ends_with("FeedbackRoleArn") || name.ends_with("FeedbackSampleRate");
}

void check_attribute(const std::string& name, const Json& attribute) {
  const auto refuse_value = [&](const std::string& why) {
    throw Error("ParameterValueInvalid", "The message attribute '" + name + "' " + why);
  };
  const std::string type = base::text_or(attribute, "DataType");
  const std::string kind = type.substr(0, type.find('.'));
  if (kind != "String" && kind != "Number" && kind != "Binary")
    refuse_value(
        "has an invalid message attribute type, the set of supported type prefixes is "
        "Binary, Number, and String.");
  const std::string value =
      base::text_or(attribute, kind == "Binary" ? "BinaryValue" : "StringValue");
  if (value.empty())
    refuse_value("must contain non-empty message attribute value for message attribute type '" +
                 type + "'.");
  if (kind == "Number" && !base::parse_number(value))
    refuse_value("has a value that is not a number.");
  if (type == "String.Array") {
    const auto list = base::try_parse_json(value);
    if (!list || !list->is_array()) refuse_value("has a value that is not a JSON array.");
  }
}

void check_structure(const std::string& text) {
  const auto json = base::try_parse_json(text);
  if (!json || !json->is_object()) refuse("Message Structure - JSON message body failed to parse");
  if (!json->contains("default") || !(*json)["default"].is_string())
    refuse("Message Structure - No default entry in JSON message body");
}

}  // namespace

void refuse(const std::string& what) {
  throw Error("InvalidParameter", "Invalid parameter: " + what);
}

void check_topic_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 256 &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) || c == '-' || c == '_';
                    });
  if (name.ends_with(".fifo")) refuse("Topic Name Reason: FIFO topics are not supported.");
  if (!good) refuse("Topic Name");
}

void check_endpoint(const std::string& protocol, const std::string& endpoint) {
  if (protocol == "email" || protocol == "email-json") {
    if (!is_mailbox(endpoint)) refuse("Email address");
  } else if (protocol == "http" || protocol == "https") {
    if (!is_url(endpoint, protocol))
      refuse("Endpoint must match the specified protocol: " + protocol + "://…");
  } else if (protocol == "lambda") {
    const auto arn = base::parse_arn(endpoint);
    if (!arn || arn->service != "lambda" || !arn->resource.starts_with("function:"))
      refuse("Lambda endpoint ARN");
  } else {
    refuse("Protocol " + protocol +
           " is not supported: use email, email-json, http, https or lambda.");
  }
}

void check_topic_attribute(const std::string& name, const std::string& value) {
  if (name == "FifoTopic" || name == "ContentBasedDeduplication") {
    if (value != "false") refuse("Attributes Reason: FIFO topics are not supported.");
  } else if (name == "SignatureVersion") {
    if (value != "1" && value != "2") refuse("Attributes Reason: SignatureVersion is 1 or 2.");
  } else if (is_one_of(name, {"Policy", "DeliveryPolicy", "DataProtectionPolicy"})) {
    check_json(name, value);
  } else if (name == "DisplayName") {
    if (value.size() > 400 || !base::is_utf8(value) ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      refuse("DisplayName");
  } else if (!is_kept_only(name)) {
    refuse("AttributeName");
  }
}

void check_subscription_attribute(const std::string& name, const std::string& value) {
  if (name == "FilterPolicy") {
    if (!value.empty()) check_filter_policy(value);
  } else if (name == "FilterPolicyScope") {
    if (value != "MessageAttributes" && value != "MessageBody")
      refuse("FilterPolicyScope: Invalid value [" + value +
             "]. Please use either MessageBody or MessageAttributes");
  } else if (is_one_of(name, {"RawMessageDelivery", kSlackAttribute})) {
    check_truth(name, value);
  } else if (name == "DeliveryPolicy") {
    check_json(name, value);
  } else if (name == "RedrivePolicy") {
    if (!value.empty() && value != "{}")
      refuse(
          "RedrivePolicy: there are no queues here; what cannot be delivered is kept as a "
          "dead letter of Slipway.");
  } else if (name != "SubscriptionRoleArn" && name != "ReplayPolicy") {
    refuse("AttributeName");
  }
}

void check_message_attributes(const Json& attributes) {
  for (const auto& [name, attribute] : attributes.items()) check_attribute(name, attribute);
}

void check_message(const Message& message) {
  if (message.text.empty()) refuse("Empty message");
  std::size_t size = message.text.size();
  for (const auto& [name, attribute] : message.attributes.items())
    size += name.size() + base::dump_json(attribute).size();
  if (size > kMostMessageBytes) refuse("Message too long");
  const std::string& subject = message.subject;
  const bool good_subject =
      subject.size() <= 100 && std::none_of(subject.begin(), subject.end(),
                                            [](unsigned char c) { return c < ' ' || c >= 127; });
  if (!good_subject) refuse("Subject");
  check_message_attributes(message.attributes);
  if (message.structured) check_structure(message.text);
}

bool is_slack(const std::string& endpoint, const Json& attributes) {
  if (base::text_or(attributes, kSlackAttribute) == "true") return true;
  return base::lower(origin_of(endpoint)) == "https://hooks.slack.com" &&
         base::text_or(attributes, kSlackAttribute) != "false";
}

Channel channel_of(const Subscription& subscription) {
  if (subscription.protocol.starts_with("email")) return Channel::kMail;
  if (subscription.protocol == "lambda") return Channel::kLambda;
  return is_slack(subscription.endpoint, subscription.attributes) ? Channel::kSlack : Channel::kWeb;
}

bool needs_confirmation(Channel channel) {
  return channel == Channel::kMail || channel == Channel::kWeb;
}

std::string lane_of(const Subscription& subscription) {
  switch (channel_of(subscription)) {
    case Channel::kMail:
      return "mail";
    case Channel::kLambda:
      return subscription.endpoint;
    case Channel::kWeb:
    case Channel::kSlack:
      return origin_of(subscription.endpoint);
  }
  return {};
}

std::string origin_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t start = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  const std::size_t host = at == std::string::npos || at < start ? start : at + 1;
  return base::lower(url.substr(0, start) + url.substr(host, end - host));
}

std::string text_for(const Message& message, const std::string& protocol) {
  if (!message.structured) return message.text;
  const auto texts = base::try_parse_json(message.text);
  if (!texts) return message.text;
  return base::text_or(*texts, protocol, base::text_or(*texts, "default"));
}

base::Millis pause_after(int attempts, std::chrono::milliseconds first) {
  base::Millis pause = std::max<base::Millis>(1, first.count());
  for (int i = 1; i < attempts && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

std::optional<Delivery> after_attempt(Delivery delivery, const Outcome& outcome, int most_attempts,
                                      std::chrono::milliseconds first_pause, base::Millis now) {
  using Result = Outcome::Result;
  if (outcome.result == Result::kGone) return std::nullopt;
  ++delivery.attempts;
  delivery.error = outcome.error;
  if (outcome.result == Result::kDelivered) {
    delivery.state = DeliveryState::kDelivered;
    delivery.finished = now;
  } else if (outcome.result == Result::kRefused || delivery.attempts >= most_attempts) {
    delivery.state = DeliveryState::kDead;
    delivery.finished = now;
  } else {
    const base::Millis asked = std::clamp<base::Millis>(outcome.wait.value_or(0), 0, kLongestPause);
    delivery.due = now + std::max(pause_after(delivery.attempts, first_pause), asked);
  }
  return delivery;
}

Delivery revived(Delivery delivery, base::Millis now) {
  delivery.state = DeliveryState::kWaiting;
  delivery.attempts = 0;
  delivery.due = now;
  delivery.finished.reset();
  return delivery;
}

Outcome outcome_of_status(int status, std::string_view retry_after) {
  if (status >= 200 && status < 300) return {};
  Outcome outcome;
  outcome.error = "the receiver answered " + std::to_string(status);
  const bool later = status >= 500 || status == 429 || status == 408;
  outcome.result = later ? Outcome::Result::kFailed : Outcome::Result::kRefused;
  if (const auto seconds = base::parse_integer(retry_after); later && seconds && *seconds > 0)
    outcome.wait = std::min<std::int64_t>(*seconds, 3600) * 1000;
  return outcome;
}

}  // namespace slipway::notify
