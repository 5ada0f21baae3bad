#include "net/listener.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/error.h"

namespace slipway::net {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Address parse_address(const std::string& text, std::uint16_t port) {
  Address address;
  auto& four = reinterpret_cast<sockaddr_in&>(address.bytes);
  auto& six = reinterpret_cast<sockaddr_in6&>(address.bytes);
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    address.size = sizeof four;
  } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    address.size = sizeof six;
  } else {
    throw Error("InvalidAddress", "\"" + text +
                                      "\" is not an IP address to listen on: give one in digits, "
                                      "for example 127.0.0.1 or 0.0.0.0.");
  }
  return address;
}

std::string name_of(const std::string& address, std::uint16_t port) {
  const bool six = address.find(':') != std::string::npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

[[noreturn]] void throw_not_bound(int error, const std::string& name) {
  if (error == EADDRINUSE) {
    throw Error("AddressInUse", "Address " + name +
                                    " is already in use: another slipway or program listens "
                                    "there; stop it or choose another with --port.");
  }
  if (error == EACCES) {
    throw Error("AddressNotPermitted",
                "Address " + name +
                    " is not permitted: ports below 1024 need the capability "
                    "CAP_NET_BIND_SERVICE; choose another with --port.");
  }
  throw Error("AddressNotAvailable", "Address " + name +
                                         " cannot be listened on: " + std::strerror(error) +
                                         "; choose an address of this machine with --address.");
}

void set_option(int socket, int level, int option) {
  const int on = 1;
  if (::setsockopt(socket, level, option, &on, sizeof on) != 0) {
    base::throw_errno("cannot configure a listening socket");
  }
}

enum class Sharing { kAlone, kAmongLoops };

base::FileDescriptor bind_to(const Address& address, const std::string& name, Sharing sharing) {
  base::FileDescriptor socket(
      ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) base::throw_errno("cannot make a socket");
  set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (sharing == Sharing::kAmongLoops) set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT);
  set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY);  // what it accepts inherits it
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0) {
    throw_not_bound(errno, name);
  }
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage bytes{};
  socklen_t size = sizeof bytes;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bytes), &size) != 0) {
    base::throw_errno("cannot read a socket's address");
  }
  return ntohs(bytes.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bytes).sin6_port
                                           : reinterpret_cast<sockaddr_in&>(bytes).sin_port);
}

}  // namespace

Listeners listen_on(const std::string& address, std::uint16_t port, std::size_t count) {
  // With SO_REUSEPORT two servers of one user would share a port unawares; so first
  // without it.
  if (port != 0) {
    const auto alone =
        bind_to(parse_address(address, port), name_of(address, port), Sharing::kAlone);
    if (::listen(alone.get(), 1) != 0) throw_not_bound(errno, name_of(address, port));
  }
  Listeners listeners;
  listeners.port = port;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = name_of(address, listeners.port);
    auto socket = bind_to(parse_address(address, listeners.port), name, Sharing::kAmongLoops);
    listeners.port = port_of(socket.get());
    listeners.sockets.push_back(std::move(socket));
  }
  // Only now: a client that comes in between would be lost with a socket that is closed again.
  for (const auto& socket : listeners.sockets) {
    if (::listen(socket.get(), kBacklog) != 0) throw_not_bound(errno, name_of(address, port));
  }
  return listeners;
}

}  // namespace slipway::net
