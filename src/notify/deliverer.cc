#include "notify/deliverer.h"

#include <algorithm>

#include <pthread.h>

#include "base/error.h"
#include "base/log.h"
#include "notify/decide.h"
#include "notify/records.h"

namespace slipway::notify {
namespace {

constexpr base::Millis kLongestWait = 5'000;  // also finds what a clock's jump made due
constexpr base::Millis kUpkeepPause = 3'600'000;

}  // namespace

Deliverer::Deliverer(store::Database& database, const base::Clock& clock,
                     std::function<Outcome(const Delivery&)> attempt, DelivererOptions options)
    : database_(database),
      clock_(clock),
      attempt_(std::move(attempt)),
      options_(std::move(options)),
      lanes_(options_.workers / 2, options_.first_pause, options_.closed) {}

Deliverer::~Deliverer() { stop(); }

void Deliverer::start() {
  if (!threads_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
  }
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.workers); ++i)
    threads_.emplace_back([this, i] { run(i); });
}

void Deliverer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Deliverer::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Deliverer::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++woken_;
  }
  changed_.notify_all();
}

std::optional<Delivery> Deliverer::claim() {
  const base::Millis now = clock_.now();
  std::unique_lock lock(mutex_);
  const std::vector<std::string> blocked = lanes_.blocked(now);
  // Enough that one is left after what the other threads have or are about to take.
  const auto limit = static_cast<int>(under_way_.size() + options_.workers + 1);
  lock.unlock();
  const std::vector<Delivery> due = database_.read(
      [&](store::Reader& reader) { return due_deliveries(reader, now, blocked, limit); });
  lock.lock();
  const std::vector<std::string> still_blocked = lanes_.blocked(now);
  for (const Delivery& delivery : due) {
    const bool open =
        std::find(still_blocked.begin(), still_blocked.end(), delivery.lane) == still_blocked.end();
    if (!open || under_way_.contains(delivery.id)) continue;
    // The other thread may have finished it since the read.
    const auto stored =
        database_.read([&](store::Reader& reader) { return find_delivery(reader, delivery.id); });
    if (!stored || stored->state != DeliveryState::kWaiting || stored->due > now) continue;
    under_way_.insert(delivery.id);
    lanes_.begin(delivery.lane);
    return stored;
  }
  return std::nullopt;
}

bool Deliverer::deliver_one() {
  const std::optional<Delivery> delivery = claim();
  if (!delivery) return false;
  Outcome outcome;
  try {
    outcome = attempt_(*delivery);
  } catch (const std::exception& error) {
    outcome.result = Outcome::Result::kFailed;
    outcome.error = error.what();
  }
  try {
    record(*delivery, outcome);
  } catch (const std::exception& error) {
    // It stays waiting and will be sent once more; its receiver knows it by its id.
    base::log(Level::kError, "a delivery could not be recorded",
              {{"delivery", delivery->id}, {"error", error.what()}});
  }
  return true;
}

void Deliverer::record(const Delivery& delivery, const Outcome& outcome) {
  const bool reached = outcome.result != Outcome::Result::kFailed;
  const base::Millis now = clock_.now();
  bool recovered = false;
  bool cut_short = false;
  {
    const std::lock_guard lock(mutex_);
    recovered = lanes_.end(delivery.lane, reached, now);
    cut_short = stopping_ && !reached;
  }
  const auto release = [&] {
    {
      const std::lock_guard lock(mutex_);
      under_way_.erase(delivery.id);
      ++woken_;
    }
    changed_.notify_all();
  };
  // An attempt that the server's own end cut short says nothing about its receiver.
  if (cut_short) return release();
  const auto next = after_attempt(delivery, outcome, options_.attempts, options_.first_pause, now);
  try {
    database_.write([&](store::Transaction& transaction) {
      if (next)
        save(transaction, *next);
      else
        remove_delivery(transaction, delivery.id);
      if (recovered) bring_forward(transaction, delivery.lane, now);
    });
  } catch (...) {
    release();
    throw;
  }
  release();
  if (next && next->state == DeliveryState::kDead) {
    base::log(Level::kWarning, "a delivery was given up",
              {{"delivery", next->id},
               {"subscription", next->subscription},
               {"attempts", next->attempts},
               {"error", next->error}});
  }
}

void Deliverer::run(std::size_t index) {
  ::pthread_setname_np(::pthread_self(), ("notify-" + std::to_string(index)).c_str());
  while (!stopping()) {
    const std::uint64_t seen = woken();
    try {
      keep_up();
      if (deliver_one()) continue;
    } catch (const std::exception& error) {
      base::log(Level::kError, "deliveries cannot be read", {{"error", error.what()}});
    }
    wait(seen);
  }
}

std::uint64_t Deliverer::woken() const {
  const std::lock_guard lock(mutex_);
  return woken_;
}

void Deliverer::wait(std::uint64_t seen) {
  std::unique_lock lock(mutex_);
  const base::Millis now = clock_.now();
  base::Millis pause = kLongestWait;
  const auto consider = [&](std::optional<base::Millis> at) {
    if (at) pause = std::clamp<base::Millis>(*at - now, 1, pause);
  };
  consider(lanes_.next(now));
  lock.unlock();
  try {
    consider(database_.read([&](store::Reader& reader) { return next_due(reader, now); }));
  } catch (const std::exception&) {
    pause = kLongestWait;  // run() reports it
  }
  lock.lock();
  changed_.wait_for(lock, std::chrono::milliseconds(pause),
                    [&] { return stopping_ || woken_ != seen; });
}

void Deliverer::keep_up() {
  const base::Millis now = clock_.now();
  {
    const std::lock_guard lock(mutex_);
    // Further ahead: the clock was wrong.
    if (now < next_upkeep_ && next_upkeep_ - now <= kUpkeepPause) return;
    next_upkeep_ = now + kUpkeepPause;
  }
  database_.write([&](store::Transaction& transaction) { expire(transaction, now); });
}

}  // namespace slipway::notify
