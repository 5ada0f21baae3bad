#include "functions/platform_log.h"

#include <chrono>
#include <exception>

#include "base/log.h"

namespace slipway::functions {
namespace {

constexpr std::chrono::milliseconds kCollect{200};
constexpr std::size_t kMostLines = 20'000;  // that wait; what comes then is lost

}  // namespace

PlatformLog::PlatformLog(observe::Logs& logs, const base::Clock& clock)
    : logs_(logs), clock_(clock) {}

PlatformLog::~PlatformLog() { stop(); }

void PlatformLog::start() {
  const std::lock_guard lock(mutex_);
  if (running_) return;
  running_ = true;
  thread_ = std::thread([this] { run(); });
}

void PlatformLog::stop() {
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PlatformLog::add(const std::string& account, const std::string& group,
                      const std::string& stream, const std::vector<std::string>& lines) {
  const base::Millis now = clock_.now();
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (!running_ || count_ + lines.size() > kMostLines) return;
    first = waiting_.empty();
    auto& events = waiting_[{account, group, stream}];
    for (const std::string& line : lines) events.push_back({now, line});
    count_ += lines.size();
  }
  if (first) changed_.notify_one();
}

void PlatformLog::run() {
  std::unique_lock lock(mutex_);
  while (running_ || !waiting_.empty()) {
    changed_.wait(lock, [&] { return !running_ || !waiting_.empty(); });
    changed_.wait_for(lock, kCollect, [&] { return !running_; });
    std::map<Stream, std::vector<observe::LogEvent>> lines;
    lines.swap(waiting_);
    count_ = 0;
    lock.unlock();
    store(lines);
    lock.lock();
  }
}

void PlatformLog::store(const std::map<Stream, std::vector<observe::LogEvent>>& lines) {
  try {
    logs_.database().write([&](store::Transaction& transaction) {
      for (const auto& [stream, events] : lines) {
        logs_.append(transaction, std::get<0>(stream), std::get<1>(stream), std::get<2>(stream),
                     events);
      }
    });
  } catch (const std::exception& error) {
    log(Level::kError, "lines of functions' logs cannot be stored", {{"error", error.what()}});
  }
}

}  // namespace slipway::functions
