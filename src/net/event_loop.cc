#include "net/event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/error.h"

namespace slipway::net {
namespace {

constexpr std::size_t kEventsPerRound = 256;

}  // namespace

EpollLoop::EpollLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(std::chrono::steady_clock::now()),
      timers_(now_) {
  if (!epoll_ || !wake_) base::throw_errno("cannot make an event loop");
  // The count is never read: at each write the edge shows, and the eventfd holds 2^64 - 2.
  watch(wake_.get(), EPOLLIN, [this](std::uint32_t) { run_posted(); });
}

EpollLoop::~EpollLoop() = default;

void EpollLoop::watch(int descriptor, std::uint32_t events, Ready ready) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (index >= watches_.size()) watches_.resize(std::max(index + 1, watches_.size() * 2));
  auto watch = std::make_unique<Watch>(Watch{descriptor, std::move(ready)});
  epoll_event event{.events = events | EPOLLET, .data = {.ptr = watch.get()}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
    base::throw_errno("cannot watch a descriptor");
  }
  watches_[index] = std::move(watch);
}

void EpollLoop::rewatch(int descriptor, std::uint32_t events) {
  epoll_event event{.events = events | EPOLLET,
                    .data = {.ptr = watches_[static_cast<std::size_t>(descriptor)].get()}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) != 0) {
    base::throw_errno("cannot change what a descriptor is watched for");
  }
}

void EpollLoop::forget(int descriptor) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (index >= watches_.size() || !watches_[index]) return;
  // A descriptor that was closed too early is out of the set already.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
  watches_[index]->live = false;
  forgotten_.push_back(std::move(watches_[index]));
}

std::uint64_t EpollLoop::after(std::chrono::milliseconds delay, std::function<void()> then) {
  return timers_.add(now_ + delay, std::move(then));
}

void EpollLoop::post(std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(then));
  if (posted_.size() > 1) return;  // it is awake for the first one
  // Under the mutex: once the loop has taken the task it may end and close the eventfd.
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void EpollLoop::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void EpollLoop::run_soon() {
  // What it runs may ask for more, which then waits for the next round: events come
  // in between.
  std::vector<std::function<void()>> tasks;
  tasks.swap(soon_);
  for (auto& task : tasks) task();
  if (soon_.empty()) {
    tasks.clear();
    soon_.swap(tasks);  // keeps the capacity
  }
}

int EpollLoop::wait_milliseconds() const {
  if (!soon_.empty()) return 0;
  const auto wait = timers_.wait(now_);
  return wait ? static_cast<int>(wait->count()) : -1;
}

void EpollLoop::run() {
  std::array<epoll_event, kEventsPerRound> events;
  while (!ending_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   wait_milliseconds());
    if (count < 0 && errno != EINTR) base::throw_errno("cannot wait for events");
    now_ = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* const watch = static_cast<Watch*>(event.data.ptr);
      if (watch->live) watch->ready(event.events);
    }
    timers_.run_due(now_);
    if (!soon_.empty()) run_soon();
    if (!forgotten_.empty()) forgotten_.clear();
  }
}

}  // namespace slipway::net
