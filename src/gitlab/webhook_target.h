#pragma once

// Where webhooks may go: a project's maintainer names the address, this server calls it.

#include <cstdint>
#include <optional>
#include <string>

namespace slipway::gitlab {

struct TargetRules {
  bool own_server = false;  // this server's own address may be called
  std::uint16_t own_port = 0;
};

// Why the address may not be called, or nothing where it may: looks its host up. Refused are
// link-local addresses and, unless allowed, this server itself under any of the machine's
// addresses. Hosts in the local network are allowed: that is where Slipway lives.
std::optional<std::string> refused_target(const std::string& url, const TargetRules& rules);

}  // namespace slipway::gitlab
