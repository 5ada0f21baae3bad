#pragma once

// Sockets inside a container's network namespace.

#include <chrono>
#include <cstdint>
#include <filesystem>

#include <sys/types.h>

#include "base/file_descriptor.h"

namespace slipway::containers {

inline constexpr const char* kConnectRole = "--slipway-container-connect";

// A non-blocking socket connected to 127.0.0.1:`port`; empty where nothing listens there.
base::FileDescriptor connect_here(std::uint16_t port, std::chrono::milliseconds timeout);

// The same in the network namespace that `network` is open on, by a thread of its own: a
// thread that entered a namespace is not used for anything else. Needs root.
base::FileDescriptor connect_inside(int network, std::uint16_t port,
                                    std::chrono::milliseconds timeout);

// The same without root: a process of this binary enters the user namespace of process `pid`
// and then its network namespace, connects, and sends the descriptor over a Unix socket.
base::FileDescriptor connect_by_helper(const std::filesystem::path& self, pid_t pid,
                                       std::uint16_t port, std::chrono::milliseconds timeout);
// That process: argv is self, kConnectRole, pid, port, milliseconds; the socket is descriptor 3.
int run_connect_helper(pid_t pid, std::uint16_t port, std::chrono::milliseconds timeout);

}  // namespace slipway::containers
