#include "app/router.h"

namespace slipway::app {
namespace {

bool is_registry(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

net::Response starting() {
  net::Response response = net::plain(503, "starting\n");
  response.headers.set("Retry-After", "1");
  return response;
}

}  // namespace

std::optional<net::Response> Router::admit(const net::RequestHead& head) {
  if (!open_.load(std::memory_order_acquire)) return starting();
  if (is_registry(head.path())) return registry_.admit(head);
  return api_.admit(head);
}

net::Response Router::handle(net::Request request) {
  if (!open_.load(std::memory_order_acquire)) return starting();
  const std::string_view path = request.path();
  if (is_registry(path)) return registry_.handle(request);
  // Says that the process answers; nothing that a stranger could use.
  if (path == "/healthz" && (request.method == "GET" || request.method == "HEAD"))
    return net::plain(200, "ok\n");
  return api_.handle(std::move(request));
}

}  // namespace slipway::app
