#pragma once

// The lines that the platform itself adds to functions' logs (START, END, REPORT of functions whose
// runtime does not print them; timeouts and crashes of all). They are stored a moment later,
// many in one transaction: a call does not wait for them, and a crash of the server may cost them.

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "observe/logs.h"

namespace slipway::functions {

// Thread-safe.
class PlatformLog {
 public:
  PlatformLog(observe::Logs& logs, const base::Clock& clock);
  ~PlatformLog();  // stop()
  void start();
  void stop();  // stores what is left

  void add(const std::string& account, const std::string& group, const std::string& stream,
           const std::vector<std::string>& lines);

 private:
  using Stream = std::tuple<std::string, std::string, std::string>;  // account, group, stream
  void run();
  void store(const std::map<Stream, std::vector<observe::LogEvent>>& lines);

  observe::Logs& logs_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Stream, std::vector<observe::LogEvent>> waiting_;  // guarded by mutex_
  std::size_t count_ = 0;                                     // of lines; guarded by mutex_
  bool running_ = false;                                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::functions
