#include "endpoints/response_reader.h"

#include <algorithm>
#include <cstring>

namespace slipway::endpoints {
namespace {

constexpr std::size_t kFirstCapacity = 16u << 10;
constexpr std::size_t kKeptCapacity = 256u << 10;  // a larger buffer goes with its answer

}  // namespace

void ResponseReader::make_room() {
  if (capacity_ == 0) grow(kFirstCapacity);
  if (filled_ < capacity_) return;
  std::size_t wanted = capacity_ * 2;
  if (head_done_ && head_.body == net::BodyKind::kLength) {
    wanted = head_.size + static_cast<std::size_t>(head_.content_length);
  }
  grow(std::max(wanted, capacity_ + 1));
}

void ResponseReader::grow(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (filled_ > 0) std::memcpy(larger.get(), buffer_.get(), filled_);
  buffer_ = std::move(larger);
  capacity_ = capacity;
  head_moved_ = head_done_;
}

ResponseReader::Result ResponseReader::take(std::size_t received) noexcept {
  filled_ += received;
  started_ = true;
  if (!head_done_) {
    const Result result = read_head();
    if (!head_done_) return result;
  }
  return read_body();
}

ResponseReader::Result ResponseReader::read_head() {
  for (;;) {
    switch (parser_.parse({buffer_.get(), filled_}, head_, false)) {
      case net::Progress::kIncomplete:
        return Result::kIncomplete;
      case net::Progress::kBad:
        return Result::kBroken;
      case net::Progress::kComplete:
        break;
    }
    if (head_.status >= 200) break;
    if (head_.status == 101) return Result::kBroken;
    // An interim answer; the real one follows.
    filled_ -= head_.size;
    std::memmove(buffer_.get(), buffer_.get() + head_.size, filled_);
    parser_.reset();
  }
  head_done_ = true;
  body_end_ = head_.size;
  if (head_.body != net::BodyKind::kLength) return Result::kIncomplete;
  if (head_.content_length > body_limit_) return Result::kIncomplete;  // read_body() says so
  const std::size_t whole = head_.size + static_cast<std::size_t>(head_.content_length);
  if (whole > capacity_) grow(whole);
  return Result::kIncomplete;
}

ResponseReader::Result ResponseReader::read_body() noexcept {
  bool complete = false;
  switch (head_.body) {
    case net::BodyKind::kNone:
      complete = true;
      break;
    case net::BodyKind::kLength: {
      if (head_.content_length > body_limit_) return Result::kTooLarge;
      const auto length = static_cast<std::size_t>(head_.content_length);
      complete = filled_ - head_.size >= length;
      body_end_ = complete ? head_.size + length : filled_;
      break;
    }
    case net::BodyKind::kChunked: {
      const std::size_t fresh = filled_ - body_end_;
      const auto step = chunks_.decode(buffer_.get() + body_end_, fresh);
      if (step.progress == net::Progress::kBad) return Result::kBroken;
      body_end_ += step.produced;
      complete = step.progress == net::Progress::kComplete;
      surplus_ = complete && step.consumed < fresh;
      filled_ = body_end_;
      break;
    }
    case net::BodyKind::kUntilClose:
      body_end_ = filled_;
      break;
  }
  if (body_end_ - head_.size > body_limit_) return Result::kTooLarge;
  if (!complete) return Result::kIncomplete;
  if (filled_ > body_end_) surplus_ = true;
  if (head_moved_) {
    parser_.reset();
    // The same bytes as before; a chunked body does not reach into them.
    if (parser_.parse({buffer_.get(), head_.size}, head_, false) != net::Progress::kComplete) {
      return Result::kBroken;
    }
    head_moved_ = false;
  }
  return Result::kComplete;
}

ResponseReader::Result ResponseReader::end() noexcept {
  if (!head_done_ || head_.body != net::BodyKind::kUntilClose) return Result::kBroken;
  head_.body = net::BodyKind::kNone;  // nothing more will come
  const Result result = read_body();
  head_.keep_alive = false;
  return result;
}

bool ResponseReader::keep_alive() const noexcept { return head_.keep_alive && !surplus_; }

void ResponseReader::clear() noexcept {
  parser_.reset();
  chunks_ = net::ChunkedDecoder();
  filled_ = 0;
  body_end_ = 0;
  started_ = head_done_ = head_moved_ = surplus_ = false;
  if (capacity_ > kKeptCapacity) {
    buffer_.reset();
    capacity_ = 0;
  }
}

}  // namespace slipway::endpoints
