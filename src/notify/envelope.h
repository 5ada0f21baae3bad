#pragma once

// What receivers get: SNS' JSON envelopes with their signatures, Lambda's event, Slack's blocks.

#include <string>

#include "base/json.h"
#include "notify/signer.h"
#include "notify/types.h"

namespace slipway::notify {

// What goes round a message on its way out.
struct Surroundings {
  std::string url;                      // of this server, "http://127.0.0.1:4700"
  std::string signature_version = "1";  // of the topic
  std::string unsubscribe_url;
};

// "Key\nValue\n…" of the members that SNS signs, for an envelope of its Type.
std::string string_to_sign(const Json& envelope);

// Type Notification, as HTTP receivers and email-json get it.
Json notification(const Message& message, const Subscription& subscription, const Signer& signer,
                  const Surroundings& surroundings);
// Type SubscriptionConfirmation.
Json confirmation(const std::string& id, const Subscription& subscription, const std::string& token,
                  const std::string& confirm_url, base::Millis at, const Signer& signer,
                  const Surroundings& surroundings);
// {"Records": [{"EventSource": "aws:sns", …}]}
Json lambda_event(const Message& message, const Subscription& subscription, const Signer& signer,
                  const Surroundings& surroundings);
// {"text", "blocks"}
Json slack_message(const Message& message);

// The text that a receiver of the subscription gets, without an envelope.
std::string text_of(const Message& message, const Subscription& subscription);

}  // namespace slipway::notify
