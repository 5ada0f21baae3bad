#include "functions/socket_bridge.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

namespace slipway::functions {
namespace {

constexpr int kMostConnections = 256;
constexpr std::size_t kPiece = 64u << 10;

// A path of any length, by way of its directory's descriptor.
sockaddr_un address_of(const base::FileDescriptor& directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + name;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

bool write_all(int descriptor, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t written = ::send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= static_cast<std::size_t>(written);
  }
  return true;
}

base::FileDescriptor connect_to(std::uint16_t port) {
  base::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address)) {
    return {};
  }
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

}  // namespace

SocketBridge::SocketBridge(std::filesystem::path socket) : socket_(std::move(socket)) {}

SocketBridge::~SocketBridge() { stop(); }

void SocketBridge::start(std::uint16_t port) {
  if (thread_.joinable()) return;
  port_ = port;
  ending_ = base::FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ending_) base::throw_errno("making an eventfd");
  listen();
  thread_ = std::thread([this] { accept_all(); });
}

void SocketBridge::listen() {
  std::filesystem::create_directories(socket_.parent_path());
  ::unlink(socket_.c_str());
  const base::FileDescriptor directory(
      ::open(socket_.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  listener_ = base::FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(directory, socket_.filename());
  if (!directory || !listener_ ||
      ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(socket_.c_str(), 0666) != 0 || ::listen(listener_.get(), 64) != 0) {
    base::throw_errno("listening at " + socket_.string());
  }
}

void SocketBridge::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  if (::write(ending_.get(), &one, sizeof one) < 0) base::throw_errno("ending the bridge");
  thread_.join();
  for (int open = open_->load(); open > 0; open = open_->load()) open_->wait(open);
  listener_.reset();
  ::unlink(socket_.c_str());
}

void SocketBridge::accept_all() {
  while (true) {
    std::array<pollfd, 2> events{pollfd{listener_.get(), POLLIN, 0},
                                 pollfd{ending_.get(), POLLIN, 0}};
    if (::poll(events.data(), events.size(), -1) < 0) continue;
    if (events[1].revents) return;
    base::FileDescriptor from(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!from || open_->load() >= kMostConnections) continue;
    open_->fetch_add(1);
    try {
      std::thread([this, open = open_, client = std::move(from)]() mutable {
        carry(std::move(client));
        open->fetch_sub(1);
        open->notify_all();
      }).detach();
    } catch (const std::system_error& error) {
      open_->fetch_sub(1);
      log(Level::kError, "a function's runtime cannot be connected", {{"error", error.what()}});
    }
  }
}

void SocketBridge::carry(base::FileDescriptor from) {
  const base::FileDescriptor to = connect_to(port_);
  if (!to) return;
  std::vector<char> piece(kPiece);
  while (true) {
    std::array<pollfd, 3> events{pollfd{from.get(), POLLIN, 0}, pollfd{to.get(), POLLIN, 0},
                                 pollfd{ending_.get(), POLLIN, 0}};
    if (::poll(events.data(), events.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (events[2].revents) return;
    for (int side = 0; side < 2; ++side) {
      if (!events[static_cast<std::size_t>(side)].revents) continue;
      const int source = side == 0 ? from.get() : to.get();
      const int target = side == 0 ? to.get() : from.get();
      const ssize_t count = ::recv(source, piece.data(), piece.size(), 0);
      if (count <= 0 || !write_all(target, piece.data(), static_cast<std::size_t>(count))) return;
    }
  }
}

}  // namespace slipway::functions
