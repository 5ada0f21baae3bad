#pragma once

// The way from git's hooks to the server: <data>/forge.sock, one JSON document each way per
// connection. Only processes of the server's own user are heard.

#include <filesystem>
#include <functional>
#include <thread>

#include "base/file_descriptor.h"
#include "base/json.h"
#include "base/thread_pool.h"

namespace slipway::forge {

// Thread-safe.
class HookSocket {
 public:
  // `answer` runs on threads of `pool`; what it throws is answered as {"error": message}. Both
  // outlive the socket.
  HookSocket(std::filesystem::path path, base::ThreadPool& pool,
             std::function<Json(const Json&)> answer);
  ~HookSocket();

  // Both idempotent. Throws Error with the path where the socket cannot be made.
  void start();
  void stop();

 private:
  void run();
  void serve(int descriptor) const;

  const std::filesystem::path path_;
  base::ThreadPool& pool_;
  const std::function<Json(const Json&)> answer_;
  base::FileDescriptor listener_;
  base::FileDescriptor stop_;  // an eventfd
  std::thread thread_;
};

}  // namespace slipway::forge
