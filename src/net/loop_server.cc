#include "net/loop_server.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"

namespace slipway::net {
namespace {

constexpr int kAcceptsPerTurn = 256;
constexpr std::chrono::milliseconds kRetryAccept{100};

bool is_out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

LoopServer::LoopServer(ServerContext& context, base::FileDescriptor listener)
    : context_(context), listener_(std::move(listener)) {}

LoopServer::~LoopServer() = default;

void LoopServer::run() {
  if (context_.loop_handler) context_.loop_handler->loop_started(loop_);
  loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_all(); });
  loop_.run();
  if (context_.loop_handler) context_.loop_handler->loop_ending(loop_);
}

void LoopServer::accept_all() {
  for (int accepted = 0; listener_; ++accepted) {
    if (accepted == kAcceptsPerTurn) {
      loop_.soon([this] { accept_all(); });
      return;
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    base::FileDescriptor descriptor(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer),
                                              &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (descriptor) {
      accept_one(std::move(descriptor), peer);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (!is_out_of_resources(errno)) continue;  // that client's trouble, or a signal
    log(Level::kWarning, "cannot accept connections for now", {{"error", std::strerror(errno)}});
    loop_.after(kRetryAccept, [this] { accept_all(); });
    return;
  }
}

void LoopServer::accept_one(base::FileDescriptor descriptor, const sockaddr_storage& peer) {
  if (context_.open_connections.fetch_add(1) >= context_.options.connections) {
    context_.open_connections.fetch_sub(1);
    return;
  }
  auto connection = std::make_unique<Connection>(*this, std::move(descriptor), peer);
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  connections_.back()->start();
}

void LoopServer::remove(Connection& connection) {
  const std::size_t index = connection.index;
  closed_.push_back(std::move(connections_[index]));
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  context_.open_connections.fetch_sub(1);
  // It may be on the stack.
  if (closed_.size() == 1) loop_.soon([this] { closed_.clear(); });
  end_when_empty();
}

void LoopServer::begin_stop(std::chrono::milliseconds grace) {
  loop_.post([this, grace] {
    stopping_ = true;
    close_listener();
    std::vector<Connection*> all;
    for (const auto& connection : connections_) all.push_back(connection.get());
    for (auto* connection : all) connection->stop_idle();
    loop_.after(grace, [this] { stop_now(); });
    end_when_empty();
  });
}

void LoopServer::close_listener() {
  if (!listener_) return;
  loop_.forget(listener_.get());
  listener_.reset();
}

void LoopServer::stop_now() {
  context_.grace_over = true;
  std::vector<Connection*> all;
  for (const auto& connection : connections_) all.push_back(connection.get());
  for (auto* connection : all) connection->stop_now();
}

void LoopServer::end_when_empty() {
  if (stopping_ && connections_.empty()) loop_.end();
}

}  // namespace slipway::net
