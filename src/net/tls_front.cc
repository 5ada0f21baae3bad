#include "net/tls_front.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/listener.h"
#include "net/tls_tunnel.h"

namespace slipway::net {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kRetryAccept{100};
// Of TLS 1.2, those with forward secrecy and authenticated encryption; TLS 1.3 has no others.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

int select_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const int result = SSL_select_next_proto(&found, size, kProtocols.data(), kProtocols.size(),
                                           offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Context make_context(const TlsFrontOptions& options) {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context) base::throw_internal("cannot set up TLS");
  SSL_CTX* const raw = context.get();
  const bool fits = SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1 &&
                    SSL_CTX_set_cipher_list(raw, kCiphers) == 1 &&
                    SSL_CTX_use_certificate_chain_file(raw, options.certificate.c_str()) == 1 &&
                    SSL_CTX_use_PrivateKey_file(raw, options.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
                    SSL_CTX_check_private_key(raw) == 1;
  if (!fits) {
    ERR_clear_error();
    throw Error("TlsNotReady", "cannot serve TLS with " + options.certificate.string() + " and " +
                                   options.key.string() +
                                   ": remove both, and the next start makes new ones");
  }
  // An end without close_notify is an end: lengths in HTTP tell whether a request is whole.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // tickets do without memory here
  SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
  return context;
}

PlainAddress plain_address(const std::string& text, std::uint16_t port) {
  PlainAddress address;
  auto& four = reinterpret_cast<sockaddr_in&>(address.bytes);
  auto& six = reinterpret_cast<sockaddr_in6&>(address.bytes);
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    if (four.sin_addr.s_addr == htonl(INADDR_ANY)) four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof four;
  } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    if (IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) six.sin6_addr = in6addr_loopback;
    address.size = sizeof six;
  } else {
    throw Error("InvalidAddress", "\"" + text + "\" is not an IP address.");
  }
  return address;
}

class LoopFront final : public TlsFront, public TunnelOwner {
 public:
  explicit LoopFront(TlsFrontOptions options)
      : options_(std::move(options)),
        limits_{options_.buffer, options_.handshake_timeout, options_.idle_timeout,
                options_.linger},
        plain_(plain_address(options_.plain_address, options_.plain_port)),
        context_(make_context(options_)) {
    Listeners listeners = listen();
    port_ = listeners.port;
    listener_ = std::move(listeners.sockets.front());
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "tls-front");
  }
  ~LoopFront() override { stop(std::chrono::milliseconds(0)); }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return open_; }

  void stop(std::chrono::milliseconds grace) override {
    const std::lock_guard lock(stopping_mutex_);
    if (!thread_.joinable()) return;
    loop_.post([this, grace] { begin_stop(grace); });
    thread_.join();
  }

 private:
  Listeners listen() const {
    try {
      return listen_on(options_.address, options_.port, 1);
    } catch (const Error& error) {
      // The next step is another option here than at the plain port.
      throw Error(error.code(), base::replace_all(error.message(), "--port", "--tls-port"),
                  error.status());
    }
  }

  void run() {
    // OpenSSL writes to sockets without MSG_NOSIGNAL. Blocked in this thread alone, so that
    // programs that other threads start inherit nothing.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_all(); });
    loop_.run();
  }

  void accept_all() {
    for (int accepted = 0; listener_; ++accepted) {
      if (accepted == kAcceptsPerTurn) {
        loop_.soon([this] { accept_all(); });
        return;
      }
      base::FileDescriptor client(
          ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (client) {
        accept_one(std::move(client));
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      const bool out = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (!out) continue;  // that client's trouble, or a signal
      log(Level::kWarning, "cannot accept connections for now", {{"error", std::strerror(errno)}});
      loop_.after(kRetryAccept, [this] { accept_all(); });
      return;
    }
  }

  void accept_one(base::FileDescriptor client) {
    if (tunnels_.size() >= options_.connections) return;
    auto tunnel = std::make_shared<TlsTunnel>(loop_, *this, context_.get(), limits_, plain_,
                                              std::move(client));
    tunnel->index = tunnels_.size();
    tunnels_.push_back(std::move(tunnel));
    open_ = tunnels_.size();
    tunnels_.back()->start();
  }

  void closed(TlsTunnel& tunnel) override {
    const std::size_t index = tunnel.index;
    ended_.push_back(std::move(tunnels_[index]));
    if (index + 1 < tunnels_.size()) {
      tunnels_[index] = std::move(tunnels_.back());
      tunnels_[index]->index = index;
    }
    tunnels_.pop_back();
    open_ = tunnels_.size();
    if (ended_.size() == 1) loop_.soon([this] { ended_.clear(); });
    end_when_empty();
  }

  void begin_stop(std::chrono::milliseconds grace) {
    stopping_ = true;
    loop_.forget(listener_.get());
    listener_.reset();
    for (TlsTunnel* tunnel : all()) tunnel->finish();
    loop_.after(grace, [this] {
      for (TlsTunnel* tunnel : all()) tunnel->close();
    });
    end_when_empty();
  }

  std::vector<TlsTunnel*> all() {
    std::vector<TlsTunnel*> all;
    for (const auto& tunnel : tunnels_) all.push_back(tunnel.get());
    return all;
  }

  void end_when_empty() {
    if (stopping_ && tunnels_.empty()) loop_.end();
  }

  const TlsFrontOptions options_;
  const TunnelLimits limits_;
  const PlainAddress plain_;
  const Context context_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> open_{0};

  // The loop's thread alone, once it runs.
  EpollLoop loop_;
  base::FileDescriptor listener_;
  std::vector<std::shared_ptr<TlsTunnel>> tunnels_;
  std::vector<std::shared_ptr<TlsTunnel>> ended_;  // closed; may be on the stack
  bool stopping_ = false;

  std::mutex stopping_mutex_;
  std::thread thread_;  // guarded by stopping_mutex_; not joinable once stopped
};

}  // namespace

std::unique_ptr<TlsFront> TlsFront::start(TlsFrontOptions options) {
  return std::make_unique<LoopFront>(std::move(options));
}

}  // namespace slipway::net
