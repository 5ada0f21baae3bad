#include <algorithm>

#include "base/error.h"
#include "observe/log_parts.h"

namespace slipway::observe {
namespace {

constexpr base::Millis kDay = 86'400'000;
constexpr base::Millis kOldest = 14 * kDay;
constexpr base::Millis kNewest = 2 * 3'600'000;
constexpr int kLargestPage = 10'000;

struct Sorted {
  std::vector<LogEvent> taken;
  Json rejected = Json::object();
};

// CloudWatch takes what lies between fourteen days ago, or the group's retention, and two hours
// from now.
Sorted sort_events(const std::vector<LogEvent>& events, base::Millis now, int retention_days) {
  Sorted sorted;
  const base::Millis expired = retention_days > 0 ? now - retention_days * kDay : INT64_MIN;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const base::Millis at = events[i].at;
    if (at > now + kNewest) {
      if (!sorted.rejected.contains("tooNewLogEventStartIndex")) {
        sorted.rejected["tooNewLogEventStartIndex"] = i;
      }
    } else if (at < expired) {
      sorted.rejected["expiredLogEventEndIndex"] = i + 1;
    } else if (at < now - kOldest) {
      sorted.rejected["tooOldLogEventEndIndex"] = i + 1;
    } else {
      sorted.taken.push_back(events[i]);
    }
  }
  return sorted;
}

// The tokens around a page. An empty page leaves the token that asked for it as it was, which tells
// clients that they are at the end; without one, the page's place is where its range begins.
struct Around {
  LogPosition forward;
  LogPosition backward;
};
Around around(const std::vector<StoredLine>& lines, const std::optional<EventToken>& asked,
              const LineRange& range) {
  if (!lines.empty()) return {lines.back().position, lines.front().position};
  const LogPosition place = asked ? asked->position : LogPosition{range.from, 0};
  return {place, place};
}

}  // namespace

Json put_log_events(Logs& logs, const LogsCaller& caller, const Json& input) {
  std::vector<LogEvent> events;
  for (const Json& event : base::array_or_empty(input, "logEvents")) {
    events.push_back({base::integer_or(event, "timestamp", 0), base::text_or(event, "message")});
    if (events.size() > 1 && events[events.size() - 2].at > events.back().at) {
      refuse_parameter(
          "Log events in a single PutLogEvents request must be in chronological order.");
    }
  }
  return logs.database().write([&](store::Transaction& transaction) {
    const LogGroup group = require_group(transaction, caller, group_name(input));
    const LogStream stream =
        require_stream(transaction, group, base::text_or(input, "logStreamName"));
    const base::Millis now = logs.clock().now();
    const Sorted sorted = sort_events(events, now, group.retention_days);
    append_lines(transaction, stream, sorted.taken, now);
    // Sequence tokens are no longer asked for; old clients send back what they got.
    const auto next = stream.next_sequence + static_cast<std::int64_t>(sorted.taken.size());
    Json result = {{"nextSequenceToken", std::to_string(next)}};
    if (!sorted.rejected.empty()) result["rejectedLogEventsInfo"] = sorted.rejected;
    return result;
  });
}

Json get_log_events(Logs& logs, const LogsCaller& caller, const Json& input) {
  const std::string token_text = base::text_or(input, "nextToken");
  std::optional<EventToken> token;
  if (!token_text.empty()) {
    token = parse_token(token_text);
    if (!token) refuse_parameter("The specified nextToken is invalid.");
  }
  LineRange range;
  range.from = std::max<std::int64_t>(base::integer_or(input, "startTime", 0), 0);
  range.to = base::integer_or(input, "endTime", INT64_MAX);
  bool from_head = base::boolean_or(input, "startFromHead", false);
  if (token) {
    from_head = token->kind == TokenKind::kForward;
    (from_head ? range.after : range.before) = token->position;
  }
  PageBound bound;
  bound.lines = static_cast<int>(
      std::clamp<std::int64_t>(base::integer_or(input, "limit", kLargestPage), 1, kLargestPage));

  const std::vector<StoredLine> lines = logs.database().read([&](store::Reader& reader) {
    const LogGroup group = require_group(reader, caller, group_name(input));
    const LogStream stream = require_stream(reader, group, base::text_or(input, "logStreamName"));
    return from_head ? read_first(reader, stream.id, range, bound)
                     : read_last(reader, stream.id, range, bound);
  });
  Json events = Json::array();
  for (const StoredLine& line : lines) {
    events.push_back({{"timestamp", line.position.at},
                      {"message", line.message},
                      {"ingestionTime", line.ingested}});
  }
  const Around tokens = around(lines, token, range);
  return {{"events", std::move(events)},
          {"nextForwardToken", write_token({TokenKind::kForward, tokens.forward})},
          {"nextBackwardToken", write_token({TokenKind::kBackward, tokens.backward})}};
}

}  // namespace slipway::observe
