#pragma once

// What one loop thread does: accept, and own the connections it accepted.

#include <memory>
#include <vector>

#include "base/file_descriptor.h"
#include "net/connection.h"
#include "net/event_loop.h"
#include "net/exchange.h"
#include "net/server_context.h"

namespace slipway::net {

// Built on the starting thread; run() makes it the calling thread's. begin_stop() is
// thread-safe, the rest is not.
class LoopServer {
 public:
  LoopServer(ServerContext& context, base::FileDescriptor listener);
  ~LoopServer();
  LoopServer(const LoopServer&) = delete;
  LoopServer& operator=(const LoopServer&) = delete;

  // Serves until begin_stop() was called and the last connection is closed.
  void run();
  // Closes the listener and, after `grace`, the connections that are left.
  void begin_stop(std::chrono::milliseconds grace);

  // For the connections.
  ServerContext& context() noexcept { return context_; }
  EpollLoop& loop() noexcept { return loop_; }
  ExchangePool& exchanges() noexcept { return exchanges_; }
  // The connection is closed: it is destroyed at the end of the loop's round.
  void remove(Connection& connection);

 private:
  void accept_all();
  void accept_one(base::FileDescriptor descriptor, const sockaddr_storage& peer);
  void close_listener();
  void stop_now();
  void end_when_empty();

  ServerContext& context_;
  EpollLoop loop_;
  ExchangePool exchanges_;
  base::FileDescriptor listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> closed_;  // in this round
  bool stopping_ = false;
};

}  // namespace slipway::net
