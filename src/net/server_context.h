#pragma once

// What the loops, connections and worker tasks of one server share.

#include <atomic>
#include <cstddef>

#include "net/server.h"

namespace slipway::net {

// Constant after start, but for the atomics.
struct ServerContext {
  const ServerOptions options;
  Handler& handler;
  base::ThreadPool& workers;
  store::Spool& spool;
  LoopHandler* const loop_handler;  // may be null
  // Set by stop(): a response that starts from now on ends its connection.
  std::atomic<bool> stopping{false};
  // Set when the grace is over: tasks that have not started are not run any more.
  std::atomic<bool> grace_over{false};
  std::atomic<std::size_t> open_connections{0};
};

}  // namespace slipway::net
