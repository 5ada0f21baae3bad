#pragma once

// Invocations: POST /endpoints/{name}/invocations, from the client's signature to the
// model's answer, on the event loop that read the request.
//
// Each loop has its own connections to every replica, its own copy of the pointer to the
// published RouteTable and its own counters. An invocation over a connection that is
// already open takes no lock and makes no system call but one write to and one read from the
// replica. Opening a connection may enter another network namespace, so a few helper threads
// do that and post the descriptor back to the loop.
//
// What an invocation meets:
//   no or wrong signature                          403, as REST-JSON services answer
//   unknown endpoint or variant, not in service    400 ValidationError
//   no replica, or too many requests are waiting   503 ServiceUnavailable
//   the model answers other than 2xx, not in time,
//   or goes away in the middle                     424 ModelError
// A request that was not sent yet goes to another replica where one cannot be reached. A
// request is sent once more where its connection was reset without a byte of answer: then
// nobody read it whole. Where the model closes in order it may have seen the request, which is
// not repeated.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "endpoints/route_table.h"
#include "net/loop_handler.h"
#include "wire/api.h"

namespace slipway::endpoints {

// Opens connections to replicas. Thread-safe.
class Connector {
 public:
  virtual ~Connector() = default;
  // A connected, non-blocking stream socket; empty where nothing listens. Blocks for at most
  // `timeout`.
  virtual base::FileDescriptor connect(const std::string& replica,
                                       std::chrono::milliseconds timeout) noexcept = 0;
};

struct GatewayOptions {
  std::string region = "us-east-1";
  std::size_t loops = 64;                     // at most so many event loops
  std::size_t body_limit = 25u << 20;         // bytes of a request
  std::size_t response_limit = 25u << 20;     // bytes of a model's answer
  std::chrono::milliseconds timeout{60'000};  // for the whole invocation
  std::chrono::milliseconds connect_timeout{1'000};
  std::size_t connections_per_replica = 128;  // on one loop
  std::size_t waiting_per_replica = 512;      // requests without a connection, on one loop
  std::size_t connect_threads = 4;
  std::chrono::milliseconds pass_over{1'000};  // a replica that could not be reached
};

struct VariantMetrics {
  std::string account;
  std::string endpoint;
  std::string variant;
  VariantCounts counts;
};

// serve() and what follows from it run on the loops; every other member is thread-safe.
class Gateway final : public net::LoopHandler {
 public:
  // The arguments outlive the gateway, and the gateway outlives the server.
  Gateway(const wire::Credentials& credentials, const base::Clock& clock, Connector& connector,
          GatewayOptions options);
  ~Gateway() override;

  bool takes(std::string_view method, std::string_view target) const noexcept override;
  std::size_t body_limit() const noexcept override;
  void serve(std::unique_ptr<net::Exchange> exchange) noexcept override;
  void loop_started(net::Loop& loop) override;
  void loop_ending(net::Loop& loop) override;

  // Gives the table to every loop and sets its version, which is returned.
  std::uint64_t publish(std::shared_ptr<RouteTable> table);
  // The version that the slowest loop works with: replicas that are in no table from there on get
  // no further request.
  std::uint64_t applied() const;

  // For building tables. A variant's meter lives until forget().
  std::shared_ptr<ReplicaRoute> make_replica(std::string id, const std::string& account,
                                             const std::string& endpoint,
                                             const std::string& variant);
  void forget(const std::string& account, const std::string& endpoint);
  std::vector<VariantMetrics> metrics() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace slipway::endpoints
