#include "gitlab/webhook_target.h"

#include <memory>
#include <set>
#include <vector>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include "gitlab/webhook_rules.h"

namespace slipway::gitlab {
namespace {

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text,
                sizeof text);
  } else if (address->sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
                sizeof text);
  }
  return text;
}

std::vector<std::string> addresses_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<std::string> all;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next)
    all.push_back(text_of(each->ai_addr));
  return all;
}

std::set<std::string> own_addresses() {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(found, &::freeifaddrs);
  std::set<std::string> all;
  for (const ifaddrs* each = found; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr != nullptr) all.insert(text_of(each->ifa_addr));
  }
  return all;
}

}  // namespace

std::optional<std::string> refused_target(const std::string& url, const TargetRules& rules) {
  const auto parts = parse_url(url);
  if (!parts) return "the address is invalid";
  const auto addresses = addresses_of(parts->host);
  if (addresses.empty()) return "the host " + parts->host + " is not known";
  const bool own_port = !rules.own_server && parts->port == rules.own_port;
  const std::set<std::string> own = own_port ? own_addresses() : std::set<std::string>();
  for (const std::string& address : addresses) {
    const AddressKind kind = kind_of_address(address);
    if (kind == AddressKind::kRefused) return "requests to the link-local network are not allowed";
    if (own_port && (kind == AddressKind::kLoopback || own.contains(address)))
      return "requests to this server itself are not allowed";
  }
  return std::nullopt;
}

}  // namespace slipway::gitlab
