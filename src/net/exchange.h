#pragma once

// The server's Exchange: one request that the LoopHandler serves.
//
// The handler may keep it longer than the connection lives or the answer takes, so it is
// an object apart that only points to its connection. Objects are used again: in the
// steady state a request allocates none. All of this belongs to one loop's thread.

#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "net/loop_handler.h"

namespace slipway::net {

class Connection;
class ExchangePool;

class ConnectionExchange final : public Exchange {
 public:
  // Answers with 500 where the handler has let go of it unanswered.
  ~ConnectionExchange() override;
  ConnectionExchange(const ConnectionExchange&) = delete;
  ConnectionExchange& operator=(const ConnectionExchange&) = delete;
  // Gives the memory back to the pool.
  static void operator delete(ConnectionExchange* exchange, std::destroying_delete_t);

  const RequestView& request() const noexcept override;
  Loop& loop() noexcept override { return loop_; }
  void respond(std::string_view head, std::string_view body) noexcept override;
  void on_abandoned(std::function<void()> then) override { abandoned_ = std::move(then); }
  bool keep_alive() const noexcept override;

  // For the connection: the client is gone; tells the handler, once.
  void abandon();
  // For the connection: it ends before the answer, which then goes nowhere.
  void detach() noexcept { connection_ = nullptr; }

 private:
  friend class ExchangePool;
  ConnectionExchange(ExchangePool* pool, Loop& loop, Connection& connection)
      : pool_(pool), loop_(loop), connection_(&connection) {}

  void let_go();

  ExchangePool* pool_;  // null once the pool is gone
  Loop& loop_;
  Connection* connection_;  // null once answered
  std::size_t place_ = 0;   // among the pool's
  std::function<void()> abandoned_;
};

class ExchangePool {
 public:
  ExchangePool() = default;
  ~ExchangePool();
  ExchangePool(const ExchangePool&) = delete;
  ExchangePool& operator=(const ExchangePool&) = delete;

  ConnectionExchange* make(Loop& loop, Connection& connection);
  // The object is destroyed already; `place` is where it was registered.
  void give_back(void* memory, std::size_t place);

 private:
  std::vector<void*> free_;
  // Those in handlers' hands: they must not come back to a pool that is gone.
  std::vector<ConnectionExchange*> out_;
};

}  // namespace slipway::net
