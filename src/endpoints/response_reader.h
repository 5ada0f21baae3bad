#pragma once

// One HTTP/1.1 answer of a replica, as it arrives: Content-Length, chunked, or until the
// connection's end. Bytes are received into a buffer that stays from answer to answer; chunked
// bodies are joined in place. Not thread-safe. Nothing throws but memory running out.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "net/parser.h"

namespace slipway::endpoints {

class ResponseReader {
 public:
  explicit ResponseReader(std::size_t body_limit) noexcept : body_limit_(body_limit) {}

  enum class Result { kIncomplete, kComplete, kBroken, kTooLarge };

  // Where the next bytes go: make_room(), receive at most room() bytes to space(), then take().
  void make_room();
  char* space() noexcept { return buffer_.get() + filled_; }
  std::size_t room() const noexcept { return capacity_ - filled_; }
  Result take(std::size_t received) noexcept;
  // The connection has ended: complete where the answer's length was not given.
  Result end() noexcept;

  // Whether a byte of an answer has come.
  bool started() const noexcept { return started_; }
  // After kComplete, until clear().
  const net::StatusLineAndHead& head() const noexcept { return head_; }
  std::string_view body() const noexcept {
    return {buffer_.get() + head_.size, body_end_ - head_.size};
  }
  bool keep_alive() const noexcept;

  // Before the next answer.
  void clear() noexcept;

 private:
  Result read_head();
  Result read_body() noexcept;
  void grow(std::size_t capacity);

  const std::size_t body_limit_;
  net::HeadParser parser_{kHeadLimit};
  net::StatusLineAndHead head_;
  net::ChunkedDecoder chunks_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t filled_ = 0;
  std::size_t body_end_ = 0;
  bool started_ = false;
  bool head_done_ = false;
  bool head_moved_ = false;  // the buffer has moved since the head was parsed
  bool surplus_ = false;     // more bytes than the answer has

  static constexpr std::size_t kHeadLimit = 64u << 10;
};

}  // namespace slipway::endpoints
