#pragma once

// A bounded pool of threads for blocking work.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace slipway::base {

struct ThreadPoolOptions {
  std::string name = "worker";  // shown by ps and gdb; at most 15 characters
  std::size_t threads = 8;
  std::size_t queue = 1024;  // tasks waiting; one more is refused
};

// Thread-safe. The destructor runs what is queued and joins.
class ThreadPool {
 public:
  explicit ThreadPool(ThreadPoolOptions options);
  ~ThreadPool();

  // False where the queue is full or the pool is stopping: the caller must answer
  // for the work. A task that throws is logged and ends; the thread goes on.
  [[nodiscard]] bool submit(std::function<void()> task);

  // Runs what is queued, refuses what is new, joins. May be called twice.
  void stop();

  std::size_t waiting() const;

 private:
  void run(std::size_t index);

  const ThreadPoolOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace slipway::base
