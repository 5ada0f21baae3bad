#include "net/response_sender.h"

#include <cerrno>
#include <cstdio>
#include <utility>
#include <variant>

#include <fcntl.h>

#include "base/error.h"

namespace slipway::net {
namespace {

// A file up to this size goes out with the head in one call.
constexpr std::uint64_t kSmallFile = 64u << 10;

std::string read_slice(int file, std::uint64_t offset, std::size_t length) {
  std::string bytes(length, '\0');
  for (std::size_t at = 0; at < length;) {
    const ssize_t got =
        ::pread(file, bytes.data() + at, length - at, static_cast<off_t>(offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) base::throw_errno("cannot read a file that is to be sent");
    if (got == 0) base::throw_internal("a file that is to be sent is shorter than it was");
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string chunk_head(std::size_t size) {
  std::array<char, 24> text{};
  const int length = std::snprintf(text.data(), text.size(), "%zx\r\n", size);
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

ResponseSender::ResponseSender(Response response, const ResponseTerms& terms)
    : response_(std::move(response)), head_(make_response_head(response_, terms)) {
  if (head_.has_body) {
    if (auto* text = std::get_if<std::string>(&response_.body)) parts_[1] = std::move(*text);
    if (std::holds_alternative<FileSlice>(response_.body)) open_file();
    streaming_ = std::holds_alternative<Stream>(response_.body);
  }
  parts_[0] = head_.bytes;
}

void ResponseSender::open_file() {
  const auto& slice = std::get<FileSlice>(response_.body);
  if (slice.length == 0) return;
  file_ = base::FileDescriptor(::open(slice.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_) base::throw_errno("cannot open " + slice.path.string());
  if (slice.length <= kSmallFile) {
    parts_[1] = read_slice(file_.get(), slice.offset, static_cast<std::size_t>(slice.length));
    return;
  }
  file_at_ = slice.offset;
  file_left_ = slice.length;
}

ResponseSender::State ResponseSender::flush(Socket& socket, More more) {
  const std::size_t whole = parts_[0].size() + parts_[1].size() + parts_[2].size();
  while (taken_ < whole) {
    std::array<iovec, 3> rest{};
    std::size_t count = 0;
    std::size_t skip = taken_;
    for (auto& part : parts_) {
      if (skip >= part.size()) {
        skip -= part.size();
        continue;
      }
      rest[count++] = {part.data() + skip, part.size() - skip};
      skip = 0;
    }
    const Moved moved = socket.write(rest.data(), count, more);
    if (moved.state == Transfer::kWouldBlock) return State::kWouldBlock;
    if (moved.state == Transfer::kClosed) return State::kClosed;
    taken_ += moved.bytes;
    total_ += moved.bytes;
  }
  taken_ = 0;
  for (auto& part : parts_) part.clear();
  return State::kSent;
}

ResponseSender::State ResponseSender::send_file(Socket& socket) {
  while (file_left_ > 0) {
    const Moved moved = socket.send_file(file_.get(), file_at_, file_left_);
    if (moved.state == Transfer::kWouldBlock) return State::kWouldBlock;
    if (moved.state == Transfer::kClosed) return State::kClosed;
    file_at_ += moved.bytes;
    file_left_ -= moved.bytes;
    total_ += moved.bytes;
  }
  return State::kSent;
}

// Fills the parts with the stream's next piece; false after the last one.
bool ResponseSender::next_piece() {
  auto piece = std::get<Stream>(response_.body)();
  while (piece && piece->empty()) piece = std::get<Stream>(response_.body)();
  if (!piece) {
    if (head_.chunked) parts_[0] = "0\r\n\r\n";
    return false;
  }
  if (head_.chunked) {
    parts_[0] = chunk_head(piece->size());
    parts_[2] = "\r\n";
  }
  parts_[1] = std::move(*piece);
  return true;
}

ResponseSender::State ResponseSender::send(Socket& socket) {
  for (;;) {
    const State state = flush(socket, file_left_ > 0 ? More::kFollows : More::kNo);
    if (state != State::kSent) return state;
    if (!streaming_) break;
    streaming_ = next_piece();
  }
  return send_file(socket);
}

}  // namespace slipway::net
