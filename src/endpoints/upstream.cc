#include "endpoints/upstream.h"

#include <cerrno>

#include <sys/socket.h>

namespace slipway::endpoints {
namespace {

bool is_reset(int error) { return error == ECONNRESET || error == EPIPE; }

// A reset that came after the other side's orderly end; recv() says nothing of it.
bool was_reset(int descriptor) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && is_reset(error);
}

}  // namespace

Connection::Io Connection::send(std::string_view head, std::string_view body) noexcept {
  iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                    {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(descriptor_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN) return is_reset(errno) ? Io::kReset : Io::kBroken;
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (done < head.size()) {
    head_left_.assign(head.substr(done));
    body_left_ = body;
  } else {
    body_left_ = body.substr(done - head.size());
  }
  return sending() ? Io::kGoesOn : Io::kDone;
}

Connection::Io Connection::flush() noexcept {
  while (sending()) {
    std::string head = std::move(head_left_);
    head_left_.clear();
    const std::string_view body = body_left_;
    body_left_ = {};
    const std::size_t before = head.size() + body.size();
    const Io result = send(head, body);
    if (result == Io::kReset || result == Io::kBroken) {
      ended = true;  // whatever it answers, nothing can be sent on it any more
      return result;
    }
    if (head_left_.size() + body_left_.size() == before) return Io::kGoesOn;
  }
  return Io::kDone;
}

Connection::Io Connection::receive(bool other_side_ended) noexcept {
  for (;;) {
    reader_.make_room();
    const std::size_t room = reader_.room();
    const ssize_t got = ::recv(descriptor_.get(), reader_.space(), room, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Io::kGoesOn;
    if (got < 0) return is_reset(errno) && !reader_.started() ? Io::kReset : Io::kBroken;
    ResponseReader::Result result = ResponseReader::Result::kIncomplete;
    if (got == 0) {
      ended = true;
      if (!reader_.started() && was_reset(descriptor_.get())) return Io::kReset;
      result = reader_.end();
    } else {
      result = reader_.take(static_cast<std::size_t>(got));
    }
    switch (result) {
      case ResponseReader::Result::kComplete:
        if (other_side_ended) ended = true;
        return Io::kDone;
      case ResponseReader::Result::kBroken:
        return Io::kBroken;
      case ResponseReader::Result::kTooLarge:
        return Io::kTooLarge;
      case ResponseReader::Result::kIncomplete:
        break;
    }
    // The descriptor is watched edge-triggered: less than asked for means that it is drained, and
    // what comes later, the end included, is a new event.
    if (static_cast<std::size_t>(got) < room && !other_side_ended) return Io::kGoesOn;
  }
}

bool Connection::is_quiet() const noexcept {
  char byte = 0;
  const ssize_t got = ::recv(descriptor_.get(), &byte, 1, MSG_PEEK);
  return got < 0 && (errno == EAGAIN || errno == EINTR);
}

void Connection::settle() noexcept {
  reader_.clear();
  used = true;
  invocation = nullptr;
}

}  // namespace slipway::endpoints
