#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace slipway::net {

TimerWheel::TimerWheel(Time start) : start_(start) { slots_.fill(kNone); }

std::uint64_t TimerWheel::add(Time due, std::function<void()> then) {
  std::uint32_t index = free_;
  if (index == kNone) {
    index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[index].next;
  }
  Node& node = nodes_[index];
  const auto since = due > start_ ? due - start_ : Time::duration::zero();
  const auto ticks = static_cast<std::uint64_t>((since + kTick - Time::duration(1)) / kTick);
  node.tick = std::max(ticks, tick_ + 1);
  node.then = std::move(then);
  node.generation += 1;
  node.slot = static_cast<std::uint32_t>(node.tick % kSlots);
  node.previous = kNone;
  node.next = slots_[node.slot];
  if (node.next != kNone) nodes_[node.next].previous = index;
  slots_[node.slot] = index;
  occupied_[node.slot / 64] |= std::uint64_t{1} << (node.slot % 64);
  ++count_;
  return (std::uint64_t{node.generation} << 32) | index;
}

void TimerWheel::unlink(std::uint32_t index) {
  Node& node = nodes_[index];
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  if (node.previous != kNone) {
    nodes_[node.previous].next = node.next;
  } else {
    slots_[node.slot] = node.next;
    if (node.next == kNone) occupied_[node.slot / 64] &= ~(std::uint64_t{1} << (node.slot % 64));
  }
}

void TimerWheel::release(std::uint32_t index) {
  Node& node = nodes_[index];
  node.slot = kFree;
  node.next = free_;
  free_ = index;
  --count_;
}

void TimerWheel::cancel(std::uint64_t timer) {
  const auto index = static_cast<std::uint32_t>(timer);
  if (timer == 0 || index >= nodes_.size()) return;
  Node& node = nodes_[index];
  if (node.generation != timer >> 32 || node.slot == kFree) return;
  if (node.slot != kDue) unlink(index);
  // What the function holds may itself cancel: let it go when the node is free.
  const std::function<void()> gone = std::exchange(node.then, nullptr);
  release(index);
}

void TimerWheel::collect(std::uint32_t slot, std::uint64_t until) {
  for (std::uint32_t index = slots_[slot]; index != kNone;) {
    Node& node = nodes_[index];
    const std::uint32_t next = node.next;
    if (node.tick <= until) {
      unlink(index);
      node.slot = kDue;
      due_.push_back((std::uint64_t{node.generation} << 32) | index);
    }
    index = next;
  }
}

void TimerWheel::run_due(Time now) {
  if (now <= start_) return;
  const auto until = static_cast<std::uint64_t>((now - start_) / kTick);
  if (until <= tick_) return;
  if (count_ == 0) {
    tick_ = until;
    return;
  }
  const std::uint64_t first = until - tick_ > kSlots ? until - kSlots + 1 : tick_ + 1;
  for (std::uint64_t tick = first; tick <= until; ++tick) {
    const auto slot = static_cast<std::uint32_t>(tick % kSlots);
    if (slots_[slot] != kNone) collect(slot, until);
  }
  tick_ = until;
  for (std::size_t i = 0; i < due_.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(due_[i]);
    // One that ran before may have cancelled this one.
    if (nodes_[index].generation != due_[i] >> 32 || nodes_[index].slot != kDue) continue;
    const std::function<void()> then = std::exchange(nodes_[index].then, nullptr);
    release(index);
    then();
  }
  due_.clear();
}

std::optional<std::chrono::milliseconds> TimerWheel::wait(Time now) const {
  if (count_ == 0) return std::nullopt;
  const auto from = static_cast<std::uint32_t>((tick_ + 1) % kSlots);
  // A whole round, word by word, starting in the middle of the first one.
  for (std::uint32_t step = 0; step <= kSlots / 64; ++step) {
    const std::uint32_t word = (from / 64 + step) % (kSlots / 64);
    std::uint64_t bits = occupied_[word];
    if (step == 0) bits &= ~std::uint64_t{0} << (from % 64);
    if (bits == 0) continue;
    const std::uint32_t slot = word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    const std::uint64_t ahead = (slot + kSlots - from) % kSlots;
    const Time at = start_ + kTick * static_cast<std::int64_t>(tick_ + 1 + ahead);
    if (at <= now) return std::chrono::milliseconds(0);
    return std::chrono::ceil<std::chrono::milliseconds>(at - now);
  }
  return std::chrono::milliseconds(0);
}

}  // namespace slipway::net
