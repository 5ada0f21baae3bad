#pragma once

// The tables of CloudWatch Logs.
//
//   log_groups(account, name) → id, created, retention_days (0: for ever)
//   log_streams(group_id, name) → id, created, first and last event (0: none), next_sequence, bytes
//   log_lines(stream_id, at, sequence) → ingested, message
//
// `sequence` counts a stream's lines as they came, so (at, sequence) is a total order that
// only grows at equal times. The primary key is the only index of log_lines: appending is hot.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "observe/logs.h"
#include "store/database.h"

namespace slipway::observe {

struct LogGroup {
  std::int64_t id = 0;
  std::string name;
  base::Millis created = 0;
  int retention_days = 0;
  std::int64_t bytes = 0;
};

struct LogStream {
  std::int64_t id = 0;
  std::string name;
  base::Millis created = 0;
  base::Millis first_event = 0;
  base::Millis last_event = 0;
  base::Millis last_ingestion = 0;
  std::int64_t next_sequence = 1;
  std::int64_t bytes = 0;
};

// A place between lines; sequences start at 1.
struct LogPosition {
  base::Millis at = 0;
  std::int64_t sequence = 0;
  auto operator<=>(const LogPosition&) const = default;
};

struct StoredLine {
  LogPosition position;
  base::Millis ingested = 0;
  std::string message;
};

// Lines with from <= at < to that lie between the positions, both exclusive.
struct LineRange {
  base::Millis from = 0;
  base::Millis to = INT64_MAX;
  LogPosition after;
  LogPosition before{INT64_MAX, INT64_MAX};
};
// What ends a page: that many lines, or that many bytes, each line counting 26 more; never before
// one.
struct PageBound {
  int lines = 10'000;
  std::int64_t bytes = 1 << 20;
};

void migrate_logs(store::Database& database);

std::optional<LogGroup> find_group(store::Reader& reader, const std::string& account,
                                   const std::string& name);
// Requires that it is not there.
LogGroup add_group(store::Transaction& transaction, const std::string& account,
                   const std::string& name, base::Millis now);
std::optional<LogStream> find_stream(store::Reader& reader, std::int64_t group,
                                     const std::string& name);
LogStream add_stream(store::Transaction& transaction, std::int64_t group, const std::string& name,
                     base::Millis now);
// The stream's names after `after` in order, with the prefix; all of them where limit is 0.
std::vector<LogStream> streams_by_name(store::Reader& reader, std::int64_t group,
                                       const std::string& prefix, const std::string& after,
                                       bool descending, int limit);
std::vector<LogStream> streams_by_last_event(store::Reader& reader, std::int64_t group,
                                             const LogStream* after, bool descending, int limit);
std::vector<LogGroup> groups_by_name(store::Reader& reader, const std::string& account,
                                     const std::string& prefix, const std::string& pattern,
                                     const std::string& after, int limit);

void append_lines(store::Transaction& transaction, const LogStream& stream,
                  const std::vector<LogEvent>& events, base::Millis now);
// The first lines of the range, oldest first.
std::vector<StoredLine> read_first(store::Reader& reader, std::int64_t stream,
                                   const LineRange& range, const PageBound& bound);
// The last lines of the range, oldest first too.
std::vector<StoredLine> read_last(store::Reader& reader, std::int64_t stream,
                                  const LineRange& range, const PageBound& bound);

// Deletes the stream's lines before `before`, at most some thousands; returns how many. Call it
// until it returns 0.
std::int64_t delete_some_lines(store::Transaction& transaction, std::int64_t stream,
                               base::Millis before);
void delete_stream_row(store::Transaction& transaction, std::int64_t stream);
void delete_group_row(store::Transaction& transaction, std::int64_t group);

}  // namespace slipway::observe
