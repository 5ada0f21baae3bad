#include "functions/runtime_api.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace slipway::functions {
namespace {

constexpr std::string_view kVersion2018 = "/2018-06-01/runtime";
constexpr std::string_view kInvocation = "/invocation/";
// A response is at most kSyncPayload; an error may carry a trace as well.
constexpr std::size_t kBodyLimit = kSyncPayload + (64u << 10);

void respond(net::Exchange& exchange, int status, std::string_view headers, std::string_view body) {
  std::string head =
      "HTTP/1.1 " + std::to_string(status) + " " + std::string(net::reason_of(status)) +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n";
  head += headers;
  if (!exchange.keep_alive()) head += "Connection: close\r\n";
  head += "\r\n";
  exchange.respond(head, body);
}

void refuse(net::Exchange& exchange, int status, std::string_view type, std::string_view message) {
  respond(exchange, status, "", base::dump_json({{"errorType", type}, {"errorMessage", message}}));
}

void accept(net::Exchange& exchange) { respond(exchange, 202, "", R"({"status":"OK"})"); }

void deliver(net::Exchange& exchange, const Delivery& delivery) {
  std::string headers = "Lambda-Runtime-Aws-Request-Id: " + delivery.request_id +
                        "\r\nLambda-Runtime-Deadline-Ms: " + std::to_string(delivery.deadline) +
                        "\r\nLambda-Runtime-Invoked-Function-Arn: " + delivery.arn + "\r\n";
  // Given as base64 by the caller; the runtime gets the JSON.
  const auto context = base::from_base64(delivery.client_context);
  if (context && !context->empty() && context->find_first_of("\r\n") == std::string::npos) {
    headers += "Lambda-Runtime-Client-Context: " + *context + "\r\n";
  }
  respond(exchange, 200, headers, delivery.payload);
}

}  // namespace

RuntimeApi::RuntimeApi(Pool& pool, store::Spool& spool) : pool_(pool), spool_(spool) {
  pool_.on_work([this](const std::string& token) { wake(token); });
}

RuntimeApi::~RuntimeApi() { stop(); }

void RuntimeApi::start() {
  if (server_) return;
  workers_ = std::make_unique<base::ThreadPool>(
      base::ThreadPoolOptions{.name = "lambda-runtime", .threads = 1, .queue = 16});
  net::ServerOptions options;
  options.address = "127.0.0.1";
  options.port = 0;
  options.loops = 1;
  options.connections = 1024;
  // Longer than any invocation and any warm container's rest.
  options.idle_timeout = std::chrono::hours(24);
  server_ = net::Server::start(options, *this, *workers_, spool_, this);
}

void RuntimeApi::stop() {
  if (!server_) return;
  server_->stop(std::chrono::milliseconds(200));
  server_.reset();
  workers_.reset();
}

std::uint16_t RuntimeApi::port() const { return server_ ? server_->port() : 0; }

bool RuntimeApi::takes(std::string_view, std::string_view) const noexcept { return true; }

std::size_t RuntimeApi::body_limit() const noexcept { return kBodyLimit; }

void RuntimeApi::serve(std::unique_ptr<net::Exchange> exchange) noexcept {
  try {
    dispatch(std::move(exchange));
  } catch (const std::exception& error) {
    log(Level::kError, "a function's runtime could not be served", {{"error", error.what()}});
  }
}

void RuntimeApi::dispatch(std::unique_ptr<net::Exchange> exchange) {
  const net::RequestView& request = exchange->request();
  std::string_view path = request.target.substr(0, request.target.find('?'));
  const std::size_t end = path.find('/', 1);
  if (path.empty() || end == std::string_view::npos ||
      !path.substr(end).starts_with(kVersion2018)) {
    return refuse(*exchange, 404, "NotFound", "There is no such resource.");
  }
  const std::string token(path.substr(1, end - 1));
  path.remove_prefix(end + kVersion2018.size());
  if (request.method == "GET" && path == "/invocation/next") {
    return wait_for_work(std::move(exchange), token);
  }
  if (request.method != "POST") {
    return refuse(*exchange, 404, "NotFound", "There is no such resource.");
  }
  if (path == "/init/error") {
    if (!pool_.fail_start(token, std::string(request.body))) {
      return refuse(*exchange, 403, "Forbidden", "There is no such container.");
    }
    return accept(*exchange);
  }
  const bool is_response = path.ends_with("/response");
  if (!path.starts_with(kInvocation) || (!is_response && !path.ends_with("/error"))) {
    return refuse(*exchange, 404, "NotFound", "There is no such resource.");
  }
  path.remove_prefix(kInvocation.size());
  const std::string_view id = path.substr(0, path.find('/'));
  if (is_response && request.body.size() > kSyncPayload + 100) {
    return refuse(*exchange, 413, "Function.ResponseSizeTooLarge",
                  "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
  }
  if (!pool_.complete(token, id, std::string(request.body), is_response ? "" : "Unhandled")) {
    return refuse(*exchange, 400, "InvalidRequestID", "Invalid request ID");
  }
  accept(*exchange);
}

void RuntimeApi::wait_for_work(std::unique_ptr<net::Exchange> exchange, const std::string& token) {
  // Where it came while an older one of the same container waits, that one is gone.
  waiting_.erase(token);
  exchange->on_abandoned([this, token, &loop = exchange->loop()] {
    const auto found = waiting_.find(token);
    if (found == waiting_.end()) return;
    // It is on the stack: it goes a moment later.
    auto gone = std::make_shared<std::unique_ptr<net::Exchange>>(std::move(found->second));
    waiting_.erase(found);
    loop.post([gone] { (*gone)->respond("", ""); });
  });
  waiting_[token] = std::move(exchange);
  offer(token);
}

void RuntimeApi::offer(const std::string& token) {
  const auto found = waiting_.find(token);
  if (found == waiting_.end()) return;
  const auto next = pool_.next(token);
  if (std::holds_alternative<Nothing>(next)) return;
  const std::unique_ptr<net::Exchange> exchange = std::move(found->second);
  waiting_.erase(found);
  if (const auto* delivery = std::get_if<Delivery>(&next)) return deliver(*exchange, *delivery);
  refuse(*exchange, 403, "Forbidden", "There is no such container.");
}

void RuntimeApi::wake(const std::string& token) {
  const std::lock_guard lock(mutex_);
  if (loop_) loop_->post([this, token] { offer(token); });
}

void RuntimeApi::loop_started(net::Loop& loop) {
  const std::lock_guard lock(mutex_);
  loop_ = &loop;
}

void RuntimeApi::loop_ending(net::Loop&) {
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }
  waiting_.clear();
}

std::optional<net::Response> RuntimeApi::admit(const net::RequestHead&) {
  return net::plain(404, "");
}

net::Response RuntimeApi::handle(net::Request) { return net::plain(404, ""); }

}  // namespace slipway::functions
