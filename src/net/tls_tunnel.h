#pragma once

// One connection of the TLS front: a TLS socket, a plain one and a buffer each way.
//
//   handshake ─▶ connecting ─▶ open ─▶ (plain side ended, all passed on) lingering ─▶ closed
//
// Each side may end its sending alone: the end is passed on behind the last byte.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/file_descriptor.h"
#include "net/event_loop.h"

namespace slipway::net {

struct TunnelLimits {
  std::size_t buffer;
  std::chrono::milliseconds handshake_timeout;
  std::chrono::milliseconds idle_timeout;
  std::chrono::milliseconds linger;
};

struct PlainAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// Told on the loop's thread when a tunnel has closed its sockets; the tunnel may be on the stack.
class TlsTunnel;
class TunnelOwner {
 public:
  virtual ~TunnelOwner() = default;
  virtual void closed(TlsTunnel& tunnel) = 0;
};

// Belongs to the loop's thread.
class TlsTunnel : public std::enable_shared_from_this<TlsTunnel> {
 public:
  // `context`, `limits` and `plain` outlive the tunnel. Throws Error where memory or descriptors
  // are out.
  TlsTunnel(EpollLoop& loop, TunnelOwner& owner, SSL_CTX* context, const TunnelLimits& limits,
            const PlainAddress& plain, base::FileDescriptor client);
  ~TlsTunnel();
  TlsTunnel(const TlsTunnel&) = delete;
  TlsTunnel& operator=(const TlsTunnel&) = delete;

  // Watches the client and begins. May close.
  void start();
  // The front stops: what has nothing under way closes at once, and nothing lingers.
  void finish();
  void close();

  std::size_t index = 0;  // the owner's

 private:
  enum class State { kHandshake, kConnecting, kOpen, kClosed };
  // Bytes on their way to one side. The memory is there only while bytes are.
  struct Channel {
    std::unique_ptr<char[]> bytes;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool ended = false;     // the source will send no more
    bool passed = false;    // and the other side has been told
    bool discards = false;  // the other side takes no more

    bool empty() const { return begin == end; }
    std::size_t room(std::size_t capacity) const { return capacity - end; }
    void make_room(std::size_t capacity);
    void consume(std::size_t count);
  };
  // What an attempt to move bytes came to.
  enum class Step { kMoved, kNothing, kFailed };

  void ready();
  void shake_hands();
  void refuse_plain_http();
  void connect();
  void finish_connecting();
  void pump();
  bool pump_once();  // whether anything moved
  Step read_client();
  Step write_client();
  Step read_plain();
  Step write_plain();
  void pass_ends();
  void check_idle();
  void restart_timer(std::chrono::milliseconds delay, void (TlsTunnel::*then)());

  EpollLoop& loop_;
  TunnelOwner& owner_;
  const TunnelLimits& limits_;
  const PlainAddress& plain_address_;
  base::FileDescriptor client_;
  base::FileDescriptor plain_;
  struct FreeSession {
    void operator()(SSL* session) const { SSL_free(session); }
  };
  std::unique_ptr<SSL, FreeSession> session_;
  State state_ = State::kHandshake;
  bool finishing_ = false;
  bool pumping_later_ = false;
  Channel to_plain_;
  Channel to_client_;
  std::uint64_t timer_ = 0;  // handshake, then idleness, then lingering
  std::chrono::steady_clock::time_point last_progress_;
};

}  // namespace slipway::net
