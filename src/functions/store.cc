#include "functions/store.h"

#include <utility>

#include "base/error.h"
#include "functions/decide.h"
#include "functions/record.h"

namespace slipway::functions {
namespace {

std::string child_name(const std::string& name, const std::string& qualifier) {
  return name + ":" + qualifier;
}

QueuedEvent event_of(const store::Row& row) {
  QueuedEvent event;
  event.id = row.text(0);
  event.account = row.text(1);
  event.name = row.text(2);
  event.qualifier = row.text(3);
  event.payload = row.text(4);
  event.attempts = static_cast<int>(row.integer(5));
  event.created = row.integer(6);
  return event;
}

// Throws where the table has `most` rows already.
void refuse_too_many(store::Transaction& transaction, const std::string& table, std::size_t most) {
  std::int64_t rows = 0;
  transaction.query("select count(*) from " + table, {},
                    [&](const store::Row& row) { rows = row.integer(0); });
  if (static_cast<std::size_t>(rows) < most) return;
  throw Error("TooManyRequestsException",
              "Too many invocations are waiting; the limit is " + std::to_string(most) + ".", 429,
              {{"Type", "User"}, {"Reason", "CallerRateLimitExceeded"}});
}

void add_digest(std::set<std::string>& digests, const store::Resource& resource) {
  const std::string digest =
      base::text_or(base::object_or_empty(resource.document, "Code"), "Sha256");
  if (!digest.empty()) digests.insert(digest);
}

std::vector<store::Resource> all_children(store::Reader& reader, const std::string& account,
                                          const char* kind, const std::string& name) {
  store::ListQuery query{.account = account,
                         .kind = kind,
                         .parent = name,
                         .order = store::Order::kAscending,
                         .limit = 100};
  std::vector<store::Resource> all;
  do {
    store::Page page = store::list(reader, query);
    query.next_token = page.next_token;
    for (store::Resource& item : page.items) all.push_back(std::move(item));
  } while (!query.next_token.empty());
  return all;
}

}  // namespace

void throw_not_found(const std::string& what) {
  throw Error("ResourceNotFoundException", what, 404, {{"Type", "User"}});
}

FunctionStore::FunctionStore(store::Database& database, const base::Clock& clock,
                             std::string region)
    : database_(database), clock_(clock), region_(std::move(region)) {
  database_.migrate(
      {"create table if not exists lambda_events (id text primary key, account text not null, name "
       "text not null, qualifier text not null, payload blob not null, attempts bigint not null, "
       "created bigint not null, due bigint not null)",
       "create index if not exists lambda_events_due on lambda_events (due)",
       "create table if not exists lambda_invocations (account text not null, token text not null, "
       "began bigint not null, ended bigint not null, version text not null, error text not null, "
       "payload blob not null, primary key (account, token))"});
}

void FunctionStore::create(const store::Resource& function, const store::Tags& tags) {
  database_.write([&](store::Transaction& transaction) {
    if (store::find(transaction, function.account, kFunction, function.name)) {
      throw Error("ResourceConflictException", "Function already exist: " + function.name, 409,
                  {{"Type", "User"}});
    }
    store::create(transaction, function);
    store::set_tags(transaction, function_arn(region_, function.account, function.name), tags);
  });
}

std::optional<store::Resource> FunctionStore::find(const std::string& account,
                                                   const std::string& name) const {
  return database_.read(
      [&](store::Reader& reader) { return store::find(reader, account, kFunction, name); });
}

store::Resource FunctionStore::get(const std::string& account, const std::string& name) const {
  auto function = find(account, name);
  if (!function) throw_not_found("Function not found: " + function_arn(region_, account, name));
  return std::move(*function);
}

store::Resource FunctionStore::change(
    const std::string& account, const std::string& name,
    const std::function<void(store::Transaction&, store::Resource&)>& change) {
  return database_.write([&](store::Transaction& transaction) {
    auto function = store::find(transaction, account, kFunction, name);
    if (!function) throw_not_found("Function not found: " + function_arn(region_, account, name));
    change(transaction, *function);
    function->modified = clock_.now();
    store::update(transaction, *function);
    return *function;
  });
}

void FunctionStore::remove(const std::string& account, const std::string& name) {
  database_.write([&](store::Transaction& transaction) {
    const std::string arn = function_arn(region_, account, name);
    if (!store::remove(transaction, account, kFunction, name)) {
      throw_not_found("Function not found: " + arn);
    }
    for (const char* kind : {kVersion, kAlias}) {
      for (const store::Resource& child : all_children(transaction, account, kind, name)) {
        store::remove(transaction, account, kind, child.name);
      }
    }
    store::remove_all_tags(transaction, arn);
    transaction.execute("delete from lambda_events where account = ? and name = ?",
                        {account, name});
  });
}

std::optional<store::Resource> FunctionStore::find_version(const std::string& account,
                                                           const std::string& name,
                                                           const std::string& version) const {
  return database_.read([&](store::Reader& reader) {
    return store::find(reader, account, kVersion, child_name(name, version));
  });
}

std::optional<store::Resource> FunctionStore::find_alias(const std::string& account,
                                                         const std::string& name,
                                                         const std::string& alias) const {
  return database_.read([&](store::Reader& reader) {
    return store::find(reader, account, kAlias, child_name(name, alias));
  });
}

std::vector<store::Resource> FunctionStore::children(const std::string& account, const char* kind,
                                                     const std::string& name) const {
  return database_.read(
      [&](store::Reader& reader) { return all_children(reader, account, kind, name); });
}

Target FunctionStore::target(const std::string& account, const Reference& reference,
                             double roll) const {
  const std::string arn = function_arn(region_, account, reference.name, reference.qualifier);
  return database_.read([&](store::Reader& reader) {
    auto function = store::find(reader, account, kFunction, reference.name);
    if (!function) throw_not_found("Function not found: " + arn);
    Target target;
    target.account = account;
    target.name = reference.name;
    target.arn = arn;
    if (function->document.contains("Reserved")) {
      target.reserved =
          static_cast<std::size_t>(base::integer_or(function->document, "Reserved", 0));
    }
    if (!reference.qualifier.empty()) target.version = reference.qualifier;
    if (target.version != kLatest) {
      const std::string name = child_name(reference.name, reference.qualifier);
      if (const auto alias = store::find(reader, account, kAlias, name)) {
        target.version = version_of_alias(alias->document, roll);
      }
    }
    if (target.version != kLatest) {
      function = store::find(reader, account, kVersion, child_name(reference.name, target.version));
      if (!function) throw_not_found("Function not found: " + arn);
    }
    target.configuration = std::move(function->document["Configuration"]);
    target.code = std::move(function->document["Code"]);
    target.revision = base::text_or(target.configuration, "RevisionId");
    return target;
  });
}

std::set<std::string> FunctionStore::digests() const {
  std::set<std::string> digests;
  database_.read([&](store::Reader& reader) {
    for (const char* kind : {kFunction, kVersion}) {
      for (const store::Resource& resource : store::with_status(reader, kind, {"Active"})) {
        add_digest(digests, resource);
      }
    }
  });
  return digests;
}

void FunctionStore::enqueue(const QueuedEvent& event, std::size_t most) {
  database_.write([&](store::Transaction& transaction) {
    refuse_too_many(transaction, "lambda_events", most);
    transaction.execute(
        "insert into lambda_events (id, account, name, qualifier, payload, attempts, created, due) "
        "values (?, ?, ?, ?, ?, ?, ?, ?)",
        {event.id, event.account, event.name, event.qualifier, store::Blob{event.payload},
         std::int64_t{event.attempts}, event.created, event.created});
  });
}

std::vector<QueuedEvent> FunctionStore::due(base::Millis now, int limit) const {
  std::vector<QueuedEvent> events;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select id, account, name, qualifier, payload, attempts, created from lambda_events where "
        "due <= ? order by due, id limit ?",
        {now, std::int64_t{limit}},
        [&](const store::Row& row) { events.push_back(event_of(row)); });
  });
  return events;
}

std::optional<base::Millis> FunctionStore::next_due(base::Millis now) const {
  std::optional<base::Millis> next;
  database_.read([&](store::Reader& reader) {
    reader.query("select due from lambda_events where due > ? order by due limit 1", {now},
                 [&](const store::Row& row) { next = row.integer(0); });
  });
  return next;
}

bool FunctionStore::begin_attempt(const std::string& id, int attempts) {
  return database_.write([&](store::Transaction& transaction) {
    return transaction.execute(
               "update lambda_events set attempts = attempts + 1 where id = ? and attempts = ?",
               {id, std::int64_t{attempts}}) == 1;
  });
}

void FunctionStore::postpone(const std::string& id, int attempts, base::Millis until) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute("update lambda_events set attempts = ?, due = ? where id = ?",
                        {std::int64_t{attempts}, until, id});
  });
}

void FunctionStore::drop(const std::string& id) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute("delete from lambda_events where id = ?", {id});
  });
}

std::optional<OnceRecord> FunctionStore::begin_once(const std::string& account,
                                                    const std::string& token, base::Millis now,
                                                    std::size_t most) {
  return database_.write([&](store::Transaction& transaction) {
    std::optional<OnceRecord> record;
    transaction.query(
        "select ended, version, error, payload from lambda_invocations"
        " where account = ? and token = ?",
        {account, token}, [&](const store::Row& row) {
          record.emplace();
          if (row.integer(0) == 0) return;
          Outcome& outcome = record->outcome.emplace();
          outcome.reached = true;
          outcome.version = row.text(1);
          outcome.error = row.text(2);
          outcome.payload = row.text(3);
        });
    if (record) return record;
    refuse_too_many(transaction, "lambda_invocations", most);
    transaction.execute(
        "insert into lambda_invocations (account, token, began, ended, version, error, payload)"
        " values (?, ?, ?, 0, '', '', ?)",
        {account, token, now, store::Blob{""}});
    return record;
  });
}

void FunctionStore::end_once(const std::string& account, const std::string& token,
                             const Outcome& outcome) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        "update lambda_invocations set ended = 1, version = ?, error = ?, payload = ?"
        " where account = ? and token = ?",
        {outcome.version, outcome.error, store::Blob{outcome.payload}, account, token});
  });
}

void FunctionStore::forget_once(const std::string& account, const std::string& token) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute("delete from lambda_invocations where account = ? and token = ?",
                        {account, token});
  });
}

void FunctionStore::expire_once(base::Millis began_before) {
  database_.write([&](store::Transaction& transaction) {
    transaction.execute("delete from lambda_invocations where began < ?", {began_before});
  });
}

}  // namespace slipway::functions
