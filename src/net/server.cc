#include "net/server.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "base/error.h"
#include "net/listener.h"
#include "net/loop_server.h"
#include "net/server_context.h"

namespace slipway::net {
namespace {

class LoopsServer final : public Server {
 public:
  LoopsServer(ServerOptions options, Handler& handler, base::ThreadPool& workers,
              store::Spool& spool, LoopHandler* loop_handler)
      : context_{std::move(options), handler, workers, spool, loop_handler} {
    auto listeners = listen_on(context_.options.address, context_.options.port,
                               static_cast<std::size_t>(std::max(context_.options.loops, 1)));
    port_ = listeners.port;
    for (auto& socket : listeners.sockets) {
      loops_.push_back(std::make_unique<LoopServer>(context_, std::move(socket)));
    }
    for (auto& loop : loops_) {
      threads_.emplace_back([&loop = *loop] { loop.run(); });
      const std::string name = "loop-" + std::to_string(threads_.size() - 1);
      ::pthread_setname_np(threads_.back().native_handle(), name.c_str());
    }
  }
  ~LoopsServer() override { stop(std::chrono::milliseconds(0)); }

  std::uint16_t port() const override { return port_; }

  void stop(std::chrono::milliseconds grace) override {
    const std::lock_guard lock(stopping_);
    if (threads_.empty()) return;
    context_.stopping = true;
    for (auto& loop : loops_) loop->begin_stop(grace);
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  ServerContext context_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<LoopServer>> loops_;
  std::mutex stopping_;
  std::vector<std::thread> threads_;  // guarded by stopping_; empty once stopped
};

}  // namespace

std::unique_ptr<Server> Server::start(ServerOptions options, Handler& handler,
                                      base::ThreadPool& workers, store::Spool& spool,
                                      LoopHandler* loop_handler) {
  return std::make_unique<LoopsServer>(std::move(options), handler, workers, spool, loop_handler);
}

}  // namespace slipway::net
