// The connections of a GatewayLoop: opening, sharing out, closing, and the loop's end.

#include <algorithm>
#include <utility>

#include <sys/epoll.h>

#include "endpoints/gateway_loop.h"

namespace slipway::endpoints {

void Mailbox::post(std::function<void(GatewayLoop&)> then) {
  const std::lock_guard lock(mutex_);
  if (!loop_) return;
  loop_->post([self = shared_from_this(), then = std::move(then)] {
    if (GatewayLoop* owner = self->owner()) then(*owner);
  });
}

GatewayLoop* Mailbox::owner() {
  const std::lock_guard lock(mutex_);
  return owner_;
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  owner_ = nullptr;
  loop_ = nullptr;
}

void GatewayLoop::apply(std::shared_ptr<const RouteTable> table) noexcept {
  if (ended_ || table->version < table_->version) return;
  table_ = std::move(table);
  for (const auto& upstream : upstreams_) upstream->retired = true;
  for (const auto& [key, endpoint] : table_->endpoints) {
    for (const VariantRoute& variant : endpoint.variants) {
      for (const auto& replica : variant.replicas) {
        if (Upstream* upstream = replica->upstreams[index_]) upstream->retired = false;
      }
    }
  }
  // forget_if_done() takes elements away.
  for (std::size_t i = upstreams_.size(); i-- > 0;) forget_if_done(*upstreams_[i]);
}

Upstream& GatewayLoop::upstream_of(ReplicaRoute& replica) noexcept {
  Upstream*& upstream = replica.upstreams[index_];
  if (!upstream) {
    upstreams_.push_back(std::make_unique<Upstream>(replica.shared_from_this()));
    upstream = upstreams_.back().get();
  }
  return *upstream;
}

void GatewayLoop::open_connections(Upstream& upstream) noexcept {
  while (upstream.connecting < upstream.queued() &&
         upstream.connections.size() + upstream.connecting <
             parts_.options.connections_per_replica) {
    ++upstream.connecting;
    const bool taken = parts_.connect_pool.submit([&connector = parts_.connector,
                                                   timeout = parts_.options.connect_timeout,
                                                   mailbox = mailbox_, replica = upstream.replica] {
      auto descriptor =
          std::make_shared<base::FileDescriptor>(connector.connect(replica->id, timeout));
      mailbox->post([replica, descriptor](GatewayLoop& loop) {
        loop.connected(*replica, std::move(*descriptor));
      });
    });
    if (taken) continue;
    // Nobody can connect now. Later, from the loop: the caller is in the middle of something.
    mailbox_->post([replica = upstream.replica](GatewayLoop& loop) {
      loop.connected(*replica, base::FileDescriptor());
    });
  }
}

void GatewayLoop::connected(ReplicaRoute& replica, base::FileDescriptor descriptor) noexcept {
  Upstream* upstream = replica.upstreams[index_];
  if (!upstream) return;
  if (upstream->connecting > 0) --upstream->connecting;
  bool open = static_cast<bool>(descriptor);
  if (open) {
    auto connection = std::make_unique<Connection>(*upstream, std::move(descriptor),
                                                   parts_.options.response_limit);
    Connection& added = *connection;
    try {
      loop_.watch(added.descriptor(), EPOLLIN | EPOLLOUT | EPOLLRDHUP,
                  [this, &added](std::uint32_t events) { on_event(added, events); });
    } catch (...) {
      open = false;  // the kernel's limit of watches: as if it could not be reached
    }
    if (open) {
      upstream->pass_over_until = {};
      upstream->connections.push_back(std::move(connection));
      return serve_waiting(*upstream, added);
    }
  }
  upstream->pass_over_until = loop_.now() + parts_.options.pass_over;
  reroute_waiting(*upstream);
  forget_if_done(*upstream);
}

void GatewayLoop::serve_waiting(Upstream& upstream, Connection& connection) noexcept {
  Invocation* next = nullptr;
  if (!connection.used && !upstream.waiting_fresh.empty()) {
    next = upstream.waiting_fresh.front();
    upstream.waiting_fresh.pop_front();
  } else if (!upstream.waiting.empty()) {
    next = upstream.waiting.front();
    upstream.waiting.pop_front();
  }
  if (next) return send(*next, connection);
  if (upstream.retired) {
    close(connection);
    return forget_if_done(upstream);
  }
  upstream.idle.push_back(&connection);
}

// A replica could not be reached. What waits goes elsewhere, except where open connections
// will come free.
void GatewayLoop::reroute_waiting(Upstream& upstream) noexcept {
  std::vector<Invocation*> leaving(upstream.waiting_fresh.begin(), upstream.waiting_fresh.end());
  upstream.waiting_fresh.clear();
  if (upstream.connections.empty()) {
    leaving.insert(leaving.end(), upstream.waiting.begin(), upstream.waiting.end());
    upstream.waiting.clear();
  }
  for (Invocation* invocation : leaving) leave(*invocation);
  for (Invocation* invocation : leaving) {
    if (invocation->upstream || !invocation->exchange || invocation->abandoned) continue;
    route(*invocation);
  }
}

// Its memory stays until the loop's next task: it may be in use further up the stack.
void GatewayLoop::close(Connection& connection) noexcept {
  if (connection.descriptor() < 0) return;
  loop_.forget(connection.descriptor());
  connection.close();
  if (connection.invocation) {
    connection.invocation->connection = nullptr;
    connection.invocation = nullptr;
  }
  Upstream& upstream = connection.upstream();
  std::erase(upstream.idle, &connection);
  const auto found =
      std::find_if(upstream.connections.begin(), upstream.connections.end(),
                   [&](const auto& candidate) { return candidate.get() == &connection; });
  buried_.push_back(std::move(*found));
  upstream.connections.erase(found);
  bury_later();
  if (upstream.queued() > 0) open_connections(upstream);
  forget_if_done(upstream);
}

// A replica that is in no table any more goes when its last invocation has ended.
void GatewayLoop::forget_if_done(Upstream& upstream) noexcept {
  if (!upstream.retired || upstream.invocations > 0 || upstream.forgotten) return;
  upstream.forgotten = true;
  while (!upstream.connections.empty()) close(*upstream.connections.back());
  upstream.replica->upstreams[index_] = nullptr;
  const auto found = std::find_if(upstreams_.begin(), upstreams_.end(),
                                  [&](const auto& own) { return own.get() == &upstream; });
  buried_upstreams_.push_back(std::move(*found));
  upstreams_.erase(found);
  bury_later();
}

void GatewayLoop::bury_later() noexcept {
  if (std::exchange(burial_posted_, true)) return;
  mailbox_->post([](GatewayLoop& loop) {
    loop.burial_posted_ = false;
    loop.buried_.clear();
    loop.buried_upstreams_.clear();
  });
}

void GatewayLoop::arm_timer(std::chrono::milliseconds delay) noexcept {
  timer_armed_ = true;
  timer_ = loop_.after(delay, [this] { expire(); });
}

// All invocations have the same time, so the oldest ends first, and one timer is enough.
void GatewayLoop::expire() noexcept {
  timer_armed_ = false;
  const auto timeout = parts_.options.timeout;
  const auto now = loop_.now();
  while (oldest_ && now - oldest_->started >= timeout) {
    Invocation& invocation = *oldest_;
    if (!invocation.connection) {
      fail_unavailable(invocation, "No replica of the endpoint was free in time.");
      continue;
    }
    close(*invocation.connection);
    fail_model(invocation, 0,
               "Your invocation timed out while waiting for a response from container primary. "
               "Review the latency metrics for each container, resolve the issue, and try again.");
  }
  if (!oldest_ || timer_armed_) return;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(oldest_->started + timeout - now);
  arm_timer(std::max(left, std::chrono::milliseconds(1)));
}

void GatewayLoop::end() noexcept {
  ended_ = true;
  mailbox_->close();
  if (timer_armed_) loop_.cancel(timer_);
  timer_armed_ = true;  // never again
  while (oldest_) {
    Invocation& invocation = *oldest_;
    if (invocation.connection) close(*invocation.connection);
    fail_unavailable(invocation, "The server is stopping.");
  }
  answer_abandoned();
  for (const auto& upstream : upstreams_) upstream->retired = true;
  while (!upstreams_.empty()) forget_if_done(*upstreams_.back());
}

}  // namespace slipway::endpoints
