#include "net/exchange.h"

#include <utility>

#include "net/connection.h"

namespace slipway::net {
namespace {

const RequestView kNoRequest;

}  // namespace

ConnectionExchange::~ConnectionExchange() { let_go(); }

void ConnectionExchange::let_go() {
  const auto unused = std::exchange(abandoned_, nullptr);
  if (connection_) std::exchange(connection_, nullptr)->drop_exchange();
}

void ConnectionExchange::operator delete(ConnectionExchange* exchange, std::destroying_delete_t) {
  // First what may lead to other exchanges, and so change this one's place.
  exchange->let_go();
  ExchangePool* const pool = exchange->pool_;
  const std::size_t place = exchange->place_;
  exchange->~ConnectionExchange();
  if (pool) {
    pool->give_back(exchange, place);
  } else {
    ::operator delete(exchange);
  }
}

const RequestView& ConnectionExchange::request() const noexcept {
  return connection_ ? connection_->request() : kNoRequest;
}

void ConnectionExchange::respond(std::string_view head, std::string_view body) noexcept {
  abandoned_ = nullptr;
  if (connection_) std::exchange(connection_, nullptr)->answer(head, body);
}

bool ConnectionExchange::keep_alive() const noexcept {
  return connection_ && connection_->keeps_alive();
}

void ConnectionExchange::abandon() {
  if (const auto then = std::exchange(abandoned_, nullptr)) then();
}

ExchangePool::~ExchangePool() {
  for (auto* exchange : out_) exchange->pool_ = nullptr;
  for (void* memory : free_) ::operator delete(memory);
}

ConnectionExchange* ExchangePool::make(Loop& loop, Connection& connection) {
  void* memory = nullptr;
  if (free_.empty()) {
    memory = ::operator new(sizeof(ConnectionExchange));
  } else {
    memory = free_.back();
    free_.pop_back();
  }
  auto* const exchange = ::new (memory) ConnectionExchange(this, loop, connection);
  exchange->place_ = out_.size();
  out_.push_back(exchange);
  return exchange;
}

void ExchangePool::give_back(void* memory, std::size_t place) {
  if (place + 1 < out_.size()) {
    out_[place] = out_.back();
    out_[place]->place_ = place;
  }
  out_.pop_back();
  free_.push_back(memory);
}

}  // namespace slipway::net
