#include "notify/records.h"

#include "base/json.h"

namespace slipway::notify {
namespace {

constexpr base::Millis kDay = 24LL * 3600 * 1000;
constexpr base::Millis kDeliveredLife = 3 * kDay;
constexpr base::Millis kWaitingLife = 14 * kDay;
constexpr base::Millis kDeadLife = 30 * kDay;
constexpr base::Millis kMemoryLife = 90 * kDay;
constexpr base::Millis kLongestDelay = kDay / 24;  // between two attempts

constexpr const char* kSubscriptionColumns =
    "id, account, topic, arn, topic_arn, protocol, endpoint, confirmed, authenticate, attributes,"
    " created, asked";
constexpr const char* kDeliveryColumns =
    "id, account, kind, message, subscription, lane, state, attempts, due, created, finished,"
    " error";

std::string select(const char* columns, const char* table, const std::string& rest) {
  return std::string("select ") + columns + " from " + table + " " + rest;
}

Json json_of(const std::string& text) {
  return base::try_parse_json(text).value_or(Json::object());
}

Subscription subscription_of(const store::Row& row) {
  Subscription subscription;
  subscription.id = row.text(0);
  subscription.account = row.text(1);
  subscription.topic = row.text(2);
  subscription.arn = row.text(3);
  subscription.topic_arn = row.text(4);
  subscription.protocol = row.text(5);
  subscription.endpoint = row.text(6);
  subscription.confirmed = row.integer(7) != 0;
  subscription.authenticate_on_unsubscribe = row.integer(8) != 0;
  subscription.attributes = json_of(row.text(9));
  subscription.created = row.integer(10);
  subscription.asked = row.integer(11);
  return subscription;
}

Delivery delivery_of(const store::Row& row) {
  Delivery delivery;
  delivery.id = row.text(0);
  delivery.account = row.text(1);
  delivery.kind = static_cast<DeliveryKind>(row.integer(2));
  delivery.message = row.text(3);
  delivery.subscription = row.text(4);
  delivery.lane = row.text(5);
  delivery.state = static_cast<DeliveryState>(row.integer(6));
  delivery.attempts = static_cast<int>(row.integer(7));
  delivery.due = row.integer(8);
  delivery.created = row.integer(9);
  if (!row.is_null(10)) delivery.finished = row.integer(10);
  delivery.error = row.text(11);
  return delivery;
}

template <class Value, class Convert>
std::vector<Value> all(store::Reader& reader, const std::string& sql,
                       const std::vector<store::Value>& values, Convert convert) {
  std::vector<Value> result;
  reader.query(sql, values, [&](const store::Row& row) { result.push_back(convert(row)); });
  return result;
}

template <class Value>
std::optional<Value> first(std::vector<Value> values) {
  if (values.empty()) return std::nullopt;
  return std::move(values.front());
}

std::int64_t number(DeliveryState state) { return static_cast<std::int64_t>(state); }
std::int64_t number(DeliveryKind kind) { return static_cast<std::int64_t>(kind); }

}  // namespace

void migrate_records(store::Database& database) {
  database.migrate({
      "create table if not exists notify_subscriptions (id text primary key, account text not null,"
      " topic text not null, arn text not null, topic_arn text not null, protocol text not null,"
      " endpoint text not null, confirmed bigint not null, authenticate bigint not null,"
      " attributes text not null, created bigint not null, asked bigint not null)",
      "create unique index if not exists notify_subscriptions_once on notify_subscriptions"
      " (account, topic, protocol, endpoint)",
      "create table if not exists notify_messages (id text primary key, account text not null,"
      " topic_arn text not null, subject text not null, body text not null,"
      " structured bigint not null, attributes text not null, published bigint not null,"
      " notice text)",
      // kind: 0 notification, 1 confirmation. state: 0 waiting, 1 delivered, 2 dead.
      "create table if not exists notify_deliveries (id text primary key, account text not null,"
      " kind bigint not null, message text not null, subscription text not null,"
      " lane text not null, state bigint not null, attempts bigint not null, due bigint not null,"
      " created bigint not null, finished bigint, error text not null)",
      "create index if not exists notify_deliveries_due on notify_deliveries (state, due, lane)",
      "create index if not exists notify_deliveries_lane on notify_deliveries (state, lane, due)",
      "create index if not exists notify_deliveries_message on notify_deliveries (message)",
      "create table if not exists notify_secrets (name text primary key, value text not null)",
      "create table if not exists notify_memory (name text primary key, value text not null,"
      " changed bigint not null)",
  });
}

std::optional<Subscription> find_subscription(store::Reader& reader, const std::string& account,
                                              const std::string& id) {
  return first(all<Subscription>(
      reader, select(kSubscriptionColumns, "notify_subscriptions", "where account = ? and id = ?"),
      {account, id}, subscription_of));
}

std::optional<Subscription> find_subscription(store::Reader& reader, const std::string& account,
                                              const std::string& topic, const std::string& protocol,
                                              const std::string& endpoint) {
  return first(
      all<Subscription>(reader,
                        select(kSubscriptionColumns, "notify_subscriptions",
                               "where account = ? and topic = ? and protocol = ? and endpoint = ?"),
                        {account, topic, protocol, endpoint}, subscription_of));
}

std::vector<Subscription> subscriptions_after(store::Reader& reader, const std::string& account,
                                              const std::string& topic, const std::string& after,
                                              int limit) {
  std::vector<store::Value> values{account, after};
  std::string condition = "where account = ? and id > ?";
  if (!topic.empty()) {
    condition += " and topic = ?";
    values.emplace_back(topic);
  }
  values.emplace_back(std::int64_t{limit});
  return all<Subscription>(
      reader,
      select(kSubscriptionColumns, "notify_subscriptions", condition + " order by id limit ?"),
      values, subscription_of);
}

SubscriptionCounts count_subscriptions(store::Reader& reader, const std::string& account,
                                       const std::string& topic) {
  SubscriptionCounts counts;
  reader.query(
      "select confirmed, count(*) from notify_subscriptions where account = ? and topic = ?"
      " group by confirmed",
      {account, topic}, [&](const store::Row& row) {
        (row.integer(0) != 0 ? counts.confirmed : counts.pending) = row.integer(1);
      });
  return counts;
}

void save(store::Transaction& transaction, const Subscription& subscription) {
  transaction.execute(
      "insert into notify_subscriptions (id, account, topic, arn, topic_arn, protocol, endpoint,"
      " confirmed, authenticate, attributes, created, asked)"
      " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " on conflict (id) do update set confirmed = excluded.confirmed,"
      " authenticate = excluded.authenticate, attributes = excluded.attributes,"
      " asked = excluded.asked",
      {subscription.id, subscription.account, subscription.topic, subscription.arn,
       subscription.topic_arn, subscription.protocol, subscription.endpoint,
       std::int64_t{subscription.confirmed}, std::int64_t{subscription.authenticate_on_unsubscribe},
       base::dump_json(subscription.attributes), subscription.created, subscription.asked});
}

bool remove_subscription(store::Transaction& transaction, const std::string& account,
                         const std::string& id) {
  return transaction.execute("delete from notify_subscriptions where account = ? and id = ?",
                             {account, id}) > 0;
}

void remove_subscriptions(store::Transaction& transaction, const std::string& account,
                          const std::string& topic) {
  transaction.execute("delete from notify_subscriptions where account = ? and topic = ?",
                      {account, topic});
}

void insert(store::Transaction& transaction, const Message& message) {
  store::Value notice = nullptr;
  if (!message.notice.is_null()) notice = base::dump_json(message.notice);
  transaction.execute(
      "insert into notify_messages (id, account, topic_arn, subject, body, structured, attributes,"
      " published, notice) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {message.id, message.account, message.topic_arn, message.subject, message.text,
       std::int64_t{message.structured}, base::dump_json(message.attributes), message.published,
       notice});
}

std::optional<Message> find_message(store::Reader& reader, const std::string& id) {
  return first(all<Message>(
      reader,
      "select id, account, topic_arn, subject, body, structured, attributes, published, notice"
      " from notify_messages where id = ?",
      {id}, [](const store::Row& row) {
        Message message;
        message.id = row.text(0);
        message.account = row.text(1);
        message.topic_arn = row.text(2);
        message.subject = row.text(3);
        message.text = row.text(4);
        message.structured = row.integer(5) != 0;
        message.attributes = json_of(row.text(6));
        message.published = row.integer(7);
        if (!row.is_null(8)) message.notice = json_of(row.text(8));
        return message;
      }));
}

void save(store::Transaction& transaction, const Delivery& delivery) {
  store::Value finished = nullptr;
  if (delivery.finished) finished = *delivery.finished;
  transaction.execute(
      "insert into notify_deliveries (id, account, kind, message, subscription, lane, state,"
      " attempts, due, created, finished, error) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      " on conflict (id) do update set state = excluded.state, attempts = excluded.attempts,"
      " due = excluded.due, finished = excluded.finished, error = excluded.error",
      {delivery.id, delivery.account, number(delivery.kind), delivery.message,
       delivery.subscription, delivery.lane, number(delivery.state),
       std::int64_t{delivery.attempts}, delivery.due, delivery.created, finished, delivery.error});
}

void remove_delivery(store::Transaction& transaction, const std::string& id) {
  transaction.execute("delete from notify_deliveries where id = ?", {id});
}

std::optional<Delivery> find_delivery(store::Reader& reader, const std::string& id) {
  return first(all<Delivery>(reader, select(kDeliveryColumns, "notify_deliveries", "where id = ?"),
                             {id}, delivery_of));
}

std::vector<Delivery> due_deliveries(store::Reader& reader, base::Millis now,
                                     const std::vector<std::string>& blocked, int limit) {
  std::string condition = "where state = ? and due <= ?";
  std::vector<store::Value> values{number(DeliveryState::kWaiting), now};
  if (!blocked.empty()) {
    condition += " and lane not in (";
    for (std::size_t i = 0; i < blocked.size(); ++i) {
      condition += i == 0 ? "?" : ", ?";
      values.emplace_back(blocked[i]);
    }
    condition += ")";
  }
  values.emplace_back(std::int64_t{limit});
  return all<Delivery>(
      reader,
      select(kDeliveryColumns, "notify_deliveries", condition + " order by due, id limit ?"),
      values, delivery_of);
}

std::optional<base::Millis> next_due(store::Reader& reader, base::Millis now) {
  std::optional<base::Millis> result;
  reader.query("select min(due) from notify_deliveries where state = ? and due > ?",
               {number(DeliveryState::kWaiting), now}, [&](const store::Row& row) {
                 if (!row.is_null(0)) result = row.integer(0);
               });
  return result;
}

std::int64_t count_waiting(store::Reader& reader, const std::string& lane, std::int64_t limit) {
  std::int64_t count = 0;
  reader.query(
      "select count(*) from (select id from notify_deliveries where state = ? and lane = ?"
      " limit ?) as some",
      {number(DeliveryState::kWaiting), lane, limit},
      [&](const store::Row& row) { count = row.integer(0); });
  return count;
}

void bring_forward(store::Transaction& transaction, const std::string& lane, base::Millis now) {
  transaction.execute(
      "update notify_deliveries set due = ? where state = ? and lane = ? and due > ?",
      {now, number(DeliveryState::kWaiting), lane, now});
}

std::vector<Delivery> dead_deliveries(store::Reader& reader, const std::string& account,
                                      int limit) {
  return all<Delivery>(reader,
                       select(kDeliveryColumns, "notify_deliveries",
                              "where state = ? and account = ? order by finished desc, id limit ?"),
                       {number(DeliveryState::kDead), account, std::int64_t{limit}}, delivery_of);
}

void expire(store::Transaction& transaction, base::Millis now) {
  transaction.execute("delete from notify_deliveries where state = ? and finished < ?",
                      {number(DeliveryState::kDelivered), now - kDeliveredLife});
  transaction.execute("delete from notify_deliveries where state = ? and finished < ?",
                      {number(DeliveryState::kDead), now - kDeadLife});
  transaction.execute(
      "update notify_deliveries set state = ?, finished = ?, error = 'waited for two weeks'"
      " where state = ? and created < ?",
      {number(DeliveryState::kDead), now, number(DeliveryState::kWaiting), now - kWaitingLife});
  // No pause is that long: the clock was ahead when it was reckoned.
  transaction.execute("update notify_deliveries set due = ? where state = ? and due > ?",
                      {now, number(DeliveryState::kWaiting), now + kLongestDelay});
  transaction.execute("delete from notify_subscriptions where confirmed = 0 and asked < ?",
                      {now - kConfirmationLife});
  transaction.execute(
      "delete from notify_messages where not exists (select 1 from notify_deliveries"
      " where notify_deliveries.message = notify_messages.id)");
  transaction.execute("delete from notify_memory where changed < ? and name <> 'sequence'",
                      {now - kMemoryLife});
}

std::string remembered(store::Reader& reader, const std::string& key) {
  std::string value;
  reader.query("select value from notify_memory where name = ?", {key},
               [&](const store::Row& row) { value = row.text(0); });
  return value;
}

void remember(store::Transaction& transaction, const std::string& key, const std::string& value,
              base::Millis now) {
  transaction.execute(
      "insert into notify_memory (name, value, changed) values (?, ?, ?)"
      " on conflict (name) do update set value = excluded.value, changed = excluded.changed",
      {key, value, now});
}

void forget(store::Transaction& transaction, const std::string& key) {
  transaction.execute("delete from notify_memory where name = ?", {key});
}

}  // namespace slipway::notify
