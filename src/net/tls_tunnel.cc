#include "net/tls_tunnel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>

#include "base/error.h"

namespace slipway::net {
namespace {

// Then other connections get their turn.
constexpr int kRoundsPerTurn = 16;
constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 55\r\n"
    "Connection: close\r\n\r\nThis port speaks TLS: call it by https:// in the URL.\r\n";

void set_option(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);  // each is a help, none a condition
}

// A client that vanished without a word while its request takes long.
void probe_while_silent(int socket) {
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

void TlsTunnel::Channel::make_room(std::size_t capacity) {
  if (!bytes) bytes = std::make_unique_for_overwrite<char[]>(capacity);
  if (begin == 0 || end < capacity) return;
  std::memmove(bytes.get(), bytes.get() + begin, end - begin);
  end -= std::exchange(begin, 0);
}

void TlsTunnel::Channel::consume(std::size_t count) {
  begin += count;
  if (begin < end) return;
  begin = end = 0;
  bytes.reset();  // a silent connection holds no buffer
}

TlsTunnel::TlsTunnel(EpollLoop& loop, TunnelOwner& owner, SSL_CTX* context,
                     const TunnelLimits& limits, const PlainAddress& plain,
                     base::FileDescriptor client)
    : loop_(loop),
      owner_(owner),
      limits_(limits),
      plain_address_(plain),
      client_(std::move(client)),
      session_(SSL_new(context)),
      last_progress_(loop.now()) {
  if (!session_ || SSL_set_fd(session_.get(), client_.get()) != 1) {
    ERR_clear_error();
    base::throw_internal("cannot make a TLS session");
  }
  SSL_set_accept_state(session_.get());
  probe_while_silent(client_.get());
}

TlsTunnel::~TlsTunnel() {
  loop_.cancel(timer_);
  if (client_) loop_.forget(client_.get());
  if (plain_) loop_.forget(plain_.get());
}

void TlsTunnel::start() {
  restart_timer(limits_.handshake_timeout, &TlsTunnel::close);
  loop_.watch(client_.get(), kEvents, [this](std::uint32_t) { ready(); });
}

void TlsTunnel::finish() {
  finishing_ = true;
  if (state_ == State::kHandshake || to_client_.passed) close();
}

void TlsTunnel::close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  loop_.cancel(std::exchange(timer_, 0));
  loop_.forget(client_.get());
  client_.reset();
  if (plain_) {
    loop_.forget(plain_.get());
    plain_.reset();
  }
  to_plain_.bytes.reset();
  to_client_.bytes.reset();
  owner_.closed(*this);
}

void TlsTunnel::restart_timer(std::chrono::milliseconds delay, void (TlsTunnel::*then)()) {
  loop_.cancel(timer_);
  timer_ = loop_.after(delay, [this, then] { (this->*then)(); });
}

void TlsTunnel::ready() {
  if (state_ == State::kHandshake) shake_hands();
  if (state_ == State::kConnecting) finish_connecting();
  if (state_ == State::kOpen) pump();
}

void TlsTunnel::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) {
    connect();
    return;
  }
  const int reason = SSL_get_error(session_.get(), result);
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return;
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) refuse_plain_http();
  close();
}

// One that forgot the "s" shall learn it, which a closed connection would not tell.
void TlsTunnel::refuse_plain_http() {
  // What is left unread would turn the end into a reset, which may overtake the answer.
  std::array<char, 16384> unread;
  for (int reads = 0; reads < kRoundsPerTurn; ++reads) {
    if (::recv(client_.get(), unread.data(), unread.size(), MSG_DONTWAIT) <= 0) break;
  }
  [[maybe_unused]] const auto sent = ::send(client_.get(), kPlainHttpAnswer.data(),
                                            kPlainHttpAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(client_.get(), SHUT_WR);
}

// Only for a client that has shaken hands: strangers do not cost the plain port a connection.
void TlsTunnel::connect() {
  plain_ = base::FileDescriptor(
      ::socket(plain_address_.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!plain_) return close();
  set_option(plain_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  const int result = ::connect(
      plain_.get(), reinterpret_cast<const sockaddr*>(&plain_address_.bytes), plain_address_.size);
  if (result != 0 && errno != EINPROGRESS) return close();
  state_ = result == 0 ? State::kOpen : State::kConnecting;
  last_progress_ = loop_.now();
  restart_timer(limits_.idle_timeout, &TlsTunnel::check_idle);
  loop_.watch(plain_.get(), kEvents, [this](std::uint32_t) { ready(); });
}

void TlsTunnel::finish_connecting() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(plain_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return close();
  sockaddr_storage peer{};
  size = sizeof peer;
  if (::getpeername(plain_.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) return;
  state_ = State::kOpen;
}

void TlsTunnel::pump() {
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    const bool moved = pump_once();
    if (state_ == State::kClosed) return;
    if (!moved) return;
  }
  // The sockets' edges may have been seen already: nobody else would call again.
  if (std::exchange(pumping_later_, true)) return;
  loop_.soon([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->pumping_later_ = false;
    if (self->state_ == State::kOpen) self->pump();
  });
}

bool TlsTunnel::pump_once() {
  bool moved = false;
  for (const auto step : {&TlsTunnel::read_plain, &TlsTunnel::write_client, &TlsTunnel::read_client,
                          &TlsTunnel::write_plain}) {
    const Step result = (this->*step)();
    if (result == Step::kFailed) {
      close();
      return false;
    }
    moved = moved || result == Step::kMoved;
  }
  if (moved) last_progress_ = loop_.now();
  pass_ends();
  return moved;
}

TlsTunnel::Step TlsTunnel::read_client() {
  Channel& channel = to_plain_;
  if (channel.ended) return Step::kNothing;
  if (channel.discards) channel.consume(channel.end - channel.begin);
  channel.make_room(limits_.buffer);
  const std::size_t room = channel.room(limits_.buffer);
  if (room == 0) return Step::kNothing;
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(session_.get(), channel.bytes.get() + channel.end, room, &count);
  if (result == 1) {
    channel.end += count;
    return Step::kMoved;
  }
  if (channel.empty()) channel.consume(0);
  const int reason = SSL_get_error(session_.get(), result);
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return Step::kNothing;
  if (reason != SSL_ERROR_ZERO_RETURN) return Step::kFailed;
  channel.ended = true;
  return Step::kMoved;
}

TlsTunnel::Step TlsTunnel::write_client() {
  Channel& channel = to_client_;
  if (channel.empty()) return Step::kNothing;
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(session_.get(), channel.bytes.get() + channel.begin,
                                  channel.end - channel.begin, &count);
  if (result == 1) {
    channel.consume(count);
    return Step::kMoved;
  }
  const int reason = SSL_get_error(session_.get(), result);
  return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? Step::kNothing
                                                                         : Step::kFailed;
}

TlsTunnel::Step TlsTunnel::read_plain() {
  Channel& channel = to_client_;
  if (channel.ended) return Step::kNothing;
  channel.make_room(limits_.buffer);
  const std::size_t room = channel.room(limits_.buffer);
  if (room == 0) return Step::kNothing;
  const ssize_t count = ::recv(plain_.get(), channel.bytes.get() + channel.end, room, 0);
  if (count > 0) {
    channel.end += static_cast<std::size_t>(count);
    return Step::kMoved;
  }
  if (channel.empty()) channel.consume(0);
  if (count < 0 && errno == EINTR) return Step::kMoved;
  if (count < 0 && would_block()) return Step::kNothing;
  // A reset must not look like a good end: the client would take half an answer for whole.
  if (count < 0) return Step::kFailed;
  channel.ended = true;
  return Step::kMoved;
}

TlsTunnel::Step TlsTunnel::write_plain() {
  Channel& channel = to_plain_;
  if (channel.empty() || channel.discards) return Step::kNothing;
  const ssize_t count = ::send(plain_.get(), channel.bytes.get() + channel.begin,
                               channel.end - channel.begin, MSG_NOSIGNAL);
  if (count >= 0) {
    channel.consume(static_cast<std::size_t>(count));
    return Step::kMoved;
  }
  if (errno == EINTR) return Step::kMoved;
  if (would_block()) return Step::kNothing;
  // It has closed; its last answer may still be on the way to the client.
  channel.discards = true;
  return Step::kMoved;
}

void TlsTunnel::pass_ends() {
  if (to_plain_.ended && !to_plain_.passed && (to_plain_.empty() || to_plain_.discards)) {
    to_plain_.passed = true;
    ::shutdown(plain_.get(), SHUT_WR);
  }
  if (to_client_.ended && !to_client_.passed && to_client_.empty()) {
    ERR_clear_error();
    const int result = SSL_shutdown(session_.get());
    if (result < 0 && SSL_get_error(session_.get(), result) == SSL_ERROR_WANT_WRITE) return;
    to_client_.passed = true;
    ::shutdown(client_.get(), SHUT_WR);
    // Closed now, bytes that the client sends would be answered by a reset, and that may overtake
    // the last answer.
    if (!finishing_) restart_timer(limits_.linger, &TlsTunnel::close);
  }
  if (to_client_.passed && (to_plain_.ended || finishing_)) close();
}

void TlsTunnel::check_idle() {
  const auto silent = loop_.now() - last_progress_;
  const bool waits_for_client = !to_client_.empty() || to_client_.ended;
  if (silent >= limits_.idle_timeout && (waits_for_client || state_ == State::kConnecting)) {
    return close();
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limits_.idle_timeout - silent);
  timer_ = loop_.after(left.count() > 0 ? left : limits_.idle_timeout, [this] { check_idle(); });
}

}  // namespace slipway::net
