#include "functions/event_queue.h"

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "functions/decide.h"

namespace slipway::functions {
namespace {

constexpr std::chrono::seconds kLook{30};  // at least so often, whatever the clock does
constexpr std::chrono::seconds kAfterFailure{5};
constexpr base::Millis kAborted = 1'000;

}  // namespace

EventQueue::EventQueue(FunctionStore& store, const base::Clock& clock, Run run,
                       EventQueueOptions options)
    : store_(store), clock_(clock), run_(std::move(run)), options_(std::move(options)) {}

EventQueue::~EventQueue() { stop(); }

void EventQueue::start() {
  const std::lock_guard lock(mutex_);
  if (running_) return;
  running_ = true;
  workers_ = std::make_unique<base::ThreadPool>(base::ThreadPoolOptions{
      .name = "lambda-event", .threads = options_.running, .queue = options_.running});
  thread_ = std::thread([this] { dispatch(); });
}

void EventQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return;
    running_ = false;
  }
  changed_.notify_all();
  thread_.join();
  workers_.reset();
}

void EventQueue::add(const QueuedEvent& event) {
  store_.enqueue(event, options_.waiting);
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void EventQueue::dispatch() {
  std::unique_lock lock(mutex_);
  while (running_) {
    woken_ = false;
    lock.unlock();
    std::chrono::milliseconds pause = kLook;
    try {
      const base::Millis now = clock_.now();
      // Those in hand are among the due ones, so a free worker finds another if there is one.
      for (const QueuedEvent& event : store_.due(now, static_cast<int>(options_.running))) {
        if (!take(event)) continue;
        if (!workers_->submit([this, event] { carry_out(event); })) {
          const std::lock_guard guard(mutex_);
          in_hand_.erase(event.id);
        }
      }
      if (const auto next = store_.next_due(now)) {
        pause = std::min(pause, std::chrono::milliseconds(std::max<base::Millis>(*next - now, 1)));
      }
    } catch (const std::exception& error) {
      log(Level::kError, "events of functions cannot be read", {{"error", error.what()}});
      pause = kAfterFailure;
    }
    lock.lock();
    changed_.wait_for(lock, pause, [this] { return woken_ || !running_; });
  }
}

bool EventQueue::take(const QueuedEvent& event) {
  const std::lock_guard lock(mutex_);
  return running_ && in_hand_.size() < options_.running && in_hand_.insert(event.id).second;
}

void EventQueue::carry_out(const QueuedEvent& event) {
  try {
    attempt(event);
  } catch (const std::exception& error) {
    // Its row stands as it was, so it is due again.
    log(Level::kError, "an event of a function cannot be carried out",
        {{"request", event.id}, {"error", error.what()}});
  }
  {
    const std::lock_guard lock(mutex_);
    in_hand_.erase(event.id);
    woken_ = true;
  }
  changed_.notify_all();
}

void EventQueue::attempt(QueuedEvent event) {
  // The server ended with it too often; more would be a loop.
  if (static_cast<std::size_t>(event.attempts) > options_.pauses.size()) {
    return drop(event, "the server ended during its last attempt");
  }
  // It may have ended between the look at what is due and the taking of it.
  if (!store_.begin_attempt(event.id, event.attempts)) return;
  ++event.attempts;
  Outcome outcome;
  try {
    outcome = run_(event);
  } catch (const Error& error) {
    if (error.code() == "TooManyRequestsException") return throttled(event);
    if (error.code() == "ResourceNotFoundException") return drop(event, error.what());
    outcome.error = "Unhandled";
    outcome.aborted = error.code() == "ServiceException";  // the server is stopping
  }
  settle(event, outcome);
}

void EventQueue::settle(const QueuedEvent& event, const Outcome& outcome) {
  if (outcome.aborted) {
    store_.postpone(event.id, event.attempts - 1, clock_.now() + kAborted);
  } else if (outcome.error.empty()) {
    store_.drop(event.id);
  } else if (const auto pause = pause_after_failure(event.attempts, options_.pauses)) {
    store_.postpone(event.id, event.attempts, clock_.now() + *pause);
  } else {
    drop(event, "it failed " + std::to_string(event.attempts) + " times");
  }
}

void EventQueue::throttled(const QueuedEvent& event) {
  const base::Millis now = clock_.now();
  if (const auto pause = pause_after_throttle(now - event.created)) {
    store_.postpone(event.id, event.attempts - 1, now + *pause);
  } else {
    drop(event, "it found no free container for six hours");
  }
}

void EventQueue::drop(const QueuedEvent& event, const std::string& reason) {
  store_.drop(event.id);
  log(Level::kWarning, "an event of a function was dropped",
      {{"function", event.name},
       {"account", event.account},
       {"request", event.id},
       {"reason", reason}});
}

}  // namespace slipway::functions
