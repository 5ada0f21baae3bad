#pragma once

// A value that can only be reached with its mutex held.

#include <condition_variable>
#include <mutex>
#include <utility>

namespace slipway::base {

// Thread-safe. Never keep the pointer that lock() gives beyond its statement block.
template <class T>
class Guarded {
 public:
  template <class... Arguments>
  explicit Guarded(Arguments&&... arguments) : value_(std::forward<Arguments>(arguments)...) {}

  class Locked {
   public:
    T* operator->() { return &value_; }
    T& operator*() { return value_; }
    std::unique_lock<std::mutex>& mutex() { return lock_; }

   private:
    friend class Guarded;
    Locked(std::mutex& mutex, T& value) : lock_(mutex), value_(value) {}
    std::unique_lock<std::mutex> lock_;
    T& value_;
  };

  Locked lock() { return Locked(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace slipway::base
