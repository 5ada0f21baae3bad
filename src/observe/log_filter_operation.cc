// FilterLogEvents: the lines of many streams in the order of their times, by merging.

#include <algorithm>
#include <deque>

#include "base/strings.h"
#include "observe/filter_pattern.h"
#include "observe/log_parts.h"

namespace slipway::observe {
namespace {

constexpr int kLargestPage = 10'000;
constexpr std::int64_t kPageBytes = 1 << 20;
// A call looks at no more lines than this, then gives a token with what it found.
constexpr int kLinesLookedAt = 100'000;
constexpr int kLinesBuffered = 20'000;  // over all streams

// The place of a line in the order of all streams.
struct MergedPosition {
  LogPosition line;
  std::int64_t stream = 0;
  auto operator<=>(const MergedPosition& other) const {
    if (const auto order = line.at <=> other.line.at; order != 0) return order;
    if (const auto order = stream <=> other.stream; order != 0) return order;
    return line.sequence <=> other.line.sequence;
  }
};

std::string write_merged(const MergedPosition& position) {
  return base::base64(std::to_string(position.line.at) + " " + std::to_string(position.stream) +
                      " " + std::to_string(position.line.sequence));
}

MergedPosition parse_merged(const std::string& token) {
  const auto text = base::from_base64(token);
  const std::vector<std::string> words = base::split(text.value_or(""), ' ');
  if (words.size() == 3) {
    const auto at = base::parse_integer(words[0]);
    const auto stream = base::parse_integer(words[1]);
    const auto sequence = base::parse_integer(words[2]);
    if (at && stream && sequence) return {{*at, *sequence}, *stream};
  }
  refuse_parameter("The specified nextToken is invalid.");
}

// One stream's lines from a place on, read in pieces.
class Cursor {
 public:
  Cursor(store::Reader& reader, const LogStream& stream, LineRange range,
         const std::optional<MergedPosition>& after, int piece)
      : reader_(reader), stream_(stream), range_(range), piece_(piece) {
    if (!after) return;
    // At the token's time, streams before its own are done, those after it are not.
    range_.after = {after->line.at, stream.id < after->stream   ? INT64_MAX
                                    : stream.id > after->stream ? 0
                                                                : after->line.sequence};
  }

  const StoredLine* front() {
    if (lines_.empty() && !exhausted_) read_piece();
    return lines_.empty() ? nullptr : &lines_.front();
  }
  StoredLine take() {
    StoredLine line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }
  MergedPosition position() { return {front()->position, stream_.id}; }
  const LogStream& stream() const { return stream_; }

 private:
  void read_piece() {
    std::vector<StoredLine> lines = read_first(reader_, stream_.id, range_, {piece_, kPageBytes});
    exhausted_ = lines.empty();
    if (!exhausted_) range_.after = lines.back().position;
    for (StoredLine& line : lines) lines_.push_back(std::move(line));
  }

  store::Reader& reader_;
  const LogStream& stream_;
  LineRange range_;
  const int piece_;
  std::deque<StoredLine> lines_;
  bool exhausted_ = false;
};

std::vector<LogStream> wanted_streams(store::Reader& reader, const LogGroup& group,
                                      const Json& input, const LineRange& range) {
  const std::string prefix = base::text_or(input, "logStreamNamePrefix");
  const Json& names = base::array_or_empty(input, "logStreamNames");
  if (!prefix.empty() && !names.empty()) {
    refuse_parameter("logStreamNamePrefix and logStreamNames are mutually exclusive.");
  }
  std::vector<LogStream> streams;
  if (names.empty()) {
    streams = streams_by_name(reader, group.id, prefix, "", false, 0);
  } else {
    for (const Json& name : names) {
      streams.push_back(require_stream(reader, group, name.get<std::string>()));
    }
  }
  std::erase_if(streams, [&](const LogStream& stream) {
    return stream.next_sequence == 1 || stream.last_event < range.from ||
           stream.first_event >= range.to;
  });
  return streams;
}

Json event_of(const LogStream& stream, const StoredLine& line) {
  std::string id = write_token({TokenKind::kForward, line.position}).substr(2);
  return {{"logStreamName", stream.name},
          {"timestamp", line.position.at},
          {"message", line.message},
          {"ingestionTime", line.ingested},
          {"eventId", std::to_string(stream.id) + id}};
}

// Merges until the page is full or nothing is left; the heap has the earliest line on top.
Json merge(std::vector<Cursor>& cursors, const FilterPattern& pattern, int limit) {
  const auto later = [](Cursor* a, Cursor* b) { return a->position() > b->position(); };
  std::vector<Cursor*> heap;
  for (Cursor& cursor : cursors) {
    if (cursor.front()) heap.push_back(&cursor);
  }
  std::make_heap(heap.begin(), heap.end(), later);

  Json result = {{"events", Json::array()}, {"searchedLogStreams", Json::array()}};
  Json& events = result["events"];
  std::int64_t bytes = 0;
  int looked_at = 0;
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Cursor& cursor = *heap.back();
    const MergedPosition position = cursor.position();
    const StoredLine line = cursor.take();
    if (pattern.matches(line.message)) {
      events.push_back(event_of(cursor.stream(), line));
      bytes += static_cast<std::int64_t>(line.message.size());
    }
    if (cursor.front()) {
      std::push_heap(heap.begin(), heap.end(), later);
    } else {
      heap.pop_back();
    }
    const bool full = static_cast<int>(events.size()) >= limit || bytes >= kPageBytes ||
                      ++looked_at >= kLinesLookedAt;
    if (full && !heap.empty()) {
      result["nextToken"] = write_merged(position);
      break;
    }
  }
  return result;
}

}  // namespace

Json filter_log_events(Logs& logs, const LogsCaller& caller, const Json& input) {
  const FilterPattern pattern = FilterPattern::parse(base::text_or(input, "filterPattern"));
  LineRange range;
  range.from = std::max<std::int64_t>(base::integer_or(input, "startTime", 0), 0);
  // Unlike GetLogEvents, the end is part of the range here.
  const std::int64_t end = base::integer_or(input, "endTime", INT64_MAX);
  range.to = end == INT64_MAX ? end : end + 1;
  const int limit = static_cast<int>(
      std::clamp<std::int64_t>(base::integer_or(input, "limit", kLargestPage), 1, kLargestPage));
  const std::string token = base::text_or(input, "nextToken");
  std::optional<MergedPosition> after;
  if (!token.empty()) after = parse_merged(token);

  return logs.database().read([&](store::Reader& reader) {
    const LogGroup group = require_group(reader, caller, group_name(input));
    const std::vector<LogStream> streams = wanted_streams(reader, group, input, range);
    const int piece =
        std::clamp(kLinesBuffered / std::max<int>(1, static_cast<int>(streams.size())), 20, 1000);
    std::vector<Cursor> cursors;
    cursors.reserve(streams.size());
    for (const LogStream& stream : streams) {
      cursors.emplace_back(reader, stream, range, after, piece);
    }
    return merge(cursors, pattern, limit);
  });
}

}  // namespace slipway::observe
