#include "store/outbox.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include <pthread.h>

#include "base/log.h"

namespace slipway::store {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// Events given to one consumer before its position is written and the others get their turn.
constexpr int kTurn = 64;
// Delivered events that are kept for who reads them with events_after().
constexpr std::int64_t kKept = 1'000'000;
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{60'000};

std::int64_t last_sequence(Reader& reader) {
  std::int64_t last = 0;
  reader.query("select coalesce(max(sequence), 0) from events", {},
               [&](const Row& row) { last = row.integer(0); });
  return last;
}

std::chrono::milliseconds pause_after(int failures) {
  std::chrono::milliseconds pause = kFirstPause;
  for (int i = 1; i < failures && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

}  // namespace

void migrate_outbox(Database& database) {
  database.migrate({
      "create table if not exists events (sequence bigint not null primary key, at bigint not "
      "null, account text not null, type text not null, subject text not null, detail text not "
      "null)",
      "create table if not exists event_consumers (name text not null primary key, position "
      "bigint not null)",
  });
}

void append(Transaction& transaction, const Event& event) {
  // One thread writes, so the highest number cannot change in between.
  transaction.execute(
      "insert into events (sequence, at, account, type, subject, detail) values (?, ?, ?, ?, ?, ?)",
      {last_sequence(transaction) + 1, event.at, event.account, event.type, event.subject,
       base::dump_json(event.detail)});
  transaction.announce_events();
}

std::vector<Event> events_after(Reader& reader, std::int64_t sequence, int limit) {
  std::vector<Event> events;
  reader.query(
      "select sequence, at, account, type, subject, detail from events where sequence > ? "
      "order by sequence limit ?",
      {sequence, static_cast<std::int64_t>(limit)}, [&](const Row& row) {
        events.push_back({row.integer(0), row.integer(1), row.text(2), row.text(3), row.text(4),
                          base::parse_json(row.text(5), "a stored event")});
      });
  return events;
}

// Used by start() and then by the pump's thread alone.
struct EventPump::Consumer {
  std::string name;
  std::function<void(const Event&)> handler;
  int attempts = 1;
  std::int64_t position = 0;
  int failures = 0;                      // of the event behind `position`
  std::optional<SteadyTime> not_before;  // of its next attempt, after a failure

  void load_position(Database& database);
  // True where more events may wait. Ends between two events once `stopping` says so.
  bool deliver_turn(Database& database, const std::function<bool()>& stopping);

 private:
  enum class Outcome { kPassed, kWait };
  Outcome deliver(const Event& event);
};

void EventPump::Consumer::load_position(Database& database) {
  position = database.write([&](Transaction& transaction) {
    transaction.execute(
        "insert into event_consumers (name, position) values (?, ?) on conflict (name) do nothing",
        {name, last_sequence(transaction)});
    std::int64_t stored = 0;
    transaction.query("select position from event_consumers where name = ?", {name},
                      [&](const Row& row) { stored = row.integer(0); });
    return stored;
  });
}

EventPump::Consumer::Outcome EventPump::Consumer::deliver(const Event& event) {
  try {
    handler(event);
  } catch (const std::exception& error) {
    ++failures;
    if (failures < attempts) {
      not_before = std::chrono::steady_clock::now() + pause_after(failures);
      return Outcome::kWait;
    }
    base::log(Level::kError, "an event was passed over because its handler keeps failing",
              {{"consumer", name},
               {"event", event.type},
               {"subject", event.subject},
               {"sequence", event.sequence},
               {"error", error.what()}});
  }
  failures = 0;
  return Outcome::kPassed;
}

bool EventPump::Consumer::deliver_turn(Database& database, const std::function<bool()>& stopping) {
  not_before.reset();
  const std::int64_t before = position;
  const std::vector<Event> events =
      database.read([&](Reader& reader) { return events_after(reader, position, kTurn); });
  for (const Event& event : events) {
    if (stopping() || deliver(event) == Outcome::kWait) break;
    position = event.sequence;
  }
  // A crash before this line delivers the turn again: at least once, not exactly once.
  if (position != before) {
    database.write([&](Transaction& transaction) {
      transaction.execute("update event_consumers set position = ? where name = ?",
                          {position, name});
    });
  }
  return failures == 0 && static_cast<int>(events.size()) == kTurn;
}

EventPump::EventPump(Database& database) : database_(database) {}

EventPump::~EventPump() { stop(); }

void EventPump::consume(const std::string& name, std::function<void(const Event&)> handler,
                        int attempts) {
  auto consumer = std::make_unique<Consumer>();
  consumer->name = name;
  consumer->handler = std::move(handler);
  consumer->attempts = std::max(1, attempts);
  consumers_.push_back(std::move(consumer));
}

void EventPump::start() {
  if (thread_.joinable()) return;
  std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
  for (const auto& consumer : consumers_) {
    consumer->load_position(database_);
    slowest = std::min(slowest, consumer->position);
  }
  database_.write([&](Transaction& transaction) {
    transaction.execute("delete from events where sequence <= ?",
                        {std::min(slowest, last_sequence(transaction) - kKept)});
  });
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
    woken_ = true;  // events may have waited since the last run
  }
  database_.listen_for_events([this] { wake(); });
  thread_ = std::thread([this] { run(); });
}

void EventPump::stop() {
  if (!thread_.joinable()) return;
  database_.listen_for_events({});
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void EventPump::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void EventPump::run() {
  ::pthread_setname_np(::pthread_self(), "event-pump");
  constexpr std::chrono::seconds kIdle{60};
  const auto stopping = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  while (true) {
    SteadyTime next = std::chrono::steady_clock::now() + kIdle;
    {
      std::unique_lock lock(mutex_);
      for (const auto& consumer : consumers_) {
        if (consumer->not_before) next = std::min(next, *consumer->not_before);
      }
      changed_.wait_until(lock, next, [&] { return stopping_ || woken_; });
      if (stopping_) return;
      woken_ = false;
    }
    for (const auto& consumer : consumers_) {
      if (consumer->not_before && std::chrono::steady_clock::now() < *consumer->not_before)
        continue;
      try {
        if (consumer->deliver_turn(database_, stopping)) wake();
      } catch (const std::exception& error) {
        consumer->not_before = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        base::log(Level::kError, "events could not be read or a position not written",
                  {{"consumer", consumer->name}, {"error", error.what()}});
      }
    }
  }
}

}  // namespace slipway::store
