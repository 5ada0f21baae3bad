#pragma once

// Which replica answers an invocation.
//
// The control plane makes a complete new RouteTable whenever a deployment, a weight or
// a replica changes, and publishes it to every loop; requests only read. A replica
// that stays keeps its ReplicaRoute object from table to table, and with it its count of
// requests in flight.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace slipway::endpoints {

class Upstream;  // one loop's connections to one replica

// Invocations of one variant, summed over the loops.
struct VariantCounts {
  std::uint64_t invocations = 0;
  std::uint64_t errors_4xx = 0;  // answered so by the model
  std::uint64_t errors_5xx = 0;  // answered so by the model, or by nobody
  std::uint64_t model_errors = 0;
  std::uint64_t model_latency_us = 0;  // sums; divide by invocations
  std::uint64_t overhead_us = 0;
};

// Counts on each loop for itself. Each Counts has one writer, its loop; any thread may
// sum.
class VariantMeter {
 public:
  struct alignas(64) Counts {
    std::atomic<std::uint64_t> invocations{0};
    std::atomic<std::uint64_t> errors_4xx{0};
    std::atomic<std::uint64_t> errors_5xx{0};
    std::atomic<std::uint64_t> model_errors{0};
    std::atomic<std::uint64_t> model_latency_us{0};
    std::atomic<std::uint64_t> overhead_us{0};
  };
  explicit VariantMeter(std::size_t loops) : counts_(loops) {}
  Counts& on(std::size_t loop) noexcept { return counts_[loop]; }
  VariantCounts sum() const noexcept;

  // A single writer needs no locked instruction.
  static void add(std::atomic<std::uint64_t>& count, std::uint64_t by) noexcept {
    count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

 private:
  std::vector<Counts> counts_;
};

// A replica that may get requests.
struct ReplicaRoute : std::enable_shared_from_this<ReplicaRoute> {
  ReplicaRoute(std::string replica_id, std::string variant_name,
               std::shared_ptr<VariantMeter> variant_meter, std::size_t loops)
      : id(std::move(replica_id)),
        variant(std::move(variant_name)),
        meter(std::move(variant_meter)),
        upstreams(loops, nullptr) {}

  const std::string id;  // the container
  const std::string variant;
  const std::shared_ptr<VariantMeter> meter;
  alignas(64) std::atomic<std::uint32_t> in_flight{0};
  std::vector<Upstream*> upstreams;  // by loop; each loop touches its own alone
};

// One variant of one fleet. While an update shifts traffic, both fleets' variants stand here,
// often under the same name.
struct VariantRoute {
  std::string name;
  double weight = 0;
  std::vector<std::shared_ptr<ReplicaRoute>> replicas;
};

struct EndpointRoute {
  std::string name;
  std::string account;
  bool in_service = false;  // false: known, but nothing serves yet or any more
  std::string_view status;  // "Creating", …; of static storage
  std::vector<VariantRoute> variants;
};

struct RouteTable {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept {
      return std::hash<std::string_view>()(key);
    }
  };
  std::uint64_t version = 0;
  // By "<account>/<endpoint name>".
  std::unordered_map<std::string, EndpointRoute, Hash, std::equal_to<>> endpoints;

  const EndpointRoute* find(std::string_view key) const noexcept;
};

// By weight, for `random` uniform in [0, 1). Variants without a replica are passed over
// where another has one; where all weights are zero they share alike. Null where there is
// no variant of the name; an empty `name` is any.
const VariantRoute* choose_variant(const EndpointRoute& endpoint, std::string_view name,
                                   double random) noexcept;

// The replica with the fewest requests in flight, the first such from `start` on; those that
// `passed_over` only where there is no other. Null where there is none.
template <class PassedOver>
ReplicaRoute* choose_replica(const VariantRoute& variant, std::size_t start,
                             PassedOver passed_over) noexcept {
  ReplicaRoute* best = nullptr;
  std::uint64_t least = ~0ull;
  const std::size_t count = variant.replicas.size();
  for (std::size_t i = 0; i < count; ++i) {
    ReplicaRoute* replica = variant.replicas[(start + i) % count].get();
    std::uint64_t load = replica->in_flight.load(std::memory_order_relaxed);
    if (passed_over(*replica)) load |= 1ull << 40;
    if (load < least) {
      least = load;
      best = replica;
    }
  }
  return best;
}

}  // namespace slipway::endpoints
