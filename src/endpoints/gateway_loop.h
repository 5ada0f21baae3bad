#pragma once

// The gateway on one event loop. Made and used on the loop's thread only; helper threads
// reach it through Mailbox. No member throws.
//
// An answer may be written while the next request of the same client lies in the
// buffer, and then serve() runs inside finish(). So an invocation is taken off every
// list before its answer is written, and a closed connection is deleted later, from
// the loop.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "endpoints/gateway.h"
#include "endpoints/route_table.h"
#include "endpoints/upstream.h"
#include "net/loop_handler.h"
#include "wire/sigv4.h"

namespace slipway::endpoints {

class GatewayLoop;

// How other threads reach a loop that may have ended meanwhile. Thread-safe.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  Mailbox(GatewayLoop& owner, net::Loop& loop) : owner_(&owner), loop_(&loop) {}
  // Runs `then` on the loop, or never where the loop has ended.
  void post(std::function<void(GatewayLoop&)> then);
  void close();

 private:
  GatewayLoop* owner();

  std::mutex mutex_;
  GatewayLoop* owner_;  // guarded by mutex_; null once closed
  net::Loop* loop_;     // guarded by mutex_; null once closed
};

struct GatewayParts {
  const wire::Credentials& credentials;
  const base::Clock& clock;
  Connector& connector;
  const GatewayOptions& options;
  base::ThreadPool& connect_pool;
};

class GatewayLoop {
 public:
  GatewayLoop(GatewayParts parts, net::Loop& loop, std::size_t index);
  ~GatewayLoop();

  void serve(std::unique_ptr<net::Exchange> exchange) noexcept;
  void apply(std::shared_ptr<const RouteTable> table) noexcept;
  // Answers what is left and closes every connection.
  void end() noexcept;
  net::Loop& loop() noexcept { return loop_; }
  const std::shared_ptr<Mailbox>& mailbox() const noexcept { return mailbox_; }
  void connected(ReplicaRoute& replica, base::FileDescriptor descriptor) noexcept;

 private:
  // Refusals, before an invocation exists.
  void refuse(net::Exchange& exchange, int status, std::string_view type,
              std::string_view message) noexcept;
  void refuse_signature(net::Exchange& exchange, wire::Refusal refusal) noexcept;

  // An invocation's way. Each of these may end it.
  void route(Invocation& invocation) noexcept;
  void assign(Invocation& invocation, ReplicaRoute& replica) noexcept;
  void send(Invocation& invocation, Connection& connection) noexcept;
  void on_event(Connection& connection, std::uint32_t events) noexcept;
  void on_broken(Connection& connection) noexcept;
  void on_reset(Connection& connection) noexcept;
  void leave(Invocation& invocation) noexcept;
  void relay(Connection& connection) noexcept;
  void fail_unavailable(Invocation& invocation, std::string_view message) noexcept;
  void fail_model(Invocation& invocation, int status, std::string_view message) noexcept;
  void abandon(Invocation& invocation) noexcept;
  void answer_abandoned() noexcept;

  // Head of an answer up to and without its own fields' end.
  void begin_head(std::string& head, int status, bool keep_alive) noexcept;
  void finish(Invocation& invocation, std::string& head, std::string_view body) noexcept;

  Invocation& take_invocation() noexcept;
  void detach(Invocation& invocation) noexcept;
  void count(const Upstream& upstream, const Invocation& invocation, int model_status) noexcept;

  Upstream& upstream_of(ReplicaRoute& replica) noexcept;
  void open_connections(Upstream& upstream) noexcept;
  void serve_waiting(Upstream& upstream, Connection& connection) noexcept;
  void reroute_waiting(Upstream& upstream) noexcept;
  void close(Connection& connection) noexcept;
  void forget_if_done(Upstream& upstream) noexcept;
  void bury_later() noexcept;

  void arm_timer(std::chrono::milliseconds delay) noexcept;
  void expire() noexcept;
  double random_share() noexcept;

  const GatewayParts parts_;
  net::Loop& loop_;
  const std::size_t index_;
  const std::shared_ptr<Mailbox> mailbox_;
  wire::SigningKeyCache keys_;
  std::shared_ptr<const RouteTable> table_;  // never null
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  std::vector<std::unique_ptr<Invocation>> invocations_;  // all ever made
  std::vector<Invocation*> spare_;
  Invocation* oldest_ = nullptr;
  Invocation* youngest_ = nullptr;
  std::vector<std::unique_ptr<Connection>> buried_;
  std::vector<std::unique_ptr<Upstream>> buried_upstreams_;
  std::vector<std::unique_ptr<net::Exchange>> abandoned_;  // to be answered into nothing
  bool burial_posted_ = false;
  std::uint64_t timer_ = 0;
  bool timer_armed_ = false;
  bool ended_ = false;
  std::mt19937_64 random_;
  std::string request_head_;
  std::string spare_head_;
  std::string key_;
  std::string date_;
  std::chrono::steady_clock::time_point date_until_;
};

}  // namespace slipway::endpoints
