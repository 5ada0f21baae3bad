#include "endpoints/ping.h"

#include <cerrno>
#include <string_view>

#include <poll.h>
#include <sys/socket.h>

#include "endpoints/response_reader.h"

namespace slipway::endpoints {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kRequest =
    "GET /ping HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n";
constexpr std::size_t kBodyBytes = 64u << 10;  // of an answer, which nobody looks at

bool wait_for(int descriptor, short events, steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  if (left.count() <= 0) return false;
  pollfd watched{descriptor, events, 0};
  const int ready = ::poll(&watched, 1, static_cast<int>(left.count()));
  return ready > 0 || (ready < 0 && errno == EINTR);
}

}  // namespace

bool ping(Connector& connector, const std::string& replica, milliseconds timeout) noexcept {
  const auto deadline = steady_clock::now() + timeout;
  const base::FileDescriptor socket = connector.connect(replica, timeout);
  if (!socket) return false;
  std::string_view left = kRequest;
  while (!left.empty()) {
    const ssize_t sent = ::send(socket.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      left.remove_prefix(static_cast<std::size_t>(sent));
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!wait_for(socket.get(), POLLOUT, deadline)) {
      return false;
    }
  }
  // The whole answer is read: a connection closed on unread bytes is reset, and servers log that.
  ResponseReader reader(kBodyBytes);
  auto result = ResponseReader::Result::kIncomplete;
  while (result == ResponseReader::Result::kIncomplete) {
    reader.make_room();
    const ssize_t got = ::recv(socket.get(), reader.space(), reader.room(), 0);
    if (got > 0) {
      result = reader.take(static_cast<std::size_t>(got));
    } else if (got == 0) {
      result = reader.end();
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!wait_for(socket.get(), POLLIN, deadline)) {
      return false;
    }
  }
  return result == ResponseReader::Result::kComplete && reader.head().status == 200;
}

}  // namespace slipway::endpoints
