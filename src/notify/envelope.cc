#include "notify/envelope.h"

#include <array>

#include "base/strings.h"
#include "notify/decide.h"
#include "notify/notice.h"

namespace slipway::notify {
namespace {

Json attributes_of(const Message& message) {
  Json result = Json::object();
  for (const auto& [name, attribute] : message.attributes.items()) {
    const std::string type = base::text_or(attribute, "DataType");
    const char* const member = type.starts_with("Binary") ? "BinaryValue" : "StringValue";
    result[name] = {{"Type", type}, {"Value", base::text_or(attribute, member)}};
  }
  return result;
}

void sign(Json& envelope, const Signer& signer, const Surroundings& surroundings) {
  envelope["SignatureVersion"] = surroundings.signature_version;
  envelope["Signature"] = signer.sign(string_to_sign(envelope), surroundings.signature_version);
  envelope["SigningCertURL"] = surroundings.url + "/notify/" + signer.certificate_name();
}

}  // namespace

std::string string_to_sign(const Json& envelope) {
  constexpr std::array kNotification{"Message",   "MessageId", "Subject",
                                     "Timestamp", "TopicArn",  "Type"};
  constexpr std::array kConfirmation{"Message", "MessageId", "SubscribeURL", "Timestamp",
                                     "Token",   "TopicArn",  "Type"};
  std::string text;
  const auto add = [&](const char* member) {
    const auto found = envelope.find(member);
    if (found != envelope.end() && found->is_string())
      text += std::string(member) + "\n" + found->get<std::string>() + "\n";
  };
  if (base::text_or(envelope, "Type") == "Notification") {
    for (const char* member : kNotification) add(member);
  } else {
    for (const char* member : kConfirmation) add(member);
  }
  return text;
}

std::string text_of(const Message& message, const Subscription& subscription) {
  return text_for(message, subscription.protocol);
}

Json notification(const Message& message, const Subscription& subscription, const Signer& signer,
                  const Surroundings& surroundings) {
  Json envelope = {{"Type", "Notification"},
                   {"MessageId", message.id},
                   {"TopicArn", subscription.topic_arn},
                   {"Message", text_of(message, subscription)},
                   {"Timestamp", base::iso8601_millis(message.published)}};
  if (!message.subject.empty()) envelope["Subject"] = message.subject;
  sign(envelope, signer, surroundings);
  envelope["UnsubscribeURL"] = surroundings.unsubscribe_url;
  if (!message.attributes.empty()) envelope["MessageAttributes"] = attributes_of(message);
  return envelope;
}

Json confirmation(const std::string& id, const Subscription& subscription, const std::string& token,
                  const std::string& confirm_url, base::Millis at, const Signer& signer,
                  const Surroundings& surroundings) {
  Json envelope = {
      {"Type", "SubscriptionConfirmation"},
      {"MessageId", id},
      {"Token", token},
      {"TopicArn", subscription.topic_arn},
      {"Message", "You have chosen to subscribe to the topic " + subscription.topic_arn +
                      ".\nTo confirm the subscription, visit the SubscribeURL "
                      "included in this message."},
      {"SubscribeURL", confirm_url},
      {"Timestamp", base::iso8601_millis(at)}};
  sign(envelope, signer, surroundings);
  return envelope;
}

Json lambda_event(const Message& message, const Subscription& subscription, const Signer& signer,
                  const Surroundings& surroundings) {
  Json sns = notification(message, subscription, signer, surroundings);
  // Lambda's event spells these two in its own way.
  for (const auto& [from, to] : {std::pair{"SigningCertURL", "SigningCertUrl"},
                                 std::pair{"UnsubscribeURL", "UnsubscribeUrl"}}) {
    sns[to] = sns[from];
    sns.erase(from);
  }
  if (!sns.contains("Subject")) sns["Subject"] = nullptr;
  if (!sns.contains("MessageAttributes")) sns["MessageAttributes"] = Json::object();
  Json record = {{"EventSource", "aws:sns"},
                 {"EventVersion", "1.0"},
                 {"EventSubscriptionArn", subscription.arn},
                 {"Sns", std::move(sns)}};
  return {{"Records", Json::array({std::move(record)})}};
}

Json slack_message(const Message& message) {
  if (message.notice.is_object()) {
    return {{"text", base::text_or(message.notice, "summary", message.subject)},
            {"blocks", base::array_or_empty(message.notice, "blocks")}};
  }
  return plain_slack_message(message.subject, text_for(message, "https"));
}

}  // namespace slipway::notify
