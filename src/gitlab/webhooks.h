#pragma once

// Webhooks: what happened, told to whoever asked, at least once.
//
// A delivery is a row before the event counts as handled, and stays one until a try ended well or
// the last one failed. A crash in between repeats the request, with the same X-Gitlab-Event-UUID.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "gitlab/webhook_rules.h"
#include "gitlab/webhook_store.h"
#include "net/client.h"

namespace slipway::gitlab {

struct WebhookOptions {
  std::function<std::string()> url;  // this server's, for X-Gitlab-Instance and the guard
  bool may_call_own_server = false;
  RetryRules retry;
  std::size_t threads = 4;                // requests on their way at once, one for each hook
  std::size_t queue = 10'000;             // deliveries that wait; more are dropped and logged
  std::chrono::seconds timeout{10};       // of a request
  std::size_t body_limit = 25u << 20;     // bytes of a payload, as in GitLab
  std::chrono::milliseconds look{5'000};  // the longest wait between two looks at what is due
};

// Thread-safe.
class Webhooks {
 public:
  Webhooks(store::Database& database, const base::Clock& clock, WebhookOptions options);
  ~Webhooks();  // stop()
  // Begins to send; owe() does it as well. Both are repeatable; nothing starts after stop(), which
  // lets requests on their way end.
  void start();
  void stop();

  WebhookStore& store() { return store_; }

  // The project's hooks that want the event; of a push, for this branch.
  std::vector<Hook> interested(forge::Id project, HookEvent event,
                               const std::string& branch = "") const;
  // Owes the payload to each of the hooks, once for each `uuid`.
  void owe(const std::vector<Hook>& hooks, HookEvent event, const Json& payload,
           const std::string& uuid);

 private:
  void run();
  std::optional<Delivery> take();
  void attempt(Delivery delivery);
  // Why it failed; nothing where it went well.
  std::optional<std::string> send(const Hook& hook, Delivery& delivery);

  WebhookStore store_;
  const base::Clock& clock_;
  const WebhookOptions options_;
  net::Client client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<forge::Id> busy_;          // hooks with a request on its way; guarded by mutex_
  std::uint64_t news_ = 0;            // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace slipway::gitlab
