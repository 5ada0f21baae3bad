#include "base/thread_pool.h"

#include <exception>

#include <pthread.h>

#include "base/log.h"

namespace slipway::base {

ThreadPool::ThreadPool(ThreadPoolOptions options) : options_(std::move(options)) {
  threads_.reserve(options_.threads);
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, i] { run(i); });
  }
}

ThreadPool::~ThreadPool() { stop(); }

bool ThreadPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || tasks_.size() >= options_.queue) return false;
    tasks_.push_back(std::move(task));
  }
  ready_.notify_one();
  return true;
}

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::size_t ThreadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

void ThreadPool::run(std::size_t index) {
  const std::string suffix = "-" + std::to_string(index);
  const std::string name = options_.name.substr(0, 15 - suffix.size()) + suffix;
  ::pthread_setname_np(::pthread_self(), name.c_str());
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task();
    } catch (const std::exception& error) {
      log(Level::kError, "a background task failed",
          {{"pool", options_.name}, {"error", error.what()}});
    }
  }
}

}  // namespace slipway::base
