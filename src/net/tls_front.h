#pragma once

// TLS in front of the plain HTTP port: ends TLS and passes the bytes on over loopback.
//
// One thread, one event loop. What it cannot pass on at once it holds, at most `buffer` bytes a
// direction and connection, and then stops reading: a slow side slows the other down. It looks
// at no byte of HTTP; requests, their limits and their timeouts are the plain port's business. Why
// so, and what it costs: docs/decisions/0007-tls-front.md.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace slipway::net {

struct TlsFrontOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  // The plain port. Of a wildcard address its loopback is taken.
  std::string plain_address = "127.0.0.1";
  std::uint16_t plain_port = 0;
  std::filesystem::path certificate;  // PEM
  std::filesystem::path key;          // PEM
  std::size_t connections = 1000;     // open at once; one more is closed at once
  std::size_t buffer = 64u << 10;     // bytes
  std::chrono::milliseconds handshake_timeout{10'000};
  // Without progress while bytes wait for the client. Where none wait the plain port decides: it
  // ends connections between requests, and lets a request that it works on take its time.
  std::chrono::milliseconds idle_timeout{130'000};
  // After the plain port has closed: for the client to close as well.
  std::chrono::milliseconds linger{5'000};
};

// Thread-safe.
class TlsFront {
 public:
  // Listens and serves. Throws Error where the port is taken or a file does not fit.
  static std::unique_ptr<TlsFront> start(TlsFrontOptions options);
  virtual ~TlsFront() = default;  // stop at once
  virtual std::uint16_t port() const = 0;
  virtual std::size_t connections() const = 0;  // open now
  // Takes no more connections, lets the open ones end for at most `grace`, closes the rest. Those
  // end whose plain port has closed: stop the server first. Idempotent.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace slipway::net
