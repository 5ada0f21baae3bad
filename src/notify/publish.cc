// Publishing: a message and its deliveries in one transaction.

#include <map>
#include <set>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "notify/decide.h"
#include "notify/filter_policy.h"
#include "notify/records.h"
#include "notify/service.h"
#include "store/resources.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kMostEntries = 10;
constexpr std::size_t kMostBatchBytes = 256u << 10;
constexpr int kPage = 1000;

bool wants(const Subscription& subscription, const Message& message) {
  if (!subscription.confirmed) return false;
  const std::string text = base::text_or(subscription.attributes, "FilterPolicy");
  if (text.empty()) return true;
  const auto policy = base::try_parse_json(text);
  if (!policy) return true;
  if (base::text_or(subscription.attributes, "FilterPolicyScope") == "MessageBody")
    return matches_body(*policy, text_for(message, subscription.protocol));
  return matches_attributes(*policy, message.attributes);
}

void check_batch(const Json& entries) {
  if (entries.empty())
    throw Error("EmptyBatchRequest", "The batch request doesn't contain any entries.");
  if (entries.size() > kMostEntries)
    throw Error("TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible: at most 10.");
  std::set<std::string> ids;
  std::size_t bytes = 0;
  for (const Json& entry : entries) {
    const std::string id = base::text_or(entry, "Id");
    if (id.empty() || id.size() > 80)
      throw Error("InvalidBatchEntryId", "The Id of a batch entry has 1 to 80 characters.");
    if (!ids.insert(id).second)
      throw Error("BatchEntryIdsNotDistinct",
                  "Two or more batch entries in the request have the same Id.");
    bytes += base::text_or(entry, "Message").size();
  }
  if (bytes > kMostBatchBytes)
    throw Error("BatchRequestTooLong", "The length of all the batch messages is over 256 KiB.");
}

}  // namespace

Message Service::message_in(const std::string& account, const Json& input) const {
  Message message;
  message.id = base::uuid();
  message.account = account;
  message.subject = base::text_or(input, "Subject");
  message.text = base::text_or(input, "Message");
  const std::string structure = base::text_or(input, "MessageStructure");
  if (!structure.empty() && structure != "json") refuse("MessageStructure");
  message.structured = structure == "json";
  message.attributes = base::object_or_empty(input, "MessageAttributes");
  message.published = clock_.now();
  check_message(message);
  return message;
}

void Service::publish(store::Transaction& transaction, const std::string& topic,
                      const Message& message, WhenFull when_full) {
  const std::vector<Subscription> subscriptions =
      subscriptions_after(transaction, message.account, topic, "", kPage);
  const auto limit = static_cast<std::int64_t>(options_.waiting);
  std::map<std::string, bool> full;  // by destination
  bool stored = false;
  for (const Subscription& subscription : subscriptions) {
    if (!wants(subscription, message)) continue;
    Delivery delivery;
    delivery.id = base::uuid();
    delivery.account = message.account;
    delivery.message = message.id;
    delivery.subscription = subscription.arn;
    delivery.lane = lane_of(subscription);
    delivery.created = delivery.due = message.published;
    if (!full.contains(delivery.lane))
      full[delivery.lane] = count_waiting(transaction, delivery.lane, limit) >= limit;
    if (full[delivery.lane] && when_full == WhenFull::kLeaveOut) {
      base::log(Level::kWarning, "a notice was left out: too many wait for its destination",
                {{"destination", delivery.lane}, {"subject", message.subject}});
      continue;
    }
    if (full[delivery.lane]) {
      throw Error("Throttled",
                  std::to_string(limit) + " messages wait for " + delivery.lane +
                      " already. Publish again when it takes them.",
                  429);
    }
    if (!std::exchange(stored, true)) insert(transaction, message);
    save(transaction, delivery);
  }
  if (stored) transaction.after_commit(wake_);
}

std::string Service::publish(Message message) {
  const TopicName topic = topic_in(message.account, message.topic_arn);
  database_.write([&](store::Transaction& transaction) {
    if (!store::find(transaction, message.account, "sns-topic", topic.topic))
      throw Error("NotFound", "Topic does not exist", 404);
    publish(transaction, topic.topic, message);
  });
  return message.id;
}

Json Service::publish(const std::string& account, const Json& input) {
  if (input.contains("PhoneNumber")) refuse("PhoneNumber Reason: SMS is not supported.");
  const std::string topic = base::text_or(input, "TopicArn");
  const std::string target = base::text_or(input, "TargetArn");
  if (topic.empty() == target.empty()) refuse("TopicArn or TargetArn Reason: give one of them");
  Message message = message_in(account, input);
  message.topic_arn = topic.empty() ? target : topic;
  return {{"MessageId", publish(std::move(message))}};
}

Json Service::publish_batch(const std::string& account, const Json& input) {
  const Json& entries = base::array_or_empty(input, "PublishBatchRequestEntries");
  check_batch(entries);
  Json successful = Json::array();
  Json failed = Json::array();
  for (const Json& entry : entries) {
    try {
      Message message = message_in(account, entry);
      message.topic_arn = base::text_or(input, "TopicArn");
      successful.push_back({{"Id", entry["Id"]}, {"MessageId", publish(std::move(message))}});
    } catch (const Error& error) {
      // What is wrong with the topic is wrong with the request.
      if (error.code() == "NotFound" || error.status() >= 500) throw;
      failed.push_back({{"Id", entry["Id"]},
                        {"Code", error.code()},
                        {"Message", error.message()},
                        {"SenderFault", true}});
    }
  }
  return {{"Successful", std::move(successful)}, {"Failed", std::move(failed)}};
}

}  // namespace slipway::notify
