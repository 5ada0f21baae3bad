#pragma once

// Many timers of which most are cancelled: one or two a request. Adding and cancelling
// take constant time and, once warm, allocate nothing.
//
// A ring of slots, 4 ms each; a timer further away than the ring's 8 seconds stays in
// its slot for several rounds. Never early; late by up to a slot.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace slipway::net {

// Belongs to one thread.
class TimerWheel {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit TimerWheel(Time start);

  // The number is never 0 and is not used again for another timer.
  std::uint64_t add(Time due, std::function<void()> then);
  // Does nothing where the timer has run or was cancelled.
  void cancel(std::uint64_t timer);
  // Runs what is due. What it runs may add and cancel.
  void run_due(Time now);
  // How long a look is not worth while; nothing where there is no timer.
  std::optional<std::chrono::milliseconds> wait(Time now) const;

 private:
  static constexpr std::chrono::milliseconds kTick{4};
  static constexpr std::uint32_t kSlots = 2048;
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  // Where a node that is taken out to run, or free, stands instead of in a slot.
  static constexpr std::uint32_t kDue = kSlots;
  static constexpr std::uint32_t kFree = kSlots + 1;

  struct Node {
    std::function<void()> then;
    std::uint64_t tick = 0;
    std::uint32_t generation = 0;
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
    std::uint32_t slot = kFree;
  };

  void unlink(std::uint32_t index);
  void release(std::uint32_t index);
  void collect(std::uint32_t slot, std::uint64_t until);

  const Time start_;
  std::uint64_t tick_ = 0;  // all up to here have run
  std::size_t count_ = 0;
  std::vector<Node> nodes_;
  std::uint32_t free_ = kNone;
  std::array<std::uint32_t, kSlots> slots_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};  // a bit a slot
  std::vector<std::uint64_t> due_;                     // of the round being run
};

}  // namespace slipway::net
