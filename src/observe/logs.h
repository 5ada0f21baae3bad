#pragma once

// CloudWatch Logs: groups, streams and their lines.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::observe {

struct LogEvent {
  base::Millis at = 0;
  std::string message;  // without the line end; at most 256 KiB, longer ones are cut
};

// Thread-safe.
class Logs {
 public:
  Logs(store::Database& database, const base::Clock& clock);

  // Appends in order; creates group and stream where they are not there. For writers that
  // keep their own position in the same transaction, so that a crash neither loses nor repeats
  // lines.
  void append(store::Transaction& transaction, const std::string& account, const std::string& group,
              const std::string& stream, const std::vector<LogEvent>& events);
  void create_stream(store::Transaction& transaction, const std::string& account,
                     const std::string& group, const std::string& stream);

  // The last `count` lines of a stream, oldest first.
  std::vector<LogEvent> tail(const std::string& account, const std::string& group,
                             const std::string& stream, int count) const;

  // Deletes the lines that are older than their group's retention; returns how many. Does so in
  // short transactions, so writers go on. For a daily call.
  std::int64_t expire();

  store::Database& database() const { return database_; }
  const base::Clock& clock() const { return clock_; }

 private:
  store::Database& database_;
  const base::Clock& clock_;
};

// CreateLogGroup, DescribeLogGroups, DeleteLogGroup, PutRetentionPolicy, DeleteRetentionPolicy,
// CreateLogStream, DescribeLogStreams, DeleteLogStream, PutLogEvents, GetLogEvents,
// FilterLogEvents, ListTagsForResource, TagResource, UntagResource.
void register_logs_api(wire::Api& api, Logs& logs);

}  // namespace slipway::observe
