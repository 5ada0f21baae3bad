#pragma once

// Values of webhooks.

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "forge/types.h"

namespace slipway::gitlab {

struct Hook {
  forge::Id id = 0;
  forge::Id project = 0;
  std::string url;
  std::string name;
  std::string description;
  std::string token;  // sent as X-Gitlab-Token; never shown
  bool push_events = true;
  bool tag_push_events = false;
  bool pipeline_events = false;
  bool job_events = false;
  bool merge_request_events = false;
  std::string branch_filter;  // of pushes, may hold "*"; empty: all
  bool ssl_verification = true;
  base::Millis created = 0;
  int failures = 0;  // in a row
  std::optional<base::Millis> disabled_until;
  bool disabled = false;  // for good, until it is changed or tested
};

enum class DeliveryState { kWaiting, kDone, kFailed };

// One request that a hook is owed.
struct Delivery {
  std::int64_t id = 0;
  forge::Id hook = 0;
  std::string event;  // "Push Hook"
  std::string uuid;   // X-Gitlab-Event-UUID; the same for each try
  std::string body;
  int attempts = 0;
  base::Millis due = 0;
  DeliveryState state = DeliveryState::kWaiting;
  int response_status = 0;  // 0: no answer
  std::string problem;      // why there was none
  base::Millis created = 0;
};

}  // namespace slipway::gitlab
