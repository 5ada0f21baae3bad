#include "endpoints/gateway_loop.h"

#include <algorithm>
#include <utility>

#include <sys/epoll.h>

#include "base/ids.h"
#include "endpoints/answers.h"

namespace slipway::endpoints {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kMostAttempts = 3;  // replicas that one invocation is offered to

std::uint64_t seed() {
  const std::string bytes = base::random_bytes(8);
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::uint64_t micros(steady_clock::time_point from, steady_clock::time_point to) {
  return to > from ? static_cast<std::uint64_t>(duration_cast<microseconds>(to - from).count()) : 0;
}

void append_request_id(std::string& to, std::mt19937_64& random) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::uint64_t bits = 0;
  for (int i = 0; i < 32; ++i) {
    if (i % 16 == 0) bits = random();
    if (i == 8 || i == 12 || i == 16 || i == 20) to += '-';
    std::uint64_t digit = bits & 15;
    if (i == 12) digit = 4;                // version
    if (i == 16) digit = 8 | (digit & 3);  // variant
    to += kDigits[digit];
    bits >>= 4;
  }
}

}  // namespace

GatewayLoop::GatewayLoop(GatewayParts parts, net::Loop& loop, std::size_t index)
    : parts_(parts),
      loop_(loop),
      index_(index),
      mailbox_(std::make_shared<Mailbox>(*this, loop)),
      table_(std::make_shared<RouteTable>()),
      random_(seed()) {}

GatewayLoop::~GatewayLoop() = default;

void GatewayLoop::serve(std::unique_ptr<net::Exchange> exchange) noexcept {
  const net::RequestView& request = exchange->request();
  const wire::Verdict verdict =
      wire::verify_quietly(request, parts_.credentials, keys_, parts_.clock.now(), "sagemaker");
  if (!verdict) return refuse_signature(*exchange, verdict.refusal);
  const std::string& account = verdict.key->caller.account;
  const std::string_view name = endpoint_in(request.target);
  key_.assign(account).append(1, '/').append(name);
  const EndpointRoute* endpoint = table_->find(key_);
  if (!endpoint) {
    return refuse(*exchange, 400, "ValidationError",
                  "Endpoint " + std::string(name) + " of account " + account + " not found.");
  }
  if (!endpoint->in_service) {
    return refuse(*exchange, 400, "ValidationError",
                  "Endpoint " + std::string(name) + " of account " + account +
                      " is not in service: its status is " + std::string(endpoint->status) + ".");
  }
  Invocation& invocation = take_invocation();
  invocation.route_key = key_;
  invocation.account_length = account.size();
  invocation.exchange = std::move(exchange);
  invocation.started = loop_.now();
  invocation.exchange->on_abandoned([this, &invocation] { abandon(invocation); });
  route(invocation);
}

void GatewayLoop::route(Invocation& invocation) noexcept {
  const EndpointRoute* endpoint = table_->find(invocation.route_key);
  if (!endpoint || !endpoint->in_service) {
    return fail_unavailable(invocation, "The endpoint is being deleted.");
  }
  const std::string_view wanted =
      invocation.exchange->request().header("x-amzn-sagemaker-target-variant");
  const VariantRoute* variant = choose_variant(*endpoint, wanted, random_share());
  if (!variant) {
    const std::string message =
        "Variant " + std::string(wanted) + " of endpoint " + endpoint->name + " not found.";
    detach(invocation);
    const auto exchange = std::move(invocation.exchange);
    spare_.push_back(&invocation);
    return refuse(*exchange, 400, "ValidationError", message);
  }
  if (++invocation.attempts > kMostAttempts) {
    return fail_unavailable(invocation, "No replica of the endpoint could be reached.");
  }
  const auto now = loop_.now();
  ReplicaRoute* replica = choose_replica(*variant, static_cast<std::size_t>(random_()),
                                         [&](const ReplicaRoute& candidate) {
                                           const Upstream* upstream = candidate.upstreams[index_];
                                           return upstream && upstream->pass_over_until > now;
                                         });
  if (!replica) {
    return fail_unavailable(invocation, "No replica of the variant is ready.");
  }
  assign(invocation, *replica);
}

void GatewayLoop::assign(Invocation& invocation, ReplicaRoute& replica) noexcept {
  Upstream& upstream = upstream_of(replica);
  invocation.upstream = &upstream;
  ++upstream.invocations;
  replica.in_flight.fetch_add(1, std::memory_order_relaxed);
  if (!invocation.repeated && !upstream.idle.empty()) {
    Connection* connection = upstream.idle.back();
    upstream.idle.pop_back();
    return send(invocation, *connection);
  }
  if (upstream.queued() >= parts_.options.waiting_per_replica) {
    return fail_unavailable(invocation, "Too many requests are waiting for the endpoint.");
  }
  (invocation.repeated ? upstream.waiting_fresh : upstream.waiting).push_back(&invocation);
  open_connections(upstream);
}

void GatewayLoop::send(Invocation& invocation, Connection& connection) noexcept {
  const net::RequestView& request = invocation.exchange->request();
  request_head_.clear();
  append_model_request(request_head_, request);
  connection.invocation = &invocation;
  invocation.connection = &connection;
  invocation.sent = steady_clock::now();
  const Connection::Io result = connection.send(request_head_, request.body);
  if (result == Connection::Io::kReset) return on_reset(connection);
  if (result == Connection::Io::kBroken) on_broken(connection);
}

void GatewayLoop::on_event(Connection& connection, std::uint32_t events) noexcept {
  if (connection.descriptor() < 0) return;  // closed earlier in this round
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (!connection.invocation) {
    if (!ended && (events & EPOLLIN) == 0) return;
    if (!ended && connection.is_quiet()) return;
    return close(connection);
  }
  if (connection.sending() && (events & EPOLLOUT) != 0) {
    const Connection::Io result = connection.flush();
    // An answer to the half that was sent comes first.
    const bool over = !ended && (events & EPOLLIN) == 0;
    if (over && result == Connection::Io::kReset) return on_reset(connection);
    if (over && result == Connection::Io::kBroken) return on_broken(connection);
  }
  if (!ended && (events & EPOLLIN) == 0) return;
  switch (connection.receive(ended)) {
    case Connection::Io::kGoesOn:
      return;
    case Connection::Io::kDone:
      return relay(connection);
    case Connection::Io::kReset:
      return on_reset(connection);
    case Connection::Io::kBroken:
      return on_broken(connection);
    case Connection::Io::kTooLarge: {
      Invocation& invocation = *connection.invocation;
      const int status = connection.reader().head().status;
      close(connection);
      return fail_model(invocation, status, "The answer is larger than this server relays.");
    }
  }
}

void GatewayLoop::on_broken(Connection& connection) noexcept {
  Invocation& invocation = *connection.invocation;
  close(connection);
  fail_model(invocation, 0, "The container closed the connection before it answered.");
}

// Nobody read the request. An idle connection may be closed at any time, then a new one will do;
// a new connection that is reset is a replica's end, and another may take the request.
void GatewayLoop::on_reset(Connection& connection) noexcept {
  Invocation& invocation = *connection.invocation;
  if (invocation.repeated) return on_broken(connection);
  Upstream& upstream = connection.upstream();
  invocation.repeated = true;
  const bool used = connection.used;
  close(connection);
  if (used) {
    while (!upstream.idle.empty()) close(*upstream.idle.back());  // as old as this one
    upstream.waiting_fresh.push_back(&invocation);
    return open_connections(upstream);
  }
  upstream.pass_over_until = loop_.now() + parts_.options.pass_over;
  leave(invocation);
  route(invocation);
  forget_if_done(upstream);
}

// Off its replica, to be given another.
void GatewayLoop::leave(Invocation& invocation) noexcept {
  Upstream& upstream = *std::exchange(invocation.upstream, nullptr);
  --upstream.invocations;
  upstream.replica->in_flight.fetch_sub(1, std::memory_order_release);
}

void GatewayLoop::relay(Connection& connection) noexcept {
  Invocation& invocation = *connection.invocation;
  const net::StatusLineAndHead& answer = connection.reader().head();
  const bool stays = connection.reader().keep_alive() && !connection.ended && !connection.sending();
  // The answer lies in the connection's buffer, so the connection is free only once the answer
  // is written. Closed or not, it lives until this round of the loop is over.
  if (answer.status < 200 || answer.status > 299) {
    fail_model(invocation, answer.status, connection.reader().body());
  } else {
    const Upstream& upstream = connection.upstream();
    std::string head = std::move(spare_head_);
    begin_head(head, answer.status, invocation.exchange->keep_alive());
    const std::string_view type = answer.header("content-type");
    if (!type.empty()) append_field(head, "Content-Type", type);
    for (const net::RequestView::Field& field : answer.fields) {
      if (is_relayed(field.name)) append_field(head, field.name, field.value);
    }
    append_field(head, "x-Amzn-Invoked-Production-Variant", upstream.replica->variant);
    count(upstream, invocation, answer.status);
    finish(invocation, head, connection.reader().body());
  }
  if (connection.descriptor() < 0) return;
  if (!stays) return close(connection);
  connection.settle();
  serve_waiting(connection.upstream(), connection);
}

void GatewayLoop::abandon(Invocation& invocation) noexcept {
  if (!invocation.exchange) return;
  invocation.abandoned = true;
  Upstream* upstream = invocation.upstream;
  Connection* connection = invocation.connection;
  detach(invocation);
  if (connection) close(*connection);
  if (upstream) forget_if_done(*upstream);
  abandoned_.push_back(std::move(invocation.exchange));
  spare_.push_back(&invocation);
  // Not from inside the exchange's own call.
  mailbox_->post([](GatewayLoop& loop) { loop.answer_abandoned(); });
}

void GatewayLoop::answer_abandoned() noexcept {
  auto exchanges = std::move(abandoned_);
  abandoned_.clear();
  for (auto& exchange : exchanges) {
    refuse(*exchange, 503, "ServiceUnavailable", "The client went away.");
  }
}

void GatewayLoop::fail_unavailable(Invocation& invocation, std::string_view message) noexcept {
  if (invocation.upstream) {
    auto& counts = invocation.upstream->replica->meter->on(index_);
    VariantMeter::add(counts.invocations, 1);
    VariantMeter::add(counts.errors_5xx, 1);
  }
  std::string body;
  append_error_body(body, message);
  std::string head = std::move(spare_head_);
  begin_head(head, 503, invocation.exchange->keep_alive());
  append_field(head, "Content-Type", "application/json");
  append_field(head, "x-amzn-ErrorType", "ServiceUnavailable");
  finish(invocation, head, body);
}

void GatewayLoop::fail_model(Invocation& invocation, int status,
                             std::string_view message) noexcept {
  if (invocation.upstream) count(*invocation.upstream, invocation, status);
  ModelErrorText text;
  text.region = parts_.options.region;
  text.account = invocation.account();
  text.endpoint = invocation.endpoint();
  text.original_status = status;
  text.original_message = message;
  std::string body;
  append_model_error_body(body, text);
  std::string head = std::move(spare_head_);
  begin_head(head, 424, invocation.exchange->keep_alive());
  append_field(head, "Content-Type", "application/json");
  append_field(head, "x-amzn-ErrorType", "ModelError");
  if (invocation.upstream) {
    append_field(head, "x-Amzn-Invoked-Production-Variant", invocation.upstream->replica->variant);
  }
  finish(invocation, head, body);
}

void GatewayLoop::refuse(net::Exchange& exchange, int status, std::string_view type,
                         std::string_view message) noexcept {
  std::string body;
  append_error_body(body, message);
  std::string head = std::move(spare_head_);
  begin_head(head, status, exchange.keep_alive());
  append_field(head, "Content-Type", "application/json");
  append_field(head, "x-amzn-ErrorType", type);
  append_field(head, "Content-Length", std::to_string(body.size()));
  head += "\r\n";
  exchange.respond(head, body);
  spare_head_ = std::move(head);
}

void GatewayLoop::refuse_signature(net::Exchange& exchange, wire::Refusal refusal) noexcept {
  // The codes of REST-JSON services for the same refusals.
  std::string_view type = wire::code_of(refusal);
  switch (refusal) {
    case wire::Refusal::kMissing:
      type = "MissingAuthenticationTokenException";
      break;
    case wire::Refusal::kIncomplete:
      type = "IncompleteSignatureException";
      break;
    case wire::Refusal::kUnknownKey:
    case wire::Refusal::kWrongToken:
      type = "UnrecognizedClientException";
      break;
    case wire::Refusal::kExpiredToken:
      type = "ExpiredTokenException";
      break;
    case wire::Refusal::kSkewed:
    case wire::Refusal::kExpiredUrl:
    case wire::Refusal::kUnsignedHeader:
    case wire::Refusal::kWrongSignature:
    case wire::Refusal::kWrongPayload:
    case wire::Refusal::kWrongService:
      type = "InvalidSignatureException";
      break;
    case wire::Refusal::kNone:
      break;
  }
  refuse(exchange, 403, type, wire::message_of(refusal));
}

void GatewayLoop::begin_head(std::string& head, int status, bool keep_alive) noexcept {
  head.clear();
  append_status_line(head, status);
  const auto now = loop_.now();
  if (now >= date_until_) {
    date_ = base::http_date(parts_.clock.now());
    date_until_ = now + std::chrono::seconds(1);
  }
  append_field(head, "Date", date_);
  head += "x-amzn-RequestId: ";
  append_request_id(head, random_);
  head += "\r\n";
  if (!keep_alive) head += "Connection: close\r\n";
}

void GatewayLoop::finish(Invocation& invocation, std::string& head,
                         std::string_view body) noexcept {
  head += "Content-Length: ";
  append_number(head, body.size());
  head += "\r\n\r\n";
  Upstream* upstream = invocation.upstream;
  detach(invocation);
  const auto exchange = std::move(invocation.exchange);
  spare_.push_back(&invocation);
  exchange->respond(head, body);
  spare_head_ = std::move(head);
  if (upstream) forget_if_done(*upstream);
}

Invocation& GatewayLoop::take_invocation() noexcept {
  if (spare_.empty()) {
    invocations_.push_back(std::make_unique<Invocation>());
    spare_.push_back(invocations_.back().get());
  }
  Invocation& invocation = *spare_.back();
  spare_.pop_back();
  invocation.upstream = nullptr;
  invocation.connection = nullptr;
  invocation.attempts = 0;
  invocation.repeated = invocation.abandoned = false;
  invocation.before = youngest_;
  invocation.after = nullptr;
  (youngest_ ? youngest_->after : oldest_) = &invocation;
  youngest_ = &invocation;
  if (!timer_armed_) arm_timer(parts_.options.timeout);
  return invocation;
}

// Off every list; it is still to be answered.
void GatewayLoop::detach(Invocation& invocation) noexcept {
  (invocation.before ? invocation.before->after : oldest_) = invocation.after;
  (invocation.after ? invocation.after->before : youngest_) = invocation.before;
  invocation.before = invocation.after = nullptr;
  Upstream* upstream = std::exchange(invocation.upstream, nullptr);
  if (!upstream) return;
  if (invocation.connection) {
    invocation.connection->invocation = nullptr;
    invocation.connection = nullptr;
  } else {
    std::erase(upstream->waiting, &invocation);
    std::erase(upstream->waiting_fresh, &invocation);
  }
  --upstream->invocations;
  upstream->replica->in_flight.fetch_sub(1, std::memory_order_release);
}

// `model_status`: 0 where the model gave no answer.
void GatewayLoop::count(const Upstream& upstream, const Invocation& invocation,
                        int model_status) noexcept {
  auto& counts = upstream.replica->meter->on(index_);
  VariantMeter::add(counts.invocations, 1);
  VariantMeter::add(counts.model_latency_us, micros(invocation.sent, loop_.now()));
  VariantMeter::add(counts.overhead_us, micros(invocation.started, invocation.sent));
  if (model_status >= 200 && model_status <= 299) return;
  VariantMeter::add(counts.model_errors, 1);
  const bool client = model_status >= 400 && model_status <= 499;
  VariantMeter::add(client ? counts.errors_4xx : counts.errors_5xx, 1);
}

double GatewayLoop::random_share() noexcept {
  return static_cast<double>(random_() >> 11) * 0x1.0p-53;
}

}  // namespace slipway::endpoints
