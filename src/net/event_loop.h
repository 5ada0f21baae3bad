#pragma once

// The event loop: epoll, edge-triggered, one thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/file_descriptor.h"
#include "net/loop_handler.h"
#include "net/timer_wheel.h"

namespace slipway::net {

// Everything but post() belongs to the thread that calls run(); before run(), to the
// one that built it.
class EpollLoop final : public Loop {
 public:
  EpollLoop();
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  // Serves until end() is called, then finishes the round.
  void run();
  void end() { ending_ = true; }

  void watch(int descriptor, std::uint32_t events, Ready ready) override;
  // Other events for a descriptor that is watched. What is ready already is reported
  // again, even where the events are the same.
  void rewatch(int descriptor, std::uint32_t events);
  void forget(int descriptor) override;
  std::uint64_t after(std::chrono::milliseconds delay, std::function<void()> then) override;
  void cancel(std::uint64_t timer) override { timers_.cancel(timer); }
  void post(std::function<void()> then) override;
  // Runs `then` at the end of this round, after the events that are being reported. For
  // going on without being called from inside oneself.
  void soon(std::function<void()> then) { soon_.push_back(std::move(then)); }
  std::chrono::steady_clock::time_point now() const override { return now_; }

 private:
  struct Watch {
    int descriptor;
    Ready ready;
    bool live = true;
  };

  int wait_milliseconds() const;
  void run_posted();
  void run_soon();

  base::FileDescriptor epoll_;
  base::FileDescriptor wake_;
  std::chrono::steady_clock::time_point now_;
  TimerWheel timers_;
  std::vector<std::unique_ptr<Watch>> watches_;  // by descriptor
  // Forgotten in this round: events of the round may still name them, and one of them
  // may be running.
  std::vector<std::unique_ptr<Watch>> forgotten_;
  std::vector<std::function<void()>> soon_;
  bool ending_ = false;

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

}  // namespace slipway::net
