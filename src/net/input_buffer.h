#pragma once

// The bytes that a connection has received and not used up yet.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace slipway::net {

// Used by one thread at a time. Pointers into it hold until reserve(), take() or drop().
class InputBuffer {
 public:
  char* data() noexcept { return bytes_.get() + begin_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::string_view view() const noexcept { return {bytes_.get() + begin_, size()}; }

  // Where the next bytes go, and how many have room.
  char* room() noexcept { return bytes_.get() + end_; }
  std::size_t room_size() const noexcept { return capacity_ - end_; }
  void add(std::size_t count) noexcept { end_ += count; }

  // Makes room for `count` more bytes. What is held may move.
  void reserve(std::size_t count) {
    if (room_size() >= count) return;
    const std::size_t held = size();
    if (capacity_ - held >= count && begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, held);
    } else {
      const std::size_t wanted = std::max(held + count, capacity_ * 2);
      auto larger = std::make_unique_for_overwrite<char[]>(wanted);
      if (held > 0) std::memcpy(larger.get(), bytes_.get() + begin_, held);
      bytes_ = std::move(larger);
      capacity_ = wanted;
    }
    begin_ = 0;
    end_ = held;
  }

  // The first `count` bytes are used up.
  void take(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Closes the gap between `to` and `from`, both counted from data().
  void close_gap(std::size_t to, std::size_t from) noexcept {
    std::memmove(data() + to, data() + from, size() - from);
    end_ -= from - to;
  }
  // Cuts the end off.
  void truncate(std::size_t size) noexcept { end_ = begin_ + size; }

  // An empty buffer gives its memory back where it grew beyond `keep`.
  void shrink(std::size_t keep) noexcept {
    if (!empty() || capacity_ <= keep) return;
    bytes_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace slipway::net
