#include "gitlab/webhooks.h"

#include <pthread.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "gitlab/names.h"
#include "gitlab/webhook_target.h"

namespace slipway::gitlab {

Webhooks::Webhooks(store::Database& database, const base::Clock& clock, WebhookOptions options)
    : store_(database), clock_(clock), options_(std::move(options)) {}

Webhooks::~Webhooks() { stop(); }

void Webhooks::start() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || !threads_.empty()) return;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "webhooks");
      run();
    });
  }
}

void Webhooks::stop() {
  std::vector<std::thread> ending;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ending.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : ending) thread.join();
}

std::vector<Hook> Webhooks::interested(forge::Id project, HookEvent event,
                                       const std::string& branch) const {
  std::vector<Hook> all;
  for (Hook& hook : store_.hooks(project)) {
    if (hook.disabled || !wants(hook, event)) continue;
    if (event == HookEvent::kPush && !branch_fits(hook.branch_filter, branch)) continue;
    all.push_back(std::move(hook));
  }
  return all;
}

void Webhooks::owe(const std::vector<Hook>& hooks, HookEvent event, const Json& payload,
                   const std::string& uuid) {
  if (hooks.empty()) return;
  const std::string body = base::dump_json(payload);
  if (body.size() > options_.body_limit) {
    log(Level::kWarning, "webhook payload too large", {{"bytes", body.size()}});
    return;
  }
  std::vector<Delivery> deliveries;
  for (const Hook& hook : hooks) {
    Delivery delivery;
    delivery.hook = hook.id;
    delivery.event = header_of(event);
    delivery.uuid = uuid;
    delivery.body = body;
    delivery.due = delivery.created = clock_.now();
    deliveries.push_back(std::move(delivery));
  }
  if (!store_.add_deliveries(deliveries, options_.queue)) {
    log(Level::kWarning, "too many webhooks wait, dropped", {{"limit", options_.queue}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    ++news_;
  }
  changed_.notify_all();
  start();
}

std::optional<Delivery> Webhooks::take() {
  // Each thread may be busy with one hook: one more than that must hold a free one.
  const auto due = store_.due(clock_.now(), static_cast<int>(options_.threads) + 1);
  const std::lock_guard lock(mutex_);
  for (const Delivery& delivery : due) {
    if (busy_.insert(delivery.hook).second) return delivery;
  }
  return std::nullopt;
}

void Webhooks::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t seen = news_;
    lock.unlock();
    std::optional<Delivery> delivery;
    try {
      delivery = take();
      if (delivery) attempt(*delivery);
    } catch (const std::exception& error) {
      log(Level::kError, "webhook not recorded", {{"reason", error.what()}});
    }
    lock.lock();
    if (delivery) {
      busy_.erase(delivery->hook);
      continue;
    }
    changed_.wait_for(lock, options_.look, [&] { return stopping_ || news_ != seen; });
  }
}

void Webhooks::attempt(Delivery delivery) {
  // Another thread may have ended this one between the look and the claim.
  const auto stored = store_.delivery(delivery.id);
  if (!stored || stored->state != DeliveryState::kWaiting || stored->attempts != delivery.attempts)
    return;
  const auto hook = store_.hook(delivery.hook);
  if (!hook || hook->disabled) return;
  const auto problem = send(*hook, delivery);
  if (!problem) {
    delivery.state = DeliveryState::kDone;
    ++delivery.attempts;
    delivery.problem.clear();
    store_.record(delivery, after_success(*hook));
    return;
  }
  delivery.problem = *problem;
  const Hook after = after_failure(*hook, clock_.now(), options_.retry);
  store_.record(after_failure(delivery, clock_.now(), options_.retry), after);
  if (after.disabled)
    log(Level::kWarning, "webhook disabled after repeated failures", {{"hook", hook->id}});
}

std::optional<std::string> Webhooks::send(const Hook& hook, Delivery& delivery) {
  const std::string own = options_.url ? options_.url() : "";
  const auto own_parts = parse_url(own);
  const TargetRules rules{options_.may_call_own_server,
                          own_parts ? own_parts->port : std::uint16_t{}};
  delivery.response_status = 0;
  if (auto refused = refused_target(hook.url, rules)) return refused;
  net::ClientRequest request;
  request.method = "POST";
  request.url = hook.url;
  request.body = delivery.body;
  request.timeout = options_.timeout;
  request.response_limit = 64u << 10;
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", std::string("GitLab/") + kVersion);
  request.headers.set("X-Gitlab-Event", delivery.event);
  request.headers.set("X-Gitlab-Event-UUID", delivery.uuid);
  request.headers.set("X-Gitlab-Instance", own);
  request.headers.set("Idempotency-Key", delivery.uuid);
  if (!hook.token.empty()) request.headers.set("X-Gitlab-Token", hook.token);
  try {
    delivery.response_status = client_.send(request).status;
  } catch (const Error& error) {
    return error.message();
  }
  if (delivery.response_status >= 200 && delivery.response_status < 300) return std::nullopt;
  return "answered with " + std::to_string(delivery.response_status);
}

}  // namespace slipway::gitlab
