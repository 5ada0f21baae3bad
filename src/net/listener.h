#pragma once

// Listening sockets: several on one address, for one loop each.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/file_descriptor.h"

namespace slipway::net {

struct Listeners {
  std::vector<base::FileDescriptor> sockets;  // non-blocking
  std::uint16_t port = 0;
};

// `address`: IPv4 or IPv6 in digits. `port` 0: any free one. Throws Error{AddressInUse,
// AddressNotPermitted, AddressNotAvailable, InvalidAddress} that names the address and the next
// step.
Listeners listen_on(const std::string& address, std::uint16_t port, std::size_t count);

}  // namespace slipway::net
