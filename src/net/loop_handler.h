#pragma once

// Requests that are answered on the event loop itself: the gateway.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"

namespace slipway::net {

// One event loop: epoll, one thread. Everything but post() is called on that thread.
class Loop {
 public:
  virtual ~Loop() = default;
  using Ready = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, …
  // Watches a non-blocking descriptor, edge-triggered. It stays the caller's, who
  // calls forget() before closing it.
  virtual void watch(int descriptor, std::uint32_t events, Ready ready) = 0;
  virtual void forget(int descriptor) = 0;
  // Runs `then` once, after about `delay`. The number cancels it.
  virtual std::uint64_t after(std::chrono::milliseconds delay, std::function<void()> then) = 0;
  virtual void cancel(std::uint64_t timer) = 0;
  // Runs `then` on the loop soon; the only thread-safe member.
  virtual void post(std::function<void()> then) = 0;
  // Monotonic time at which the loop last woke: cheap, and exact enough for timeouts.
  virtual std::chrono::steady_clock::time_point now() const = 0;
};

// A request as it lies in the connection's buffer; every view dies with serve()'s
// return unless the exchange is kept.
struct RequestView {
  std::string_view method;
  std::string_view target;
  struct Field {
    std::string_view name;
    std::string_view value;
  };
  const Field* fields = nullptr;
  std::size_t field_count = 0;
  std::string_view body;

  std::string_view header(std::string_view name) const noexcept;  // empty where absent
};

// One request in flight on a loop; the connection waits for its answer. Must be
// answered exactly once. Loop thread only.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Valid until the answer: the connection's buffer is not touched before that.
  virtual const RequestView& request() const noexcept = 0;
  virtual Loop& loop() noexcept = 0;
  // Writes `head` (status line and fields, without the empty line's CRLF left out: it ends in
  // CRLFCRLF) followed by `body`. The exchange is gone afterwards.
  virtual void respond(std::string_view head, std::string_view body) noexcept = 0;
  // Where the client went away before the answer, called once; the exchange must then
  // still be answered (into nothing).
  virtual void on_abandoned(std::function<void()> then) = 0;
  virtual bool keep_alive() const noexcept = 0;
};

// Never throws. Owned per server; serve() runs on the loop that read the request.
class LoopHandler {
 public:
  virtual ~LoopHandler() = default;
  // True for a request that this handler will serve, by method and target alone.
  virtual bool takes(std::string_view method, std::string_view target) const noexcept = 0;
  // The largest body it takes, in bytes; a larger one is answered with 413 before it is read.
  virtual std::size_t body_limit() const noexcept = 0;
  virtual void serve(std::unique_ptr<Exchange> exchange) noexcept = 0;
  // Called on each loop's thread when it starts and before it ends.
  virtual void loop_started(Loop& loop) = 0;
  virtual void loop_ending(Loop& loop) = 0;
};

}  // namespace slipway::net
