#pragma once

// Hooks and the deliveries that they are owed, in the database.

#include <optional>
#include <string>
#include <vector>

#include "gitlab/webhook_types.h"
#include "store/database.h"

namespace slipway::gitlab {

// Thread-safe.
class WebhookStore {
 public:
  explicit WebhookStore(store::Database& database);

  std::vector<Hook> hooks(forge::Id project) const;
  std::optional<Hook> hook(forge::Id id) const;
  Hook add(Hook hook);  // gives it its number
  void update(const Hook& hook);
  void remove(forge::Id id);  // with its deliveries

  // Adds deliveries. One of the same hook and uuid is added once. Where more than `limit` wait
  // already, nothing is added and false returned.
  bool add_deliveries(const std::vector<Delivery>& deliveries, std::size_t limit);
  // The first that is due of each hook that works: a slow hook holds up no other.
  std::vector<Delivery> due(base::Millis now, int limit) const;
  std::optional<Delivery> delivery(std::int64_t id) const;
  // Records how a try ended: of both in one transaction. Keeps the last 50 of the hook.
  void record(const Delivery& delivery, const Hook& hook);
  std::vector<Delivery> deliveries(forge::Id hook) const;  // newest first

 private:
  store::Database& database_;
};

}  // namespace slipway::gitlab
