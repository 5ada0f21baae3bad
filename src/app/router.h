#pragma once

// Which room answers a request: docs/architecture.md, "The way of a request".

#include <atomic>
#include <optional>

#include "images/images.h"
#include "net/server.h"
#include "wire/api.h"

namespace slipway::app {

// Answers 503 until open(): the last operations are registered when the port is known.
// Thread-safe.
class Router final : public net::Handler {
 public:
  Router(const wire::Api& api, images::Registry& registry) : api_(api), registry_(registry) {}

  void open() { open_.store(true, std::memory_order_release); }

  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

 private:
  const wire::Api& api_;
  images::Registry& registry_;
  std::atomic<bool> open_{false};
};

}  // namespace slipway::app
