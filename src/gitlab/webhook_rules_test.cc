#include "gitlab/webhook_rules.h"

#include <gtest/gtest.h>

#include "gitlab/webhook_target.h"

namespace slipway::gitlab {
namespace {

constexpr base::Millis kMinute = 60'000;

TEST(WebhookRules, RetriesWithGrowingPausesAndGivesUp) {
  const RetryRules rules;
  Delivery delivery;
  std::vector<base::Millis> pauses;
  while (delivery.state == DeliveryState::kWaiting) {
    delivery = after_failure(delivery, 1000, rules);
    if (delivery.state == DeliveryState::kWaiting) pauses.push_back(delivery.due - 1000);
    ASSERT_LE(delivery.attempts, rules.attempts);
  }
  EXPECT_EQ(pauses, (std::vector<base::Millis>{10'000, 40'000, 160'000, 640'000}));
  EXPECT_EQ(delivery.state, DeliveryState::kFailed);
}

TEST(WebhookRules, PausesAHookThatFailsAgainAndAgainAndDisablesIt) {
  const RetryRules rules;
  Hook hook;
  std::vector<base::Millis> pauses;
  for (int i = 0; i < rules.failures_until_disabled; ++i) {
    EXPECT_FALSE(hook.disabled);
    hook = after_failure(hook, 0, rules);
    pauses.push_back(hook.disabled_until.value_or(0));
  }
  EXPECT_EQ(pauses[2], 0);
  EXPECT_EQ(pauses[3], kMinute);
  EXPECT_EQ(pauses[4], 2 * kMinute);
  EXPECT_EQ(pauses[30], 24 * 60 * kMinute);
  EXPECT_TRUE(hook.disabled);
  EXPECT_FALSE(hook.disabled_until);

  const Hook again = after_success(hook);
  EXPECT_FALSE(again.disabled);
  EXPECT_EQ(again.failures, 0);
}

TEST(WebhookRules, ChoosesByEventAndBranch) {
  Hook hook;
  EXPECT_TRUE(wants(hook, HookEvent::kPush));
  for (const HookEvent event : {HookEvent::kTagPush, HookEvent::kPipeline, HookEvent::kJob})
    EXPECT_FALSE(wants(hook, event));
  EXPECT_TRUE(branch_fits("", "main"));
  EXPECT_TRUE(branch_fits("release/*", "release/1"));
  EXPECT_FALSE(branch_fits("release/*", "main"));
}

TEST(WebhookRules, ReadsAddresses) {
  struct Case {
    const char* url;
    const char* host;
    int port;  // 0: refused
  };
  const Case cases[] = {
      {"http://host/path?x", "host", 80},
      {"HTTPS://host", "host", 443},
      {"http://host:8080/", "host", 8080},
      {"http://[::1]:99/x", "::1", 99},
      {"ftp://host/", "", 0},
      {"http://", "", 0},
      {"http://user:secret@host/", "", 0},
      {"http://host:0/", "", 0},
      {"http://host:70000/", "", 0},
      {"http://host:1x/", "", 0},
      {"http://ho st/", "", 0},
      {"http://host\r\nX: y/", "", 0},
      {"http://safe\\@127.0.0.1/", "", 0},
      {"file:///etc/passwd", "", 0},
      {"host/path", "", 0},
      {"http://host?@x/", "host", 80},
  };
  for (const Case& each : cases) {
    const auto parts = parse_url(each.url);
    ASSERT_EQ(parts.has_value(), each.port != 0) << each.url;
    if (!parts) continue;
    EXPECT_EQ(parts->host, each.host);
    EXPECT_EQ(parts->port, each.port);
  }
}

TEST(WebhookRules, KnowsAddressesWhereNoHookBelongs) {
  const std::pair<const char*, AddressKind> cases[] = {
      {"127.0.0.1", AddressKind::kLoopback},
      {"127.9.9.9", AddressKind::kLoopback},
      {"::1", AddressKind::kLoopback},
      {"::ffff:127.0.0.1", AddressKind::kLoopback},
      {"169.254.169.254", AddressKind::kRefused},
      {"::ffff:169.254.169.254", AddressKind::kRefused},
      {"fe80::1", AddressKind::kRefused},
      {"0.0.0.0", AddressKind::kRefused},
      {"::", AddressKind::kRefused},
      {"224.0.0.1", AddressKind::kRefused},
      {"10.0.0.1", AddressKind::kOther},
      {"192.168.1.1", AddressKind::kOther},
      {"8.8.8.8", AddressKind::kOther},
      {"2001:db8::1", AddressKind::kOther},
      {"nonsense", AddressKind::kRefused},
  };
  for (const auto& [address, kind] : cases) EXPECT_EQ(kind_of_address(address), kind) << address;
}

TEST(WebhookTarget, RefusesThisServerUnlessItIsAllowed) {
  EXPECT_TRUE(refused_target("http://127.0.0.1:4700/x", {false, 4700}));
  EXPECT_TRUE(refused_target("http://127.0.0.2:4700/x", {false, 4700}));
  EXPECT_TRUE(refused_target("http://localhost:4700/x", {false, 4700}));
  EXPECT_FALSE(refused_target("http://127.0.0.1:4701/x", {false, 4700}));
  EXPECT_FALSE(refused_target("http://127.0.0.1:4700/x", {true, 4700}));
  EXPECT_TRUE(refused_target("http://169.254.169.254/latest/meta-data", {true, 4700}));
  EXPECT_TRUE(refused_target("gopher://127.0.0.1/", {true, 4700}));
}

}  // namespace
}  // namespace slipway::gitlab
