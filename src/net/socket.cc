#include "net/socket.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

namespace slipway::net {
namespace {

constexpr std::uint64_t kMostPerSendFile = 8u << 20;

Moved failed() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {Transfer::kWouldBlock, 0, true};
  return {Transfer::kClosed, 0, true};
}

// sendfile() has no MSG_NOSIGNAL, and ignoring SIGPIPE would be inherited by the
// programs that this process starts. So the signal is held off in this thread and
// taken away if it came.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

  void take_away() {
    const timespec at_once{};
    ::sigtimedwait(&pipe_, nullptr, &at_once);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
};

}  // namespace

Moved Socket::read(char* to, std::size_t size) noexcept {
  for (;;) {
    const ssize_t got = ::recv(descriptor_.get(), to, size, 0);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      return {Transfer::kProgress, bytes, bytes < size};
    }
    if (got == 0) return {Transfer::kClosed, 0, true};
    if (errno != EINTR) return failed();
  }
}

Moved Socket::write(const iovec* parts, std::size_t count, More more) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  const int flags = MSG_NOSIGNAL | (more == More::kFollows ? MSG_MORE : 0);
  for (;;) {
    const ssize_t sent = ::sendmsg(descriptor_.get(), &message, flags);
    if (sent >= 0) return {Transfer::kProgress, static_cast<std::size_t>(sent), false};
    if (errno != EINTR) return failed();
  }
}

Moved Socket::send_file(int file, std::uint64_t offset, std::uint64_t length) noexcept {
  auto at = static_cast<off_t>(offset);
  WithoutSigpipe guard;
  for (;;) {
    const ssize_t sent = ::sendfile(descriptor_.get(), file, &at,
                                    static_cast<std::size_t>(std::min(length, kMostPerSendFile)));
    if (sent > 0) return {Transfer::kProgress, static_cast<std::size_t>(sent), false};
    if (sent == 0) return {Transfer::kClosed, 0, true};
    if (errno == EINTR) continue;
    const Moved moved = failed();
    if (errno == EPIPE) guard.take_away();
    return moved;
  }
}

void Socket::shut_down_writing() noexcept { ::shutdown(descriptor_.get(), SHUT_WR); }
void Socket::shut_down() noexcept { ::shutdown(descriptor_.get(), SHUT_RDWR); }

}  // namespace slipway::net
