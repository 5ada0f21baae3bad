#include "observe/logs.h"

#include "observe/log_store.h"
#include "store/resources.h"

namespace slipway::observe {
namespace {

constexpr base::Millis kDay = 86'400'000;

LogStream open_stream(store::Transaction& transaction, const std::string& account,
                      const std::string& group, const std::string& stream, base::Millis now) {
  std::optional<LogGroup> owner = find_group(transaction, account, group);
  if (!owner) owner = add_group(transaction, account, group, now);
  std::optional<LogStream> found = find_stream(transaction, owner->id, stream);
  return found ? *found : add_stream(transaction, owner->id, stream, now);
}

struct Expiring {
  std::int64_t stream = 0;
  base::Millis before = 0;
};

}  // namespace

Logs::Logs(store::Database& database, const base::Clock& clock)
    : database_(database), clock_(clock) {
  migrate_logs(database_);
  store::migrate_resources(database_);  // groups have tags
}

void Logs::append(store::Transaction& transaction, const std::string& account,
                  const std::string& group, const std::string& stream,
                  const std::vector<LogEvent>& events) {
  const base::Millis now = clock_.now();
  append_lines(transaction, open_stream(transaction, account, group, stream, now), events, now);
}

void Logs::create_stream(store::Transaction& transaction, const std::string& account,
                         const std::string& group, const std::string& stream) {
  open_stream(transaction, account, group, stream, clock_.now());
}

std::vector<LogEvent> Logs::tail(const std::string& account, const std::string& group,
                                 const std::string& stream, int count) const {
  std::vector<LogEvent> events;
  database_.read([&](store::Reader& reader) {
    const auto owner = find_group(reader, account, group);
    const auto found = owner ? find_stream(reader, owner->id, stream) : std::nullopt;
    if (!found || count <= 0) return;
    for (StoredLine& line : read_last(reader, found->id, {}, {count, INT64_MAX})) {
      events.push_back({line.position.at, std::move(line.message)});
    }
  });
  return events;
}

std::int64_t Logs::expire() {
  const base::Millis now = clock_.now();
  std::vector<Expiring> streams;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select s.id, g.retention_days from log_streams s, log_groups g where s.group_id = g.id "
        "and g.retention_days > 0 and s.first_event < ? - g.retention_days * ?",
        {now, kDay}, [&](const store::Row& row) {
          streams.push_back({row.integer(0), now - row.integer(1) * kDay});
        });
  });
  std::int64_t total = 0;
  for (const Expiring& stream : streams) {
    for (std::int64_t deleted = 1; deleted > 0; total += deleted) {
      deleted = database_.write([&](store::Transaction& transaction) {
        return delete_some_lines(transaction, stream.stream, stream.before);
      });
    }
  }
  return total;
}

}  // namespace slipway::observe
