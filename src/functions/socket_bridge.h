#pragma once

// Carries connections of a Unix socket to a TCP port on 127.0.0.1: the way to the runtime API for
// containers without network, which have the socket mounted.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/file_descriptor.h"

namespace slipway::functions {

// A thread for the listener, and one a connection while it is open.
class SocketBridge {
 public:
  explicit SocketBridge(std::filesystem::path socket);
  ~SocketBridge();  // stop()
  void start(std::uint16_t port);
  // Ends the listener and every connection, and waits for their threads.
  void stop();

 private:
  void listen();
  void accept_all();
  void carry(base::FileDescriptor from);

  const std::filesystem::path socket_;
  std::uint16_t port_ = 0;
  base::FileDescriptor listener_;
  base::FileDescriptor ending_;  // eventfd: readable once stop() was called
  // Shared with the connections' threads, whose last act it is to count down.
  const std::shared_ptr<std::atomic<int>> open_ = std::make_shared<std::atomic<int>>(0);
  std::thread thread_;
};

}  // namespace slipway::functions
