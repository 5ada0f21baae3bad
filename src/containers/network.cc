#include "containers/network.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "containers/spawn.h"

namespace slipway::containers {
namespace {

constexpr int kHelperSocket = 3;

bool send_descriptor(int socket, int descriptor) {
  char byte = 'd';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

base::FileDescriptor receive_descriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return {};
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
  return base::FileDescriptor(descriptor);
}

}  // namespace

base::FileDescriptor connect_here(std::uint16_t port, std::chrono::milliseconds timeout) {
  base::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return {};
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return socket;
  }
  if (errno != EINPROGRESS) return {};
  pollfd watched{socket.get(), POLLOUT, 0};
  if (::poll(&watched, 1, static_cast<int>(timeout.count())) != 1) return {};
  int error = 0;
  socklen_t length = sizeof(error);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? std::move(socket) : base::FileDescriptor();
}

base::FileDescriptor connect_inside(int network, std::uint16_t port,
                                    std::chrono::milliseconds timeout) {
  base::FileDescriptor socket;
  try {
    std::thread([&] {
      if (::setns(network, CLONE_NEWNET) == 0) socket = connect_here(port, timeout);
    }).join();
  } catch (const std::system_error&) {
    // No thread to be had: to the caller the same as no connection. The gateway's path never
    // throws.
  }
  return socket;
}

base::FileDescriptor connect_by_helper(const std::filesystem::path& self, pid_t pid,
                                       std::uint16_t port, std::chrono::milliseconds timeout) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {};
  const base::FileDescriptor mine(ends[0]);
  base::FileDescriptor theirs(ends[1]);
  const pid_t helper = spawn_self(
      self,
      {kConnectRole, std::to_string(pid), std::to_string(port), std::to_string(timeout.count())},
      {theirs.get()});
  theirs.reset();
  if (helper <= 0) return {};
  // Ends with the descriptor or, when the helper gives up, with the end of the stream.
  base::FileDescriptor socket = receive_descriptor(mine.get());
  int status = 0;
  while (::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  return socket;
}

int run_connect_helper(pid_t pid, std::uint16_t port, std::chrono::milliseconds timeout) {
  const std::string namespaces = "/proc/" + std::to_string(pid) + "/ns/";
  const base::FileDescriptor user(::open((namespaces + "user").c_str(), O_RDONLY | O_CLOEXEC));
  const base::FileDescriptor network(::open((namespaces + "net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!user || !network) return 1;
  if (::setns(user.get(), CLONE_NEWUSER) != 0) return 1;
  if (::setns(network.get(), CLONE_NEWNET) != 0) return 1;
  const base::FileDescriptor socket = connect_here(port, timeout);
  return socket && send_descriptor(kHelperSocket, socket.get()) ? 0 : 1;
}

}  // namespace slipway::containers
