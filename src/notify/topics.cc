// Topics: their attributes and tags.

#include "base/error.h"
#include "base/ids.h"
#include "notify/decide.h"
#include "notify/records.h"
#include "notify/service.h"
#include "notify/templates.h"
#include "store/resources.h"

namespace slipway::notify {
namespace {

constexpr const char* kTopicKind = "sns-topic";
constexpr int kPage = 100;
constexpr std::size_t kMostTags = 50;

[[noreturn]] void refuse_unknown_topic() { throw Error("NotFound", "Topic does not exist", 404); }

Json default_policy(const std::string& arn, const std::string& account) {
  return {{"Version", "2008-10-17"},
          {"Id", "__default_policy_ID"},
          {"Statement",
           Json::array({{{"Sid", "__default_statement_ID"},
                         {"Effect", "Allow"},
                         {"Principal", {{"AWS", "*"}}},
                         {"Action", Json::array({"SNS:GetTopicAttributes", "SNS:SetTopicAttributes",
                                                 "SNS:AddPermission", "SNS:RemovePermission",
                                                 "SNS:DeleteTopic", "SNS:Subscribe",
                                                 "SNS:ListSubscriptionsByTopic", "SNS:Publish"})},
                         {"Resource", arn},
                         {"Condition", {{"StringEquals", {{"AWS:SourceOwner", account}}}}}}})}};
}

// What is really done, in SNS' words.
Json delivery_policy(const NotifyOptions& options) {
  return {{"http",
           {{"defaultHealthyRetryPolicy",
             {{"minDelayTarget", std::max<std::int64_t>(1, options.first_pause.count() / 1000)},
              {"maxDelayTarget", 3600},
              {"numRetries", options.attempts - 1},
              {"numNoDelayRetries", 0},
              {"numMinDelayRetries", 0},
              {"numMaxDelayRetries", 0},
              {"backoffFunction", "exponential"}}},
            {"disableSubscriptionOverrides", true}}}};
}

store::Tags tags_in(const Json& input) {
  store::Tags tags;
  for (const Json& tag : base::array_or_empty(input, "Tags"))
    tags[base::text_or(tag, "Key")] = base::text_or(tag, "Value");
  return tags;
}

Json attributes_in(const Json& input) {
  Json attributes = base::object_or_empty(input, "Attributes");
  for (const auto& [name, value] : attributes.items())
    check_topic_attribute(name, value.get<std::string>());
  for (const char* standard : {"FifoTopic", "ContentBasedDeduplication"})
    attributes.erase(standard);
  if (input.contains("DataProtectionPolicy")) {
    const std::string policy = base::text_or(input, "DataProtectionPolicy");
    check_topic_attribute("DataProtectionPolicy", policy);
    attributes["DataProtectionPolicy"] = policy;
  }
  return attributes;
}

store::Resource new_topic(const std::string& account, const std::string& name,
                          const Json& attributes, base::Millis now) {
  store::Resource topic;
  topic.account = account;
  topic.kind = kTopicKind;
  topic.name = name;
  topic.created = topic.modified = now;
  topic.document = {{"Attributes", attributes}, {"Deleted", 0}};
  return topic;
}

void check_same(const store::Resource& topic, const Json& attributes, const store::Tags& before,
                const store::Tags& tags) {
  const Json& own = base::object_or_empty(topic.document, "Attributes");
  for (const auto& [name, value] : attributes.items()) {
    if (base::text_or(own, name) != value.get<std::string>())
      refuse("Attributes Reason: Topic already exists with different attributes");
  }
  if (!tags.empty() && tags != before)
    refuse("Tags Reason: Topic already exists with different tags");
}

}  // namespace

std::optional<TopicName> parse_topic_arn(const std::string& arn, const std::string& region) {
  const auto parsed = base::parse_arn(arn);
  if (!parsed || parsed->service != "sns" || parsed->region != region || parsed->resource.empty())
    return std::nullopt;
  TopicName name;
  name.account = parsed->account;
  const std::size_t colon = parsed->resource.find(':');
  name.topic = parsed->resource.substr(0, colon);
  if (colon != std::string::npos) name.subscription = parsed->resource.substr(colon + 1);
  return name;
}

Service::Service(store::Database& database, const base::Clock& clock, const Signer& signer,
                 const NotifyOptions& options, std::function<void()> wake)
    : database_(database),
      clock_(clock),
      signer_(signer),
      options_(options),
      wake_(std::move(wake)) {}

std::string Service::url() const { return options_.url ? options_.url() : std::string(); }

std::string Service::topic_arn(const std::string& account, const std::string& name) const {
  return base::Arn{"sns", options_.region, account, name}.text();
}

TopicName Service::topic_in(const std::string& account, const std::string& arn) const {
  const auto name = parse_topic_arn(arn, options_.region);
  if (!base::parse_arn(arn)) refuse("TopicArn");
  if (!name || name->account != account || !name->subscription.empty()) refuse_unknown_topic();
  return *name;
}

std::string Service::ensure_topic(store::Transaction& transaction, const std::string& account,
                                  const std::string& name) {
  if (!store::find(transaction, account, kTopicKind, name))
    store::create(transaction, new_topic(account, name, Json::object(), clock_.now()));
  return topic_arn(account, name);
}

Json Service::create_topic(const std::string& account, const Json& input) {
  const std::string name = base::text_or(input, "Name");
  check_topic_name(name);
  const Json attributes = attributes_in(input);
  const store::Tags tags = tags_in(input);
  if (tags.size() > kMostTags) throw Error("TagLimitExceeded", "A topic has at most 50 tags.");
  const std::string arn = topic_arn(account, name);
  database_.write([&](store::Transaction& transaction) {
    if (const auto before = store::find(transaction, account, kTopicKind, name))
      return check_same(*before, attributes, store::tags_of(transaction, arn), tags);
    store::create(transaction, new_topic(account, name, attributes, clock_.now()));
    store::set_tags(transaction, arn, tags);
  });
  return {{"TopicArn", arn}};
}

void Service::delete_topic(const std::string& account, const Json& input) {
  const std::string arn = base::text_or(input, "TopicArn");
  const auto name = parse_topic_arn(arn, options_.region);
  if (!name) refuse("TopicArn");
  if (name->account != account) return;  // deleting what is not there is no error
  database_.write([&](store::Transaction& transaction) {
    store::remove(transaction, account, kTopicKind, name->topic);
    store::remove_all_tags(transaction, arn);
    remove_subscriptions(transaction, account, name->topic);
    // It is always there; what is deleted is what hung on it.
    if (name->topic == kNoticesTopic) ensure_topic(transaction, account, kNoticesTopic);
  });
}

Json Service::topic_attributes(const std::string& account, const Json& input) const {
  const std::string arn = base::text_or(input, "TopicArn");
  const TopicName name = topic_in(account, arn);
  return database_.read([&](store::Reader& reader) {
    const auto topic = store::find(reader, account, kTopicKind, name.topic);
    if (!topic) refuse_unknown_topic();
    const SubscriptionCounts counts = count_subscriptions(reader, account, name.topic);
    Json attributes = {
        {"TopicArn", arn},
        {"Owner", account},
        {"DisplayName", ""},
        {"Policy", base::dump_json(default_policy(arn, account))},
        {"EffectiveDeliveryPolicy", base::dump_json(delivery_policy(options_))},
        {"SubscriptionsConfirmed", std::to_string(counts.confirmed)},
        {"SubscriptionsPending", std::to_string(counts.pending)},
        {"SubscriptionsDeleted", std::to_string(base::integer_or(topic->document, "Deleted", 0))}};
    attributes.update(base::object_or_empty(topic->document, "Attributes"));
    return Json{{"Attributes", attributes}};
  });
}

void Service::set_topic_attribute(const std::string& account, const Json& input) {
  const TopicName name = topic_in(account, base::text_or(input, "TopicArn"));
  const std::string attribute = base::text_or(input, "AttributeName");
  const std::string value = base::text_or(input, "AttributeValue");
  // An empty value takes away what has no value of its own.
  if (!value.empty() || attribute == "SignatureVersion")
    check_topic_attribute(attribute, value);
  else
    check_topic_attribute(attribute, attribute == "FifoTopic" ? "false" : "");
  database_.write([&](store::Transaction& transaction) {
    auto topic = store::find(transaction, account, kTopicKind, name.topic);
    if (!topic) refuse_unknown_topic();
    Json& attributes = topic->document["Attributes"];
    if (value.empty())
      attributes.erase(attribute);
    else
      attributes[attribute] = value;
    topic->modified = clock_.now();
    store::update(transaction, *topic);
  });
}

Json Service::list_topics(const std::string& account, const Json& input) const {
  store::ListQuery query;
  query.account = account;
  query.kind = kTopicKind;
  query.sort_by = store::SortBy::kName;
  query.order = store::Order::kAscending;
  query.limit = kPage;
  query.next_token = base::text_or(input, "NextToken");
  const store::Page page =
      database_.read([&](store::Reader& reader) { return store::list(reader, query); });
  Json topics = Json::array();
  for (const store::Resource& topic : page.items)
    topics.push_back({{"TopicArn", topic_arn(account, topic.name)}});
  Json answer = {{"Topics", std::move(topics)}};
  if (!page.next_token.empty()) answer["NextToken"] = page.next_token;
  return answer;
}

std::string Service::topic_attribute(const Subscription& subscription, const std::string& name,
                                     const std::string& otherwise) const {
  const auto topic = database_.read([&](store::Reader& reader) {
    return store::find(reader, subscription.account, kTopicKind, subscription.topic);
  });
  if (!topic) return otherwise;
  const Json& attributes = base::object_or_empty(topic->document, "Attributes");
  const std::string value = base::text_or(attributes, name);
  return value.empty() ? otherwise : value;
}

namespace {

[[noreturn]] void refuse_unknown_resource() {
  throw Error("ResourceNotFound", "Resource does not exist", 404);
}

// The account's own topic; SNS tags nothing else.
void require_topic(store::Reader& reader, const std::string& account, const std::string& arn,
                   const std::string& region) {
  const auto name = parse_topic_arn(arn, region);
  const bool own = name && name->account == account && name->subscription.empty();
  if (!own || !store::find(reader, account, kTopicKind, name->topic)) refuse_unknown_resource();
}

}  // namespace

Json Service::list_tags(const std::string& account, const Json& input) const {
  const std::string arn = base::text_or(input, "ResourceArn");
  const store::Tags tags = database_.read([&](store::Reader& reader) {
    require_topic(reader, account, arn, options_.region);
    return store::tags_of(reader, arn);
  });
  Json list = Json::array();
  for (const auto& [key, value] : tags) list.push_back({{"Key", key}, {"Value", value}});
  return {{"Tags", std::move(list)}};
}

void Service::tag(const std::string& account, const Json& input) {
  const std::string arn = base::text_or(input, "ResourceArn");
  database_.write([&](store::Transaction& transaction) {
    require_topic(transaction, account, arn, options_.region);
    store::set_tags(transaction, arn, tags_in(input));
    if (store::tags_of(transaction, arn).size() > kMostTags)
      throw Error("TagLimitExceeded", "A topic has at most 50 tags.");
  });
}

void Service::untag(const std::string& account, const Json& input) {
  const std::string arn = base::text_or(input, "ResourceArn");
  std::vector<std::string> keys;
  for (const Json& key : base::array_or_empty(input, "TagKeys"))
    keys.push_back(key.get<std::string>());
  database_.write([&](store::Transaction& transaction) {
    require_topic(transaction, account, arn, options_.region);
    store::remove_tags(transaction, arn, keys);
  });
}

}  // namespace slipway::notify
