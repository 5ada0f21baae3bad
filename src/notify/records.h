#pragma once

// The room's tables: subscriptions, messages, deliveries, secrets, and what templates remember.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "notify/types.h"
#include "store/database.h"

namespace slipway::notify {

void migrate_records(store::Database& database);

std::optional<Subscription> find_subscription(store::Reader& reader, const std::string& account,
                                              const std::string& id);
std::optional<Subscription> find_subscription(store::Reader& reader, const std::string& account,
                                              const std::string& topic, const std::string& protocol,
                                              const std::string& endpoint);
// By id, after the id `after`; of all topics where `topic` is empty.
std::vector<Subscription> subscriptions_after(store::Reader& reader, const std::string& account,
                                              const std::string& topic, const std::string& after,
                                              int limit);
struct SubscriptionCounts {
  std::int64_t confirmed = 0, pending = 0;
};
SubscriptionCounts count_subscriptions(store::Reader& reader, const std::string& account,
                                       const std::string& topic);
void save(store::Transaction& transaction, const Subscription& subscription);
bool remove_subscription(store::Transaction& transaction, const std::string& account,
                         const std::string& id);
void remove_subscriptions(store::Transaction& transaction, const std::string& account,
                          const std::string& topic);

void insert(store::Transaction& transaction, const Message& message);
std::optional<Message> find_message(store::Reader& reader, const std::string& id);

void save(store::Transaction& transaction, const Delivery& delivery);
void remove_delivery(store::Transaction& transaction, const std::string& id);
std::optional<Delivery> find_delivery(store::Reader& reader, const std::string& id);
// Waiting ones whose time has come, the longest waiting first, none of the `blocked` lanes.
std::vector<Delivery> due_deliveries(store::Reader& reader, base::Millis now,
                                     const std::vector<std::string>& blocked, int limit);
// When the next one after `now` is due.
std::optional<base::Millis> next_due(store::Reader& reader, base::Millis now);
// At most `limit`.
std::int64_t count_waiting(store::Reader& reader, const std::string& lane, std::int64_t limit);
// What waits for a lane that works again need not wait longer.
void bring_forward(store::Transaction& transaction, const std::string& lane, base::Millis now);
// Newest first.
std::vector<Delivery> dead_deliveries(store::Reader& reader, const std::string& account, int limit);

// Removes delivered ones after 3 days, dead letters after 30, requests that nobody confirmed after
// 3 and with them their subscriptions, messages that nobody waits for, memories after 90. What
// waited for 14 days becomes a dead letter.
void expire(store::Transaction& transaction, base::Millis now);

// Texts that templates need later.
std::string remembered(store::Reader& reader, const std::string& key);
void remember(store::Transaction& transaction, const std::string& key, const std::string& value,
              base::Millis now);
void forget(store::Transaction& transaction, const std::string& key);

inline constexpr base::Millis kConfirmationLife = 3LL * 24 * 3600 * 1000;

}  // namespace slipway::notify
