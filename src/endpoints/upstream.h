#pragma once

// One loop's connections to one replica, and the invocations that wait for one.
// Everything here belongs to one loop's thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/uio.h>

#include "base/file_descriptor.h"
#include "endpoints/response_reader.h"
#include "endpoints/route_table.h"
#include "net/loop_handler.h"

namespace slipway::endpoints {

class Upstream;
class Connection;

// One request on its way through the gateway.
struct Invocation {
  std::unique_ptr<net::Exchange> exchange;
  std::string route_key;  // "<account>/<endpoint>"
  std::size_t account_length = 0;
  Upstream* upstream = nullptr;
  Connection* connection = nullptr;  // null while it waits for one
  std::chrono::steady_clock::time_point started;
  std::chrono::steady_clock::time_point sent;
  int attempts = 0;       // replicas tried
  bool repeated = false;  // was sent over a used connection that closed
  bool abandoned = false;
  // The loop's list of all invocations, oldest first.
  Invocation* before = nullptr;
  Invocation* after = nullptr;

  std::string_view account() const noexcept {
    return std::string_view(route_key).substr(0, account_length);
  }
  std::string_view endpoint() const noexcept {
    return std::string_view(route_key).substr(account_length + 1);
  }
};

// A connection to a replica. Idle, or carrying one invocation.
class Connection {
 public:
  Connection(Upstream& upstream, base::FileDescriptor descriptor, std::size_t response_limit)
      : upstream_(upstream), descriptor_(std::move(descriptor)), reader_(response_limit) {}

  // kReset: the other side had closed before it read the whole request, which therefore may be
  // sent again. A server that closes after it has read a request ends the connection in order;
  // only bytes that nobody read make the kernel reset it.
  enum class Io { kGoesOn, kDone, kReset, kBroken, kTooLarge };

  // Starts sending; `head` is copied where it cannot be written at once, `body` stays the caller's.
  Io send(std::string_view head, std::string_view body) noexcept;
  Io flush() noexcept;
  // Receives what has come. `ended`: the loop has seen the other side close.
  Io receive(bool ended) noexcept;
  // Whether an idle connection is still of use.
  bool is_quiet() const noexcept;

  bool sending() const noexcept { return !head_left_.empty() || !body_left_.empty(); }
  Upstream& upstream() noexcept { return upstream_; }
  int descriptor() const noexcept { return descriptor_.get(); }
  ResponseReader& reader() noexcept { return reader_; }
  void close() noexcept { descriptor_.reset(); }
  // The answer has been relayed: ready for the next.
  void settle() noexcept;

  Invocation* invocation = nullptr;
  bool used = false;   // has carried an invocation to its end
  bool ended = false;  // the other side has closed

 private:
  Upstream& upstream_;
  base::FileDescriptor descriptor_;
  ResponseReader reader_;
  std::string head_left_;
  std::string_view body_left_;
};

class Upstream {
 public:
  explicit Upstream(std::shared_ptr<ReplicaRoute> route) : replica(std::move(route)) {}

  const std::shared_ptr<ReplicaRoute> replica;
  std::vector<std::unique_ptr<Connection>> connections;  // all that are open
  std::vector<Connection*> idle;                         // the last used is taken first
  std::deque<Invocation*> waiting;                       // any connection will do
  std::deque<Invocation*> waiting_fresh;                 // only one that was not used
  std::size_t connecting = 0;
  std::size_t invocations = 0;  // of this loop, waiting ones included
  std::chrono::steady_clock::time_point pass_over_until;
  bool retired = false;    // in no table any more
  bool forgotten = false;  // being deleted

  std::size_t queued() const noexcept { return waiting.size() + waiting_fresh.size(); }
};

}  // namespace slipway::endpoints
