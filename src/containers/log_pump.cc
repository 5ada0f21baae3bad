#include "containers/log_pump.h"

#include <algorithm>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "containers/output.h"

namespace slipway::containers {
namespace {

constexpr std::chrono::milliseconds kLook{200};
constexpr std::chrono::seconds kAfterFailure{5};
constexpr std::size_t kBatchBytes = 1u << 20;
constexpr std::size_t kBatchLines = 10'000;
static_assert(kBatchBytes > 2 * kLongestLine, "a batch holds at least one whole line");

// "<epoch ms> <O|E> <text>"; a line torn by a full disk keeps its text and takes the last time.
observe::LogEvent parse_line(std::string_view line, base::Millis last) {
  const std::size_t blank = line.find(' ');
  if (blank == 13 && line.size() >= 16 && line[15] == ' ') {
    if (const auto at = base::parse_integer(line.substr(0, blank))) {
      return {*at, std::string(line.substr(16))};
    }
  }
  return {last, std::string(line)};
}

}  // namespace

struct LogPump::Followed {
  std::string container;
  Target target;
  std::mutex mutex;                                  // held while carrying
  std::int64_t offset = 0;                           // guarded by mutex
  base::Millis last = 0;                             // guarded by mutex
  base::FileDescriptor file;                         // guarded by mutex
  std::chrono::steady_clock::time_point not_before;  // guarded by mutex: after a failure
};

LogPump::LogPump(Engine& engine, observe::Logs& logs) : engine_(engine), logs_(logs) {
  logs_.database().migrate(
      {"create table if not exists log_positions (container text primary key, position bigint not "
       "null)"});
  // Positions of containers that were removed.
  const std::vector<std::string> containers = engine_.list();
  logs_.database().write([&](store::Transaction& transaction) {
    std::vector<std::string> gone;
    transaction.query("select container from log_positions", {}, [&](const store::Row& row) {
      const std::string container = row.text(0);
      if (std::find(containers.begin(), containers.end(), container) == containers.end()) {
        gone.push_back(container);
      }
    });
    for (const std::string& container : gone) {
      transaction.execute("delete from log_positions where container = ?", {container});
    }
  });
  thread_ = std::thread([this] { run(); });
}

LogPump::~LogPump() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void LogPump::follow(const std::string& container, Target target) {
  auto followed = std::make_shared<Followed>();
  followed->container = container;
  followed->target = std::move(target);
  const Target& to = followed->target;
  followed->offset = logs_.database().write([&](store::Transaction& transaction) {
    logs_.create_stream(transaction, to.account, to.group, to.stream);
    std::int64_t position = 0;
    transaction.query("select position from log_positions where container = ?", {container},
                      [&](const store::Row& row) { position = row.integer(0); });
    return position;
  });
  {
    const std::lock_guard lock(mutex_);
    followed_.try_emplace(container, std::move(followed));
  }
  changed_.notify_all();
}

void LogPump::drain(const std::string& container) {
  std::shared_ptr<Followed> followed;
  {
    const std::lock_guard lock(mutex_);
    const auto found = followed_.find(container);
    if (found == followed_.end()) return;
    followed = found->second;
  }
  {
    const std::lock_guard carrying(followed->mutex);
    while (carry(*followed, End::kReached)) {
    }
  }
  const std::lock_guard lock(mutex_);
  followed_.erase(container);
}

void LogPump::run() {
  ::pthread_setname_np(::pthread_self(), "log-pump");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (followed_.empty()) {
      changed_.wait(lock, [&] { return stopping_ || !followed_.empty(); });
      continue;
    }
    std::vector<std::shared_ptr<Followed>> round;
    for (const auto& [container, followed] : followed_) round.push_back(followed);
    lock.unlock();
    bool more = false;
    for (const std::shared_ptr<Followed>& followed : round) {
      const std::lock_guard carrying(followed->mutex);
      if (std::chrono::steady_clock::now() < followed->not_before) continue;
      try {
        more |= carry(*followed, End::kMayGrow);
      } catch (const std::exception& error) {
        // The position has not moved, so nothing is lost; drain() gives the error to its caller.
        log(Level::kError, "a container's output cannot be stored",
            {{"container", followed->container}, {"error", error.what()}});
        followed->not_before = std::chrono::steady_clock::now() + kAfterFailure;
      }
    }
    lock.lock();
    if (!more) changed_.wait_for(lock, kLook, [&] { return stopping_; });
  }
}

// Carries one batch; requires followed.mutex. True where there may be more already.
bool LogPump::carry(Followed& followed, End end) {
  if (!followed.file) {
    const std::filesystem::path path = engine_.log_path(followed.container);
    followed.file = base::FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!followed.file) return false;  // removed, or not there yet
  }
  std::string bytes(kBatchBytes, '\0');
  const ssize_t count = ::pread(followed.file.get(), bytes.data(), bytes.size(), followed.offset);
  if (count < 0) base::throw_errno("reading the output of container " + followed.container);
  bytes.resize(static_cast<std::size_t>(count));
  const bool whole_batch = bytes.size() == kBatchBytes;

  std::vector<observe::LogEvent> events;
  std::string_view rest = bytes;
  base::Millis last = followed.last != 0 ? followed.last : logs_.clock().now();
  while (!rest.empty() && events.size() < kBatchLines) {
    std::size_t length = rest.find('\n');
    const bool complete = length != std::string_view::npos;
    if (!complete && (end == End::kMayGrow || whole_batch)) break;
    if (!complete) length = rest.size();
    events.push_back(parse_line(rest.substr(0, length), last));
    last = events.back().at;
    rest.remove_prefix(complete ? length + 1 : length);
  }
  if (events.empty()) return false;
  const std::int64_t position =
      followed.offset + static_cast<std::int64_t>(bytes.size() - rest.size());
  const Target& to = followed.target;
  logs_.database().write([&](store::Transaction& transaction) {
    if (to.on_lines) to.on_lines(transaction, events);
    logs_.append(transaction, to.account, to.group, to.stream, events);
    transaction.execute(
        "insert into log_positions (container, position) values (?, ?) on conflict (container) do "
        "update set position = excluded.position",
        {followed.container, position});
  });
  followed.offset = position;
  followed.last = last;
  return whole_batch || events.size() >= kBatchLines;
}

}  // namespace slipway::containers
