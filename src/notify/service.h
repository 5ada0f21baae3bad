#pragma once

// Topics, subscriptions and publishing: what SNS' operations do. Input and output are those of the
// service model, the account is the caller's.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "notify/notify.h"
#include "notify/signer.h"
#include "notify/types.h"
#include "store/database.h"
#include "store/outbox.h"

namespace slipway::notify {

// "arn:aws:sns:<region>:<account>:<topic>" with ":<id>" for a subscription.
struct TopicName {
  std::string account;
  std::string topic;
  std::string subscription;  // empty: the topic's own ARN
};
std::optional<TopicName> parse_topic_arn(const std::string& arn, const std::string& region);

// Thread-safe.
class Service {
 public:
  // The tables of records.h exist. `wake` is called when deliveries were added.
  Service(store::Database& database, const base::Clock& clock, const Signer& signer,
          const NotifyOptions& options, std::function<void()> wake);

  Json create_topic(const std::string& account, const Json& input);
  void delete_topic(const std::string& account, const Json& input);
  Json topic_attributes(const std::string& account, const Json& input) const;
  void set_topic_attribute(const std::string& account, const Json& input);
  Json list_topics(const std::string& account, const Json& input) const;
  // The topic of that name, made where it is missing; returns its ARN.
  std::string ensure_topic(store::Transaction& transaction, const std::string& account,
                           const std::string& name);

  Json subscribe(const std::string& account, const Json& input);
  Json confirm(const std::string& account, const Json& input, bool authenticated);
  void unsubscribe(const std::string& account, const Json& input);
  Json subscription_attributes(const std::string& account, const Json& input) const;
  void set_subscription_attribute(const std::string& account, const Json& input);
  // Of one topic, or of all without a TopicArn.
  Json list_subscriptions(const std::string& account, const Json& input) const;

  Json publish(const std::string& account, const Json& input);
  Json publish_batch(const std::string& account, const Json& input);
  // In a transaction of the caller's, who calls wake after it. The message's id is set already.
  // Where too much waits for a destination already, all is refused, or the others get it alone.
  enum class WhenFull { kRefuse, kLeaveOut };
  void publish(store::Transaction& transaction, const std::string& topic, const Message& message,
               WhenFull when_full = WhenFull::kRefuse);
  std::string publish(Message message);

  Json list_tags(const std::string& account, const Json& input) const;
  void tag(const std::string& account, const Json& input);
  void untag(const std::string& account, const Json& input);

  // By a link's own token instead of a signature.
  Json confirm_by_link(const std::string& topic_arn, const std::string& token);
  void unsubscribe_by_link(const std::string& subscription_arn, const std::string& token);
  // Nothing where the token is not the subscription's.
  std::optional<Subscription> subscription_of_link(const std::string& subscription_arn,
                                                   const std::string& token) const;

  std::string confirmation_token(const Subscription& subscription) const;
  std::string confirmation_url(const Subscription& subscription) const;
  std::string unsubscribe_url(const Subscription& subscription) const;
  std::string url() const;
  std::string topic_arn(const std::string& account, const std::string& name) const;
  std::optional<Subscription> find(const std::string& subscription_arn) const;
  // An attribute of the subscription's topic, or the default.
  std::string topic_attribute(const Subscription& subscription, const std::string& name,
                              const std::string& otherwise) const;

 private:
  TopicName topic_in(const std::string& account, const std::string& arn) const;
  Subscription subscription_in(store::Reader& reader, const std::string& account,
                               const std::string& arn) const;
  Message message_in(const std::string& account, const Json& input) const;
  void ask_to_confirm(store::Transaction& transaction, const Subscription& subscription);

  store::Database& database_;
  const base::Clock& clock_;
  const Signer& signer_;
  const NotifyOptions& options_;
  const std::function<void()> wake_;
};

}  // namespace slipway::notify
