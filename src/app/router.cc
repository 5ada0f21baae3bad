#include "app/router.h"

namespace slipway::app {
namespace {

bool is_registry(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

// A signed request is meant for an AWS API, whatever its path: an object may be named like
// anything.
bool is_signed(const net::RequestHead& head) {
  return head.headers.get("Authorization").starts_with("AWS4-HMAC-SHA256") ||
         head.query().find("X-Amz-Signature=") != std::string_view::npos ||
         head.query().find("AWSAccessKeyId=") != std::string_view::npos;
}

// A person who follows the address of a project. Programs do not ask for HTML, and an unsigned
// request for an object would be refused anyway.
bool asks_for_project(const net::Request& request) {
  const std::string_view path = request.path();
  // "//host" and, for browsers, "/\host" would lead to another server.
  const bool stays_here =
      path.find("//") == std::string_view::npos && path.find('\\') == std::string_view::npos;
  return request.method == "GET" && !is_signed(request) && stays_here &&
         path.find('/', 1) < path.size() - 1 &&
         request.headers.get("Accept").find("text/html") != std::string_view::npos;
}

// Whether there is such a project is told to who logs in there.
net::Response to_pipelines(const net::Request& request) {
  std::string path(request.path());
  while (path.ends_with('/')) path.pop_back();
  net::Response response = net::plain(302, "see the project's pipelines\n");
  response.headers.set("Location", path + "/-/pipelines");
  return response;
}

net::Response starting() {
  net::Response response = net::plain(503, "starting\n");
  response.headers.set("Retry-After", "1");
  return response;
}

}  // namespace

net::Handler* Router::room_of(const net::RequestHead& head) {
  if (is_signed(head)) return nullptr;
  const std::string_view path = head.path();
  if (runner::Coordinator::takes(head)) return &rooms_.coordinator;
  if (gitlab::Gitlab::takes(path)) return &rooms_.gitlab;
  if (airflow::Airflow::takes(path)) return &rooms_.airflow;
  if (forge::GitHttp::takes(path)) return &rooms_.git;
  if (notify::Notify::takes(head)) return &rooms_.notify;
  return nullptr;
}

std::optional<net::Response> Router::admit(const net::RequestHead& head) {
  if (!open_.load(std::memory_order_acquire)) return starting();
  if (is_registry(head.path())) return rooms_.registry.admit(head);
  if (net::Handler* room = room_of(head)) return room->admit(head);
  return rooms_.api.admit(head);
}

net::Response Router::handle(net::Request request) {
  if (!open_.load(std::memory_order_acquire)) return starting();
  const std::string_view path = request.path();
  if (is_registry(path)) return rooms_.registry.handle(request);
  // Says that the process answers; nothing that a stranger could use.
  if (path == "/healthz" && (request.method == "GET" || request.method == "HEAD"))
    return net::plain(200, "ok\n");
  if (net::Handler* room = room_of(request)) return room->handle(std::move(request));
  if (functions::Functions::takes(path)) return rooms_.functions.download(request);
  if (asks_for_project(request)) return to_pipelines(request);
  return rooms_.api.handle(std::move(request));
}

}  // namespace slipway::app
