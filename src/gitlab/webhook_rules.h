#pragma once

// What webhooks decide: pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gitlab/webhook_types.h"

namespace slipway::gitlab {

enum class HookEvent { kPush, kTagPush, kPipeline, kJob, kMergeRequest };
std::string_view header_of(HookEvent event);                  // "Push Hook"
std::optional<HookEvent> event_named(std::string_view name);  // "push_events"
bool wants(const Hook& hook, HookEvent event);
// Whether a push to this branch is told; `filter` may hold "*", empty: all.
bool branch_fits(std::string_view filter, std::string_view branch);

struct RetryRules {
  int attempts = 5;                          // of one delivery
  std::chrono::seconds first_pause{10};      // then four times as long each time
  int failures_until_pause = 4;              // of a hook, in a row: then it waits
  std::chrono::minutes first_hook_pause{1};  // then twice as long each time, at most a day
  int failures_until_disabled = 40;
};

// The hook after an answer: a success forgets what failed before.
Hook after_success(Hook hook);
Hook after_failure(Hook hook, base::Millis now, const RetryRules& rules);
// The delivery after a try that failed: due again, or failed for good.
Delivery after_failure(Delivery delivery, base::Millis now, const RetryRules& rules);

struct UrlParts {
  std::string scheme;  // "http" or "https"
  std::string host;    // without brackets
  std::uint16_t port = 0;
};
// Nothing where it is not an absolute http or https address with a host and without a user.
std::optional<UrlParts> parse_url(std::string_view url);

// Whether a numeric address is one where no hook belongs: link-local (which cloud machines answer
// with their credentials), multicast or unspecified; and this machine's own where `own_too`.
enum class AddressKind { kOther, kLoopback, kRefused };
AddressKind kind_of_address(const std::string& address);

}  // namespace slipway::gitlab
