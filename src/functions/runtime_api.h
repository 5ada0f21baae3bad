#pragma once

// Lambda's runtime API, version 2018-06-01, for the containers' runtimes.
//
// A listener of its own on 127.0.0.1, any free port. A container's address is
// "127.0.0.1:<port>/<token>": the token, 128 random bits, says which container calls, and keeps
// others out. Everything runs on one event loop: a runtime that waits for work costs a
// connection, not a thread.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/thread_pool.h"
#include "functions/pool.h"
#include "net/loop_handler.h"
#include "net/server.h"
#include "store/files.h"

namespace slipway::functions {

class RuntimeApi final : private net::LoopHandler, private net::Handler {
 public:
  RuntimeApi(Pool& pool, store::Spool& spool);
  ~RuntimeApi() override;  // stop()

  void start();
  // Closes every connection. The pool is to be stopped before: then nobody waits.
  void stop();
  std::uint16_t port() const;

 private:
  bool takes(std::string_view method, std::string_view target) const noexcept override;
  std::size_t body_limit() const noexcept override;
  void serve(std::unique_ptr<net::Exchange> exchange) noexcept override;
  void loop_started(net::Loop& loop) override;
  void loop_ending(net::Loop& loop) override;
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

  void dispatch(std::unique_ptr<net::Exchange> exchange);
  void wait_for_work(std::unique_ptr<net::Exchange> exchange, const std::string& token);
  void offer(const std::string& token);
  void wake(const std::string& token);

  Pool& pool_;
  store::Spool& spool_;
  std::map<std::string, std::unique_ptr<net::Exchange>> waiting_;  // by token; the loop's own
  std::mutex mutex_;
  net::Loop* loop_ = nullptr;  // guarded by mutex_
  std::unique_ptr<base::ThreadPool> workers_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace slipway::functions
