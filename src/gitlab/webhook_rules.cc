#include "gitlab/webhook_rules.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

constexpr base::Millis kLongestPause = 24LL * 3600 * 1000;

AddressKind kind_of_v4(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  if (first == 127) return AddressKind::kLoopback;
  const bool link_local = (address >> 16) == 0xA9FE;
  return first == 0 || first >= 224 || link_local ? AddressKind::kRefused : AddressKind::kOther;
}

}  // namespace

std::string_view header_of(HookEvent event) {
  switch (event) {
    case HookEvent::kPush:
      return "Push Hook";
    case HookEvent::kTagPush:
      return "Tag Push Hook";
    case HookEvent::kPipeline:
      return "Pipeline Hook";
    case HookEvent::kJob:
      return "Job Hook";
    case HookEvent::kMergeRequest:
      return "Merge Request Hook";
  }
  return "";
}

std::optional<HookEvent> event_named(std::string_view name) {
  if (name == "push_events") return HookEvent::kPush;
  if (name == "tag_push_events") return HookEvent::kTagPush;
  if (name == "pipeline_events") return HookEvent::kPipeline;
  if (name == "job_events") return HookEvent::kJob;
  if (name == "merge_requests_events") return HookEvent::kMergeRequest;
  return std::nullopt;
}

bool wants(const Hook& hook, HookEvent event) {
  switch (event) {
    case HookEvent::kPush:
      return hook.push_events;
    case HookEvent::kTagPush:
      return hook.tag_push_events;
    case HookEvent::kPipeline:
      return hook.pipeline_events;
    case HookEvent::kJob:
      return hook.job_events;
    case HookEvent::kMergeRequest:
      return hook.merge_request_events;
  }
  return false;
}

bool branch_fits(std::string_view filter, std::string_view branch) {
  if (filter.empty()) return true;
  return ::fnmatch(std::string(filter).c_str(), std::string(branch).c_str(), 0) == 0;
}

Hook after_success(Hook hook) {
  hook.failures = 0;
  hook.disabled_until.reset();
  hook.disabled = false;
  return hook;
}

Hook after_failure(Hook hook, base::Millis now, const RetryRules& rules) {
  ++hook.failures;
  if (hook.failures >= rules.failures_until_disabled) {
    hook.disabled = true;
    hook.disabled_until.reset();
  } else if (hook.failures >= rules.failures_until_pause) {
    const int doublings = std::min(hook.failures - rules.failures_until_pause, 20);
    const base::Millis pause = std::chrono::milliseconds(rules.first_hook_pause).count()
                               << doublings;
    hook.disabled_until = now + std::min(pause, kLongestPause);
  }
  return hook;
}

Delivery after_failure(Delivery delivery, base::Millis now, const RetryRules& rules) {
  ++delivery.attempts;
  if (delivery.attempts >= rules.attempts) {
    delivery.state = DeliveryState::kFailed;
    return delivery;
  }
  const base::Millis pause = std::chrono::milliseconds(rules.first_pause).count()
                             << (2 * std::min(delivery.attempts - 1, 10));
  delivery.due = now + std::min(pause, kLongestPause);
  return delivery;
}

std::optional<UrlParts> parse_url(std::string_view url) {
  UrlParts parts;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  parts.scheme = base::lower(url.substr(0, scheme_end));
  if (parts.scheme != "http" && parts.scheme != "https") return std::nullopt;
  const bool odd = std::any_of(url.begin(), url.end(),
                               [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '\\'; });
  if (odd) return std::nullopt;
  std::string_view authority = url.substr(scheme_end + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    const std::size_t colon = authority.find(':');
    parts.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  }
  if (parts.host.empty() || (!port.empty() && port.front() != ':')) return std::nullopt;
  parts.port = parts.scheme == "https" ? 443 : 80;
  if (port.size() > 1) {
    const auto number = base::parse_integer(port.substr(1));
    if (!number || *number < 1 || *number > 65535) return std::nullopt;
    parts.port = static_cast<std::uint16_t>(*number);
  }
  return parts;
}

AddressKind kind_of_address(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return kind_of_v4(ntohl(v4.s_addr));
  in6_addr v6{};
  const std::string bare = address.substr(0, address.find('%'));
  if (::inet_pton(AF_INET6, bare.c_str(), &v6) != 1) return AddressKind::kRefused;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    std::uint32_t mapped = 0;
    std::copy_n(v6.s6_addr + 12, 4, reinterpret_cast<unsigned char*>(&mapped));
    return kind_of_v4(ntohl(mapped));
  }
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return AddressKind::kLoopback;
  const bool refused =
      IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_MULTICAST(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6);
  return refused ? AddressKind::kRefused : AddressKind::kOther;
}

}  // namespace slipway::gitlab
