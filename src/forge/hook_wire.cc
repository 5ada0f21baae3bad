#include "forge/hook_wire.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slipway::forge {
namespace {

using base::FileDescriptor;
using std::chrono::milliseconds;

constexpr std::size_t kMostBytes = 16u << 20;  // of one document

bool wait(int descriptor, short events, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waited{descriptor, events, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

SocketAddress::SocketAddress(const std::filesystem::path& path)
    : directory(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  address.sun_family = AF_UNIX;
  const std::string text =
      "/proc/self/fd/" + std::to_string(directory.get()) + "/" + path.filename().string();
  std::strncpy(address.sun_path, text.c_str(), sizeof address.sun_path - 1);
}

bool send_all(int descriptor, std::string_view bytes, milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!bytes.empty()) {
    if (!wait(descriptor, POLLOUT, deadline)) return false;
    const ssize_t sent =
        ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<Json> receive_document(int descriptor, milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  std::string text;
  std::array<char, 16384> buffer;
  while (text.size() <= kMostBytes) {
    if (!wait(descriptor, POLLIN, deadline)) return std::nullopt;
    const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return base::try_parse_json(text);
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return std::nullopt;
}

std::optional<Json> ask_server(const std::filesystem::path& socket, const Json& question) {
  const FileDescriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address(socket);
  if (!connection || !address.directory ||
      ::connect(connection.get(), address.pointer(), sizeof address.address) != 0 ||
      !send_all(connection.get(), base::dump_json(question), kQuestionTime)) {
    return std::nullopt;
  }
  ::shutdown(connection.get(), SHUT_WR);
  return receive_document(connection.get(), kAnswerTime);
}

}  // namespace slipway::forge
