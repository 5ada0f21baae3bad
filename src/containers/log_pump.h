#pragma once

// Carries containers' output into log streams, each line once, also across a crash:
// the position in the container's log moves in the transaction that appends the lines.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "containers/containers.h"
#include "observe/logs.h"

namespace slipway::containers {

// Thread-safe.
class LogPump {
 public:
  struct Target {
    std::string account;
    std::string group;
    std::string stream;
    // Sees each batch of lines before it is stored, in order, in the same transaction (metric
    // regexes).
    std::function<void(store::Transaction&, const std::vector<observe::LogEvent>&)> on_lines;
  };

  LogPump(Engine& engine, observe::Logs& logs);
  ~LogPump();

  // Follows the container until drain(). Repeatable after a restart.
  void follow(const std::string& container, Target target);
  // Carries over what is left, waits for it to be durable, and stops following. Call it
  // after the container's end. Throws what the database or `on_lines` throws; then it can be
  // repeated.
  void drain(const std::string& container);

 private:
  struct Followed;
  enum class End { kMayGrow, kReached };
  void run();
  bool carry(Followed& followed, End end);

  Engine& engine_;
  observe::Logs& logs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Followed>> followed_;  // guarded by mutex_
  bool stopping_ = false;                                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::containers
