#include "observe/log_store.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::observe {
namespace {

constexpr std::size_t kLongestMessage = 256u << 10;
constexpr std::int64_t kLineOverhead = 26;  // as CloudWatch counts
constexpr int kDeletedAtOnce = 5000;

constexpr const char* kStreamColumns =
    "id, name, created, first_event, last_event, last_ingestion, next_sequence, bytes";

LogStream stream_of(const store::Row& row) {
  return {row.integer(0), row.text(1),    row.integer(2), row.integer(3),
          row.integer(4), row.integer(5), row.integer(6), row.integer(7)};
}

std::vector<LogStream> query_streams(store::Reader& reader, const std::string& rest,
                                     std::vector<store::Value> values, int limit) {
  std::string sql = std::string("select ") + kStreamColumns + " from log_streams where " + rest;
  if (limit > 0) {
    sql += " limit ?";
    values.emplace_back(std::int64_t{limit});
  }
  std::vector<LogStream> streams;
  reader.query(sql, values, [&](const store::Row& row) { streams.push_back(stream_of(row)); });
  return streams;
}

std::int64_t next_id(store::Transaction& transaction, const std::string& table) {
  std::int64_t id = 1;
  transaction.query("select coalesce(max(id), 0) + 1 from " + table, {},
                    [&](const store::Row& row) { id = row.integer(0); });
  return id;
}

enum class Direction { kForward, kBackward };

std::vector<StoredLine> read_lines(store::Reader& reader, std::int64_t stream,
                                   const LineRange& range, const PageBound& bound,
                                   Direction direction) {
  // The tighter of time and position goes into the row comparison that the index serves.
  const LogPosition after = std::max(range.after, LogPosition{range.from, 0});
  const LogPosition before = std::min(range.before, LogPosition{range.to, 0});
  const std::string order = direction == Direction::kForward ? "" : " desc";
  // In pieces, so that long lines beyond the page's end are not read.
  constexpr std::int64_t kPiece = 1000;
  std::vector<StoredLine> lines;
  LogPosition low = after;
  LogPosition high = before;
  std::int64_t bytes = 0;
  bool full = false;
  while (!full) {
    const std::int64_t piece =
        std::min<std::int64_t>(kPiece, bound.lines - static_cast<std::int64_t>(lines.size()));
    std::int64_t count = 0;
    reader.query(
        "select at, sequence, ingested, message from log_lines where stream_id = ? and "
        "(at, sequence) > (?, ?) and (at, sequence) < (?, ?) order by at" +
            order + ", sequence" + order + " limit ?",
        {stream, low.at, low.sequence, high.at, high.sequence, piece}, [&](const store::Row& row) {
          ++count;
          if (full) return;
          StoredLine line{{row.integer(0), row.integer(1)}, row.integer(2), row.text(3)};
          bytes += static_cast<std::int64_t>(line.message.size()) + kLineOverhead;
          if (bytes > bound.bytes && !lines.empty()) {
            full = true;
            return;
          }
          (direction == Direction::kForward ? low : high) = line.position;
          lines.push_back(std::move(line));
        });
    if (count < piece || static_cast<int>(lines.size()) >= bound.lines) full = true;
  }
  if (direction == Direction::kBackward) std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace

void migrate_logs(store::Database& database) {
  database.migrate({
      "create table if not exists log_groups (id bigint primary key, account text not null, "
      "name text not null, created bigint not null, retention_days bigint not null, "
      "unique (account, name))",
      "create table if not exists log_streams (id bigint primary key, group_id bigint not null, "
      "name text not null, created bigint not null, first_event bigint not null, "
      "last_event bigint not null, last_ingestion bigint not null, next_sequence bigint not null, "
      "bytes bigint not null, unique (group_id, name))",
      "create table if not exists log_lines (stream_id bigint not null, at bigint not null, "
      "sequence bigint not null, ingested bigint not null, message text not null, "
      "primary key (stream_id, at, sequence))",
  });
}

std::optional<LogGroup> find_group(store::Reader& reader, const std::string& account,
                                   const std::string& name) {
  std::optional<LogGroup> group;
  reader.query(
      "select id, created, retention_days from log_groups where account = ? and name = ?",
      {account, name}, [&](const store::Row& row) {
        group = LogGroup{row.integer(0), name, row.integer(1), static_cast<int>(row.integer(2)), 0};
      });
  return group;
}

LogGroup add_group(store::Transaction& transaction, const std::string& account,
                   const std::string& name, base::Millis now) {
  const LogGroup group{next_id(transaction, "log_groups"), name, now, 0, 0};
  transaction.execute(
      "insert into log_groups (id, account, name, created, retention_days) values (?, ?, ?, ?, 0)",
      {group.id, account, name, now});
  return group;
}

std::optional<LogStream> find_stream(store::Reader& reader, std::int64_t group,
                                     const std::string& name) {
  const std::vector<LogStream> found =
      query_streams(reader, "group_id = ? and name = ?", {group, name}, 1);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

LogStream add_stream(store::Transaction& transaction, std::int64_t group, const std::string& name,
                     base::Millis now) {
  LogStream stream;
  stream.id = next_id(transaction, "log_streams");
  stream.name = name;
  stream.created = now;
  transaction.execute(
      "insert into log_streams (id, group_id, name, created, first_event, last_event, "
      "last_ingestion, next_sequence, bytes) values (?, ?, ?, ?, 0, 0, 0, 1, 0)",
      {stream.id, group, name, now});
  return stream;
}

std::vector<LogStream> streams_by_name(store::Reader& reader, std::int64_t group,
                                       const std::string& prefix, const std::string& after,
                                       bool descending, int limit) {
  std::string rest = "group_id = ? and name >= ? and substr(name, 1, length(?)) = ?";
  std::vector<store::Value> values = {group, prefix, prefix, prefix};
  if (!after.empty()) {
    rest += descending ? " and name < ?" : " and name > ?";
    values.emplace_back(after);
  }
  rest += descending ? " order by name desc" : " order by name";
  return query_streams(reader, rest, std::move(values), limit);
}

std::vector<LogStream> streams_by_last_event(store::Reader& reader, std::int64_t group,
                                             const LogStream* after, bool descending, int limit) {
  std::string rest = "group_id = ?";
  std::vector<store::Value> values = {group};
  if (after) {
    rest += descending ? " and (last_event, name) < (?, ?)" : " and (last_event, name) > (?, ?)";
    values.emplace_back(after->last_event);
    values.emplace_back(after->name);
  }
  rest += descending ? " order by last_event desc, name desc" : " order by last_event, name";
  return query_streams(reader, rest, std::move(values), limit);
}

std::vector<LogGroup> groups_by_name(store::Reader& reader, const std::string& account,
                                     const std::string& prefix, const std::string& pattern,
                                     const std::string& after, int limit) {
  std::vector<LogGroup> groups;
  reader.query(
      "select g.id, g.name, g.created, g.retention_days, (select coalesce(sum(s.bytes), 0) from "
      "log_streams s where s.group_id = g.id) from log_groups g where g.account = ? and "
      "g.name >= ? and substr(g.name, 1, length(?)) = ? and g.name > ? and (? = '' or "
      "replace(lower(g.name), ?, '') <> lower(g.name)) order by g.name limit ?",
      {account, prefix, prefix, prefix, after, pattern, base::lower(pattern), std::int64_t{limit}},
      [&](const store::Row& row) {
        groups.push_back({row.integer(0), row.text(1), row.integer(2),
                          static_cast<int>(row.integer(3)), row.integer(4)});
      });
  return groups;
}

void append_lines(store::Transaction& transaction, const LogStream& stream,
                  const std::vector<LogEvent>& events, base::Millis now) {
  if (events.empty()) return;
  std::int64_t sequence = stream.next_sequence;
  std::int64_t bytes = stream.bytes;
  base::Millis first = stream.next_sequence > 1 ? stream.first_event : events.front().at;
  base::Millis last = stream.last_event;
  for (const LogEvent& event : events) {
    const std::string_view message = base::utf8_prefix(event.message, kLongestMessage);
    transaction.execute(
        "insert into log_lines (stream_id, at, sequence, ingested, message) values (?, ?, ?, ?, ?)",
        {stream.id, event.at, sequence++, now, std::string(message)});
    bytes += static_cast<std::int64_t>(message.size()) + kLineOverhead;
    first = std::min(first, event.at);
    last = std::max(last, event.at);
  }
  transaction.execute(
      "update log_streams set first_event = ?, last_event = ?, last_ingestion = ?, "
      "next_sequence = ?, bytes = ? where id = ?",
      {first, last, now, sequence, bytes, stream.id});
}

std::vector<StoredLine> read_first(store::Reader& reader, std::int64_t stream,
                                   const LineRange& range, const PageBound& bound) {
  return read_lines(reader, stream, range, bound, Direction::kForward);
}

std::vector<StoredLine> read_last(store::Reader& reader, std::int64_t stream,
                                  const LineRange& range, const PageBound& bound) {
  return read_lines(reader, stream, range, bound, Direction::kBackward);
}

std::int64_t delete_some_lines(store::Transaction& transaction, std::int64_t stream,
                               base::Millis before) {
  LogPosition end{before, 0};
  transaction.query(
      "select at, sequence from log_lines where stream_id = ? and at < ? order by at, sequence "
      "limit 1 offset ?",
      {stream, before, std::int64_t{kDeletedAtOnce}}, [&](const store::Row& row) {
        end = {row.integer(0), row.integer(1)};
      });
  std::int64_t bytes = 0;
  transaction.query(
      "select coalesce(sum(length(message) + ?), 0) from log_lines where stream_id = ? and "
      "(at, sequence) < (?, ?)",
      {kLineOverhead, stream, end.at, end.sequence},
      [&](const store::Row& row) { bytes = row.integer(0); });
  const std::int64_t deleted =
      transaction.execute("delete from log_lines where stream_id = ? and (at, sequence) < (?, ?)",
                          {stream, end.at, end.sequence});
  if (deleted == 0) return 0;
  transaction.execute(
      "update log_streams set bytes = case when bytes > ? then bytes - ? else 0 end, first_event = "
      "coalesce((select min(at) from log_lines where stream_id = ?), last_event) where id = ?",
      {bytes, bytes, stream, stream});
  return deleted;
}

void delete_stream_row(store::Transaction& transaction, std::int64_t stream) {
  transaction.execute("delete from log_lines where stream_id = ?", {stream});
  transaction.execute("delete from log_streams where id = ?", {stream});
}

void delete_group_row(store::Transaction& transaction, std::int64_t group) {
  transaction.execute(
      "delete from log_lines where stream_id in (select id from log_streams where group_id = ?)",
      {group});
  transaction.execute("delete from log_streams where group_id = ?", {group});
  transaction.execute("delete from log_groups where id = ?", {group});
}

}  // namespace slipway::observe
