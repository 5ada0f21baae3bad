#include "endpoints/gateway.h"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/thread_pool.h"
#include "endpoints/answers.h"
#include "endpoints/gateway_loop.h"

namespace slipway::endpoints {
namespace {

using MeterKey = std::array<std::string, 3>;  // account, endpoint, variant

}  // namespace

struct Gateway::State {
  State(const wire::Credentials& credentials, const base::Clock& clock, Connector& connector,
        GatewayOptions given)
      : options(std::move(given)),
        pool({.name = "ep-connect", .threads = options.connect_threads, .queue = 4096}),
        parts{credentials, clock, connector, options, pool},
        slots(options.loops),
        table(std::make_shared<RouteTable>()) {}

  // A loop's place. `loop` is set last and cleared first, so whoever finds a loop finds the rest.
  struct Slot {
    std::atomic<net::Loop*> loop{nullptr};
    std::unique_ptr<GatewayLoop> gateway;  // of the loop's thread
    std::shared_ptr<Mailbox> mailbox;      // guarded by mutex
    std::atomic<std::uint64_t> applied{0};
  };

  Slot* slot_of(const net::Loop& loop) noexcept {
    for (Slot& slot : slots) {
      if (slot.loop.load(std::memory_order_acquire) == &loop) return &slot;
    }
    return nullptr;
  }

  const GatewayOptions options;
  base::ThreadPool pool;
  const GatewayParts parts;
  std::vector<Slot> slots;

  std::mutex mutex;
  std::shared_ptr<const RouteTable> table;                   // guarded by mutex; never null
  std::map<MeterKey, std::shared_ptr<VariantMeter>> meters;  // guarded by mutex
};

Gateway::Gateway(const wire::Credentials& credentials, const base::Clock& clock,
                 Connector& connector, GatewayOptions options)
    : state_(std::make_unique<State>(credentials, clock, connector, std::move(options))) {}

Gateway::~Gateway() = default;

bool Gateway::takes(std::string_view method, std::string_view target) const noexcept {
  return method == "POST" && !endpoint_in(target).empty();
}

std::size_t Gateway::body_limit() const noexcept { return state_->options.body_limit; }

void Gateway::serve(std::unique_ptr<net::Exchange> exchange) noexcept {
  State::Slot* slot = state_->slot_of(exchange->loop());
  slot->gateway->serve(std::move(exchange));
}

void Gateway::loop_started(net::Loop& loop) {
  const std::lock_guard lock(state_->mutex);
  for (std::size_t i = 0; i < state_->slots.size(); ++i) {
    State::Slot& slot = state_->slots[i];
    if (slot.gateway) continue;
    slot.gateway = std::make_unique<GatewayLoop>(state_->parts, loop, i);
    slot.gateway->apply(state_->table);
    slot.mailbox = slot.gateway->mailbox();
    slot.applied.store(state_->table->version, std::memory_order_release);
    slot.loop.store(&loop, std::memory_order_release);
    return;
  }
  base::throw_internal("the server has more event loops than the gateway was made for");
}

void Gateway::loop_ending(net::Loop& loop) {
  State::Slot* slot = state_->slot_of(loop);
  if (!slot) return;
  slot->gateway->end();
  const std::lock_guard lock(state_->mutex);
  slot->loop.store(nullptr, std::memory_order_release);
  slot->mailbox.reset();
  slot->gateway.reset();
}

std::uint64_t Gateway::publish(std::shared_ptr<RouteTable> table) {
  const std::lock_guard lock(state_->mutex);
  table->version = state_->table->version + 1;
  state_->table = table;
  for (State::Slot& slot : state_->slots) {
    if (!slot.mailbox) continue;
    slot.mailbox->post([&slot, table = state_->table](GatewayLoop& gateway) {
      gateway.apply(table);
      slot.applied.store(table->version, std::memory_order_release);
    });
  }
  return table->version;
}

std::uint64_t Gateway::applied() const {
  const std::lock_guard lock(state_->mutex);
  std::uint64_t least = state_->table->version;
  for (const State::Slot& slot : state_->slots) {
    if (slot.mailbox) least = std::min(least, slot.applied.load(std::memory_order_acquire));
  }
  return least;
}

std::shared_ptr<ReplicaRoute> Gateway::make_replica(std::string id, const std::string& account,
                                                    const std::string& endpoint,
                                                    const std::string& variant) {
  const std::lock_guard lock(state_->mutex);
  std::shared_ptr<VariantMeter>& meter = state_->meters[{account, endpoint, variant}];
  if (!meter) meter = std::make_shared<VariantMeter>(state_->options.loops);
  return std::make_shared<ReplicaRoute>(std::move(id), variant, meter, state_->options.loops);
}

void Gateway::forget(const std::string& account, const std::string& endpoint) {
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->meters, [&](const auto& entry) {
    return entry.first[0] == account && entry.first[1] == endpoint;
  });
}

std::vector<VariantMetrics> Gateway::metrics() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<VariantMetrics> metrics;
  for (const auto& [key, meter] : state_->meters) {
    metrics.push_back({key[0], key[1], key[2], meter->sum()});
  }
  return metrics;
}

}  // namespace slipway::endpoints
