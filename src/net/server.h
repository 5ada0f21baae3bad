#pragma once

// The HTTP/1.1 server: event loops that parse, worker threads that handle.
//
// N loops, one thread each, accept on one address (SO_REUSEPORT). A loop reads a
// request's head and, up to 1 MiB, its body. A request that the LoopHandler takes
// stays on the loop: no lock, no other thread. Every other request goes to the worker
// pool; a larger body is first admitted by its head, then read by the worker into the
// spool while its SHA-256 is computed. Responses from files are sent by the worker too.
// So slow or large transfers never hold up a loop.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "net/http.h"
#include "store/files.h"

namespace slipway::net {

class LoopHandler;  // loop_handler.h

// What the server asks of the application. Called on worker threads, several at a
// time. A handler that throws is answered with 500 and logged.
class Handler {
 public:
  virtual ~Handler() = default;
  // Asked before a body over 1 MiB (or with Expect: 100-continue) is read: an answer refuses it,
  // and the connection is closed after it. Nothing may be stored for strangers, so this
  // authenticates.
  virtual std::optional<Response> admit(const RequestHead& head) = 0;
  virtual Response handle(Request request) = 0;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 4700;  // 0: any free one
  int loops = 2;
  std::size_t connections = 10'000;        // open at once; one more is closed at once
  std::size_t head_limit = 64u << 10;      // bytes; then 431
  std::size_t memory_body = 1u << 20;      // bytes; beyond it a body goes to the spool
  std::uint64_t body_limit = 5ull << 30;   // bytes; then 413. S3's largest single PUT
  std::chrono::seconds head_timeout{20};   // to receive a whole head, then 408
  std::chrono::seconds idle_timeout{120};  // between requests, and without progress in one
};

// Thread-safe after start(). Rest:
//   auto server = Server::start(options, handler, pool, spool, loop_handler);
class Server {
 public:
  // Listens and serves. Throws Error with the address and the next step where the port is in use
  // or not permitted. `loop_handler` may be null. All arguments outlive the server.
  static std::unique_ptr<Server> start(ServerOptions options, Handler& handler,
                                       base::ThreadPool& workers, store::Spool& spool,
                                       LoopHandler* loop_handler);
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
  // Closes the listeners, lets requests that have started end for at most `grace`,
  // then closes every connection.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace slipway::net
