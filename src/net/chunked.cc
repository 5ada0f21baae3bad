#include <cstring>

#include "net/parser.h"
#include "net/tokens.h"

namespace slipway::net {
namespace {

constexpr std::size_t kMostDigits = 15;  // of a chunk's size: cannot overflow 64 bits
constexpr std::size_t kLongestExtension = 1024;
constexpr std::size_t kLongestTrailer = 8192;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

bool ChunkedDecoder::take_trailer(char byte) noexcept {
  if (++overhead_ > kLongestTrailer) return false;
  if (after_cr_) {
    if (byte != '\n') return false;
    after_cr_ = false;
    if (line_length_ == 0) state_ = State::kDone;
    line_length_ = 0;
    return true;
  }
  if (byte == '\r') {
    after_cr_ = true;
    return true;
  }
  if (line_length_ == 0 && !is_token_byte(byte)) return false;
  ++line_length_;
  return is_value_byte(byte);
}

// One byte outside the content; false where it cannot stand there.
bool ChunkedDecoder::take(char byte) noexcept {
  switch (state_) {
    case State::kSize: {
      const int value = hex_value(byte);
      if (value >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(value);
        return ++digits_ <= kMostDigits;
      }
      if (digits_ == 0) return false;
      overhead_ = 0;
      state_ = byte == ';' ? State::kExtension : State::kSizeEnd;
      return byte == ';' || byte == '\r';
    }
    case State::kExtension:
      if (byte == '\r') state_ = State::kSizeEnd;
      return byte == '\r' || (is_value_byte(byte) && ++overhead_ <= kLongestExtension);
    case State::kSizeEnd:
      overhead_ = 0;
      state_ = left_ > 0 ? State::kData : State::kTrailer;
      return byte == '\n';
    case State::kDataCr:
      state_ = State::kDataLf;
      return byte == '\r';
    case State::kDataLf:
      state_ = State::kSize;
      digits_ = 0;
      return byte == '\n';
    case State::kTrailer:
      return take_trailer(byte);
    case State::kData:
    case State::kDone:
      break;
  }
  return false;
}

ChunkedDecoder::Step ChunkedDecoder::decode(char* bytes, std::size_t size) noexcept {
  Step step;
  while (step.consumed < size && state_ != State::kDone) {
    if (state_ != State::kData) {
      if (!take(bytes[step.consumed++])) {
        step.progress = Progress::kBad;
        return step;
      }
      continue;
    }
    const std::size_t here = size - step.consumed;
    const std::size_t content = left_ < here ? static_cast<std::size_t>(left_) : here;
    std::memmove(bytes + step.produced, bytes + step.consumed, content);
    step.produced += content;
    step.consumed += content;
    left_ -= content;
    if (left_ == 0) state_ = State::kDataCr;
  }
  if (state_ == State::kDone) step.progress = Progress::kComplete;
  return step;
}

}  // namespace slipway::net
