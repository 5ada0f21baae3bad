#include "gitlab/webhook_store.h"

#include "base/json.h"

namespace slipway::gitlab {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

constexpr int kKept = 50;

const std::vector<std::string>& tables() {
  static const std::vector<std::string> statements{
      "create table if not exists gitlab_numbers (name text primary key, last bigint not null)",
      "create table if not exists gitlab_hooks ("
      " id bigint primary key, project bigint not null, document text not null,"
      " failures bigint not null, disabled_until bigint, disabled bigint not null)",
      "create index if not exists gitlab_hooks_by_project on gitlab_hooks (project)",
      "create table if not exists gitlab_deliveries ("
      " id bigint primary key, hook bigint not null, uuid text not null, event text not null,"
      " body text not null, attempts bigint not null, due bigint not null, state bigint not null,"
      " response_status bigint not null, problem text not null, created bigint not null,"
      " unique (hook, uuid))",
      "create index if not exists gitlab_deliveries_due on gitlab_deliveries (state, due)",
  };
  return statements;
}

std::int64_t next_number(Transaction& transaction, const std::string& name) {
  transaction.execute(
      "insert into gitlab_numbers (name, last) values (?, 1)"
      " on conflict (name) do update set last = gitlab_numbers.last + 1",
      {name});
  std::int64_t number = 0;
  transaction.query("select last from gitlab_numbers where name = ?", {name},
                    [&](const Row& row) { number = row.integer(0); });
  return number;
}

std::string document_of(const Hook& hook) {
  return base::dump_json({{"url", hook.url},
                          {"name", hook.name},
                          {"description", hook.description},
                          {"token", hook.token},
                          {"push", hook.push_events},
                          {"tag_push", hook.tag_push_events},
                          {"pipeline", hook.pipeline_events},
                          {"job", hook.job_events},
                          {"merge_request", hook.merge_request_events},
                          {"branch_filter", hook.branch_filter},
                          {"ssl_verification", hook.ssl_verification},
                          {"created", hook.created}});
}

constexpr const char* kHook =
    "select id, project, document, failures, disabled_until, disabled"
    " from gitlab_hooks ";

Hook hook_of(const Row& row) {
  Hook hook;
  hook.id = row.integer(0);
  hook.project = row.integer(1);
  const Json document = base::parse_json(row.text(2), "a webhook");
  hook.url = base::text_or(document, "url");
  hook.name = base::text_or(document, "name");
  hook.description = base::text_or(document, "description");
  hook.token = base::text_or(document, "token");
  hook.push_events = base::boolean_or(document, "push", true);
  hook.tag_push_events = base::boolean_or(document, "tag_push", false);
  hook.pipeline_events = base::boolean_or(document, "pipeline", false);
  hook.job_events = base::boolean_or(document, "job", false);
  hook.merge_request_events = base::boolean_or(document, "merge_request", false);
  hook.branch_filter = base::text_or(document, "branch_filter");
  hook.ssl_verification = base::boolean_or(document, "ssl_verification", true);
  hook.created = base::integer_or(document, "created", 0);
  hook.failures = static_cast<int>(row.integer(3));
  if (!row.is_null(4)) hook.disabled_until = row.integer(4);
  hook.disabled = row.integer(5) != 0;
  return hook;
}

constexpr const char* kDelivery =
    "select d.id, d.hook, d.uuid, d.event, d.body, d.attempts, d.due, d.state, d.response_status,"
    " d.problem, d.created from gitlab_deliveries d ";

Delivery delivery_of(const Row& row) {
  Delivery delivery;
  delivery.id = row.integer(0);
  delivery.hook = row.integer(1);
  delivery.uuid = row.text(2);
  delivery.event = row.text(3);
  delivery.body = row.text(4);
  delivery.attempts = static_cast<int>(row.integer(5));
  delivery.due = row.integer(6);
  delivery.state = static_cast<DeliveryState>(row.integer(7));
  delivery.response_status = static_cast<int>(row.integer(8));
  delivery.problem = row.text(9);
  delivery.created = row.integer(10);
  return delivery;
}

constexpr auto kWaiting = static_cast<std::int64_t>(DeliveryState::kWaiting);

void write_hook(Transaction& transaction, const Hook& hook) {
  transaction.execute(
      "update gitlab_hooks set document = ?, failures = ?, disabled_until = ?, disabled = ?"
      " where id = ?",
      {document_of(hook), std::int64_t{hook.failures},
       hook.disabled_until ? Value(*hook.disabled_until) : Value(nullptr),
       std::int64_t{hook.disabled}, hook.id});
}

}  // namespace

WebhookStore::WebhookStore(store::Database& database) : database_(database) {
  database_.migrate(tables());
}

std::vector<Hook> WebhookStore::hooks(forge::Id project) const {
  std::vector<Hook> all;
  database_.read([&](Reader& reader) {
    reader.query(std::string(kHook) + "where project = ? order by id", {project},
                 [&](const Row& row) { all.push_back(hook_of(row)); });
  });
  return all;
}

std::optional<Hook> WebhookStore::hook(forge::Id id) const {
  std::optional<Hook> found;
  database_.read([&](Reader& reader) {
    reader.query(std::string(kHook) + "where id = ?", {id},
                 [&](const Row& row) { found = hook_of(row); });
  });
  return found;
}

Hook WebhookStore::add(Hook hook) {
  return database_.write([&](Transaction& transaction) {
    hook.id = next_number(transaction, "hook");
    transaction.execute(
        "insert into gitlab_hooks (id, project, document, failures, disabled) values (?, ?, ?, 0, "
        "0)",
        {hook.id, hook.project, document_of(hook)});
    return hook;
  });
}

void WebhookStore::update(const Hook& hook) {
  database_.write([&](Transaction& transaction) { write_hook(transaction, hook); });
}

void WebhookStore::remove(forge::Id id) {
  database_.write([&](Transaction& transaction) {
    transaction.execute("delete from gitlab_deliveries where hook = ?", {id});
    transaction.execute("delete from gitlab_hooks where id = ?", {id});
  });
}

bool WebhookStore::add_deliveries(const std::vector<Delivery>& deliveries, std::size_t limit) {
  return database_.write([&](Transaction& transaction) {
    std::int64_t waiting = 0;
    transaction.query("select count(*) from gitlab_deliveries where state = ?", {kWaiting},
                      [&](const Row& row) { waiting = row.integer(0); });
    if (static_cast<std::size_t>(waiting) + deliveries.size() > limit) return false;
    for (const Delivery& each : deliveries) {
      transaction.execute(
          "insert into gitlab_deliveries (id, hook, uuid, event, body, attempts, due, state,"
          " response_status, problem, created) values (?, ?, ?, ?, ?, 0, ?, ?, 0, '', ?)"
          " on conflict (hook, uuid) do nothing",
          {next_number(transaction, "delivery"), each.hook, each.uuid, each.event, each.body,
           each.due, kWaiting, each.created});
    }
    return true;
  });
}

std::vector<Delivery> WebhookStore::due(base::Millis now, int limit) const {
  std::vector<Delivery> all;
  database_.read([&](Reader& reader) {
    reader.query(std::string(kDelivery) +
                     "where d.id in (select min(w.id) from gitlab_deliveries w"
                     " join gitlab_hooks h on h.id = w.hook where w.state = ? and w.due <= ?"
                     " and h.disabled = 0 and coalesce(h.disabled_until, 0) <= ? group by w.hook)"
                     " order by d.due, d.id limit ?",
                 {kWaiting, now, now, std::int64_t{limit}},
                 [&](const Row& row) { all.push_back(delivery_of(row)); });
  });
  return all;
}

std::optional<Delivery> WebhookStore::delivery(std::int64_t id) const {
  std::optional<Delivery> found;
  database_.read([&](Reader& reader) {
    reader.query(std::string(kDelivery) + "where d.id = ?", {id},
                 [&](const Row& row) { found = delivery_of(row); });
  });
  return found;
}

void WebhookStore::record(const Delivery& delivery, const Hook& hook) {
  database_.write([&](Transaction& transaction) {
    transaction.execute(
        "update gitlab_deliveries set attempts = ?, due = ?, state = ?, response_status = ?,"
        " problem = ? where id = ?",
        {std::int64_t{delivery.attempts}, delivery.due, static_cast<std::int64_t>(delivery.state),
         std::int64_t{delivery.response_status}, delivery.problem, delivery.id});
    // Only these: a change of its settings that came while the request was on its way stays.
    transaction.execute(
        "update gitlab_hooks set failures = ?, disabled_until = ?, disabled = ? where id = ?",
        {std::int64_t{hook.failures},
         hook.disabled_until ? Value(*hook.disabled_until) : Value(nullptr),
         std::int64_t{hook.disabled}, hook.id});
    // What waits for a hook that is disabled for good would be sent much too late.
    if (hook.disabled) {
      transaction.execute("update gitlab_deliveries set state = ? where hook = ? and state = ?",
                          {static_cast<std::int64_t>(DeliveryState::kFailed), hook.id, kWaiting});
    }
    transaction.execute(
        "delete from gitlab_deliveries where hook = ? and state <> ? and id not in"
        " (select id from gitlab_deliveries where hook = ? and state <> ? order by id desc"
        " limit ?)",
        {hook.id, kWaiting, hook.id, kWaiting, std::int64_t{kKept}});
  });
}

std::vector<Delivery> WebhookStore::deliveries(forge::Id hook) const {
  std::vector<Delivery> all;
  database_.read([&](Reader& reader) {
    reader.query(std::string(kDelivery) + "where d.hook = ? order by d.id desc limit ?",
                 {hook, std::int64_t{kKept}},
                 [&](const Row& row) { all.push_back(delivery_of(row)); });
  });
  return all;
}

}  // namespace slipway::gitlab
