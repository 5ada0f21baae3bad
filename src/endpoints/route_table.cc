#include "endpoints/route_table.h"

namespace slipway::endpoints {

VariantCounts VariantMeter::sum() const noexcept {
  const auto read = [](const std::atomic<std::uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  };
  VariantCounts sum;
  for (const Counts& counts : counts_) {
    sum.invocations += read(counts.invocations);
    sum.errors_4xx += read(counts.errors_4xx);
    sum.errors_5xx += read(counts.errors_5xx);
    sum.model_errors += read(counts.model_errors);
    sum.model_latency_us += read(counts.model_latency_us);
    sum.overhead_us += read(counts.overhead_us);
  }
  return sum;
}

const EndpointRoute* RouteTable::find(std::string_view key) const noexcept {
  const auto found = endpoints.find(key);
  return found == endpoints.end() ? nullptr : &found->second;
}

const VariantRoute* choose_variant(const EndpointRoute& endpoint, std::string_view name,
                                   double random) noexcept {
  const auto named = [&](const VariantRoute& variant) {
    return name.empty() || variant.name == name;
  };
  double total = 0;
  double eligible = 0;
  const VariantRoute* any = nullptr;
  for (const VariantRoute& variant : endpoint.variants) {
    if (!named(variant)) continue;
    if (!any) any = &variant;
    if (variant.replicas.empty()) continue;
    total += variant.weight;
    eligible += 1;
  }
  if (eligible == 0) return any;  // without a replica, or null
  const bool alike = total <= 0;
  double left = random * (alike ? eligible : total);
  const VariantRoute* last = nullptr;
  for (const VariantRoute& variant : endpoint.variants) {
    if (!named(variant) || variant.replicas.empty()) continue;
    const double share = alike ? 1 : variant.weight;
    if (share <= 0) continue;
    last = &variant;
    left -= share;
    if (left < 0) return &variant;
  }
  return last;  // rounding
}

}  // namespace slipway::endpoints
