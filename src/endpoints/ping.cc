#include "endpoints/ping.h"

#include <array>
#include <cerrno>
#include <string_view>

#include <poll.h>
#include <sys/socket.h>

namespace slipway::endpoints {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kRequest =
    "GET /ping HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n";
constexpr std::size_t kStatusLength = 12;  // "HTTP/1.1 200"

bool wait_for(int descriptor, short events, steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  if (left.count() <= 0) return false;
  pollfd watched{descriptor, events, 0};
  const int ready = ::poll(&watched, 1, static_cast<int>(left.count()));
  return ready > 0 || (ready < 0 && errno == EINTR);
}

bool is_good(std::string_view start) {
  return start.starts_with("HTTP/1.") && start.substr(8) == " 200";
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
  std::array<char, kStatusLength> start{};
  std::size_t got = 0;
  while (got < start.size()) {
    const ssize_t read = ::recv(socket.get(), start.data() + got, start.size() - got, 0);
    if (read > 0) {
      got += static_cast<std::size_t>(read);
    } else if (read == 0 || (errno != EAGAIN && errno != EINTR)) {
      return false;
    } else if (!wait_for(socket.get(), POLLIN, deadline)) {
      return false;
    }
  }
  return is_good({start.data(), start.size()});
}

}  // namespace slipway::endpoints
