#pragma once

// What the room decides, apart from doing it: who may subscribe how, what a receiver is sent, and
// when a delivery is tried again.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "notify/types.h"

namespace slipway::notify {

inline constexpr const char* kSlackAttribute = "SlackFormat";

// Throws Error{InvalidParameter}: "Invalid parameter: <what>".
[[noreturn]] void refuse(const std::string& what);

// Letters, digits, "-" and "_", at most 256.
void check_topic_name(const std::string& name);
// Throws where the protocol is unknown or its endpoint is not of its form.
void check_endpoint(const std::string& protocol, const std::string& endpoint);
// Throws for a name that topics or subscriptions do not have, or a value that is not of its form.
void check_topic_attribute(const std::string& name, const std::string& value);
void check_subscription_attribute(const std::string& name, const std::string& value);
// MessageAttributes: data types and values. Throws Error{ParameterValueInvalid}.
void check_message_attributes(const Json& attributes);
// Subject, size, structure and attributes of a message.
void check_message(const Message& message);

// A Slack incoming webhook: host hooks.slack.com, or SlackFormat=true.
bool is_slack(const std::string& endpoint, const Json& attributes);
Channel channel_of(const Subscription& subscription);
// Only mail and web endpoints of others are asked whether they want to.
bool needs_confirmation(Channel channel);
std::string lane_of(const Subscription& subscription);
// "https://host:port" without path, query and user: what may stand in a log.
std::string origin_of(const std::string& url);

// The text for a protocol: its own where the message is structured, else the default.
std::string text_for(const Message& message, const std::string& protocol);

// Before the next attempt, after `attempts` failed ones: first, doubled each time, at most an hour.
base::Millis pause_after(int attempts, std::chrono::milliseconds first);
// The delivery after an attempt at `now`. Nothing where it is to be forgotten (kGone).
std::optional<Delivery> after_attempt(Delivery delivery, const Outcome& outcome, int most_attempts,
                                      std::chrono::milliseconds first_pause, base::Millis now);
// A dead letter that is sent again: as new, under its old id.
Delivery revived(Delivery delivery, base::Millis now);

// What an HTTP status says about a delivery.
Outcome outcome_of_status(int status, std::string_view retry_after);

}  // namespace slipway::notify
