// Subscriptions: who gets what, and whether they agreed.

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "notify/decide.h"
#include "notify/filter_policy.h"
#include "notify/records.h"
#include "notify/service.h"
#include "store/resources.h"

namespace slipway::notify {
namespace {

constexpr int kPage = 100;
constexpr std::int64_t kMostSubscriptions = 1000;  // of a topic
constexpr std::size_t kTokenIdDigits = 32;

[[noreturn]] void refuse_unknown_subscription() {
  throw Error("NotFound", "Subscription does not exist", 404);
}

// Attributes as they are kept: what switches something off is not kept.
void set_attribute(Json& attributes, const std::string& name, const std::string& value) {
  check_subscription_attribute(name, value);
  const bool none =
      value.empty() ||
      ((name == "FilterPolicy" || name == "RedrivePolicy" || name == "DeliveryPolicy") &&
       value == "{}");
  if (none) {
    attributes.erase(name);
    if (name == "FilterPolicy") attributes.erase("FilterPolicyScope");
  } else {
    attributes[name] = value;
  }
}

void check_scope(const Json& attributes) {
  const std::string policy = base::text_or(attributes, "FilterPolicy");
  if (policy.empty() || base::text_or(attributes, "FilterPolicyScope") == "MessageBody") return;
  if (is_nested(base::parse_json(policy, "FilterPolicy")))
    refuse(
        "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter "
        "policy");
}

Json attributes_in(const Json& input) {
  Json attributes = Json::object();
  for (const auto& [name, value] : base::object_or_empty(input, "Attributes").items())
    if (name != "FilterPolicyScope") set_attribute(attributes, name, value.get<std::string>());
  const Json& given = base::object_or_empty(input, "Attributes");
  if (given.contains("FilterPolicyScope"))
    set_attribute(attributes, "FilterPolicyScope", base::text_or(given, "FilterPolicyScope"));
  check_scope(attributes);
  return attributes;
}

std::string without_dashes(const std::string& id) { return base::replace_all(id, "-", ""); }

std::string with_dashes(const std::string& digits) {
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

Json described(const Subscription& subscription) {
  return {{"SubscriptionArn",
           subscription.confirmed ? subscription.arn : std::string("PendingConfirmation")},
          {"Owner", subscription.account},
          {"Protocol", subscription.protocol},
          {"Endpoint", subscription.endpoint},
          {"TopicArn", subscription.topic_arn}};
}

}  // namespace

Subscription Service::subscription_in(store::Reader& reader, const std::string& account,
                                      const std::string& arn) const {
  if (!base::parse_arn(arn))
    refuse("SubscriptionArn Reason: An ARN must have at least 6 elements, not " +
           std::to_string(base::split(arn, ':').size()));
  const auto name = parse_topic_arn(arn, options_.region);
  if (!name || name->account != account || name->subscription.empty())
    refuse_unknown_subscription();
  const auto subscription = find_subscription(reader, account, name->subscription);
  if (!subscription || subscription->arn != arn) refuse_unknown_subscription();
  return *subscription;
}

std::optional<Subscription> Service::find(const std::string& subscription_arn) const {
  const auto name = parse_topic_arn(subscription_arn, options_.region);
  if (!name || name->subscription.empty()) return std::nullopt;
  return database_.read([&](store::Reader& reader) {
    return find_subscription(reader, name->account, name->subscription);
  });
}

void Service::ask_to_confirm(store::Transaction& transaction, const Subscription& subscription) {
  Delivery delivery;
  delivery.id = base::uuid();
  delivery.account = subscription.account;
  delivery.kind = DeliveryKind::kConfirmation;
  delivery.subscription = subscription.arn;
  delivery.lane = lane_of(subscription);
  delivery.created = delivery.due = clock_.now();
  save(transaction, delivery);
  transaction.after_commit(wake_);
}

Json Service::subscribe(const std::string& account, const Json& input) {
  const std::string arn = base::text_or(input, "TopicArn");
  const TopicName topic = topic_in(account, arn);
  Subscription wanted;
  wanted.id = base::uuid();
  wanted.account = account;
  wanted.topic = topic.topic;
  wanted.arn = arn + ":" + wanted.id;
  wanted.topic_arn = arn;
  wanted.protocol = base::text_or(input, "Protocol");
  wanted.endpoint = base::text_or(input, "Endpoint");
  check_endpoint(wanted.protocol, wanted.endpoint);
  wanted.attributes = attributes_in(input);
  wanted.created = wanted.asked = clock_.now();
  wanted.confirmed = !needs_confirmation(channel_of(wanted));
  const Subscription made = database_.write([&](store::Transaction& transaction) {
    if (!store::find(transaction, account, "sns-topic", topic.topic))
      throw Error("NotFound", "Topic does not exist", 404);
    auto before =
        find_subscription(transaction, account, topic.topic, wanted.protocol, wanted.endpoint);
    if (before && !wanted.attributes.empty() && before->attributes != wanted.attributes)
      refuse("Attributes Reason: Subscription already exists with different attributes");
    if (before && before->confirmed) return *before;
    if (before) {
      before->asked = wanted.asked;
    } else {
      const SubscriptionCounts counts = count_subscriptions(transaction, account, topic.topic);
      if (counts.confirmed + counts.pending >= kMostSubscriptions)
        throw Error("SubscriptionLimitExceeded", "A topic has at most 1000 subscriptions.", 403);
      before = wanted;
    }
    save(transaction, *before);
    if (!before->confirmed) ask_to_confirm(transaction, *before);
    return *before;
  });
  const bool tell = made.confirmed || base::boolean_or(input, "ReturnSubscriptionArn", false);
  return {{"SubscriptionArn", tell ? made.arn : std::string("pending confirmation")}};
}

Json Service::confirm(const std::string& account, const Json& input, bool authenticated) {
  const std::string arn = base::text_or(input, "TopicArn");
  const std::string token = base::text_or(input, "Token");
  const TopicName topic = topic_in(account, arn);
  const bool of_form = token.size() > kTokenIdDigits &&
                       token.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!of_form) refuse("Token");
  const std::string id = with_dashes(token.substr(0, kTokenIdDigits));
  return database_.write([&](store::Transaction& transaction) -> Json {
    auto subscription = find_subscription(transaction, account, id);
    if (!subscription || subscription->topic_arn != arn ||
        !base::equals_in_constant_time(confirmation_token(*subscription), token))
      refuse("Token");
    if (!subscription->confirmed && clock_.now() - subscription->asked > kConfirmationLife)
      refuse("Token Reason: the token has expired; subscribe again.");
    if (!subscription->confirmed) {
      subscription->confirmed = true;
      subscription->authenticate_on_unsubscribe =
          authenticated && base::text_or(input, "AuthenticateOnUnsubscribe") == "true";
      save(transaction, *subscription);
    }
    return {{"SubscriptionArn", subscription->arn}};
  });
}

void Service::unsubscribe(const std::string& account, const Json& input) {
  const std::string arn = base::text_or(input, "SubscriptionArn");
  database_.write([&](store::Transaction& transaction) {
    const Subscription subscription = subscription_in(transaction, account, arn);
    remove_subscription(transaction, account, subscription.id);
    if (auto topic = store::find(transaction, account, "sns-topic", subscription.topic)) {
      topic->document["Deleted"] = base::integer_or(topic->document, "Deleted", 0) + 1;
      store::update(transaction, *topic);
    }
  });
}

Json Service::subscription_attributes(const std::string& account, const Json& input) const {
  const Subscription subscription = database_.read([&](store::Reader& reader) {
    return subscription_in(reader, account, base::text_or(input, "SubscriptionArn"));
  });
  Json attributes = {
      {"SubscriptionArn", subscription.arn},
      {"TopicArn", subscription.topic_arn},
      {"Owner", subscription.account},
      {"Protocol", subscription.protocol},
      {"Endpoint", subscription.endpoint},
      {"PendingConfirmation", subscription.confirmed ? "false" : "true"},
      {"ConfirmationWasAuthenticated",
       subscription.authenticate_on_unsubscribe || !needs_confirmation(channel_of(subscription))
           ? "true"
           : "false"},
      {"RawMessageDelivery", "false"},
      {"SubscriptionPrincipal", "arn:aws:iam::" + subscription.account + ":root"}};
  attributes.update(subscription.attributes);
  if (attributes.contains("FilterPolicy") && !attributes.contains("FilterPolicyScope"))
    attributes["FilterPolicyScope"] = "MessageAttributes";
  return {{"Attributes", attributes}};
}

void Service::set_subscription_attribute(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "AttributeName");
  const std::string value = base::text_or(input, "AttributeValue");
  database_.write([&](store::Transaction& transaction) {
    Subscription subscription =
        subscription_in(transaction, account, base::text_or(input, "SubscriptionArn"));
    set_attribute(subscription.attributes, name, value);
    if (name == "FilterPolicy") check_scope(subscription.attributes);
    if (!needs_confirmation(channel_of(subscription))) subscription.confirmed = true;
    save(transaction, subscription);
  });
}

Json Service::list_subscriptions(const std::string& account, const Json& input) const {
  std::string topic;
  if (input.contains("TopicArn")) topic = topic_in(account, base::text_or(input, "TopicArn")).topic;
  const std::string token = base::text_or(input, "NextToken");
  const std::optional<std::string> after = base::from_base64(token);
  if (!after) refuse("NextToken");
  const std::vector<Subscription> found = database_.read([&](store::Reader& reader) {
    if (!topic.empty() && !store::find(reader, account, "sns-topic", topic))
      throw Error("NotFound", "Topic does not exist", 404);
    return subscriptions_after(reader, account, topic, *after, kPage + 1);
  });
  Json list = Json::array();
  for (const Subscription& subscription : found) {
    if (list.size() == kPage) break;
    list.push_back(described(subscription));
  }
  Json answer = {{"Subscriptions", std::move(list)}};
  if (found.size() > kPage) answer["NextToken"] = base::base64(found[kPage - 1].id);
  return answer;
}

std::string Service::confirmation_token(const Subscription& subscription) const {
  // Its first digits say which subscription it is for; nothing of it is stored.
  return without_dashes(subscription.id) + signer_.token_of("confirm\n" + subscription.arn);
}

std::string Service::confirmation_url(const Subscription& subscription) const {
  return url() +
         "/?Action=ConfirmSubscription&TopicArn=" + base::percent_encode(subscription.topic_arn) +
         "&Token=" + confirmation_token(subscription);
}

std::string Service::unsubscribe_url(const Subscription& subscription) const {
  return url() + "/?Action=Unsubscribe&SubscriptionArn=" + base::percent_encode(subscription.arn) +
         "&Token=" + signer_.token_of("unsubscribe\n" + subscription.arn);
}

std::optional<Subscription> Service::subscription_of_link(const std::string& subscription_arn,
                                                          const std::string& token) const {
  const bool fits =
      base::equals_in_constant_time(signer_.token_of("unsubscribe\n" + subscription_arn), token);
  return fits ? find(subscription_arn) : std::nullopt;
}

Json Service::confirm_by_link(const std::string& topic_arn, const std::string& token) {
  const auto name = parse_topic_arn(topic_arn, options_.region);
  if (!name) refuse("TopicArn");
  return confirm(name->account, {{"TopicArn", topic_arn}, {"Token", token}}, false);
}

void Service::unsubscribe_by_link(const std::string& subscription_arn, const std::string& token) {
  const auto subscription = subscription_of_link(subscription_arn, token);
  if (!subscription) refuse_unknown_subscription();
  if (subscription->authenticate_on_unsubscribe)
    throw Error("AuthorizationError",
                "This subscription can only be ended by its owner, with a signed request.", 403);
  unsubscribe(subscription->account, {{"SubscriptionArn", subscription_arn}});
}

}  // namespace slipway::notify
