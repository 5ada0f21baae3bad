#include "app/addresses.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace slipway::app {
namespace {

struct Authority {
  std::string host;  // an IPv6 address with its brackets
  std::string port;  // digits, or empty
};

constexpr std::string_view kHostCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

std::optional<Authority> authority_of(std::string_view text) {
  Authority authority;
  if (text.starts_with("[")) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    if (authority.host.find_first_not_of("[]:.0123456789abcdefABCDEF") != std::string::npos)
      return std::nullopt;
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    authority.host = text.substr(0, end);
    text.remove_prefix(end);
    if (authority.host.find_first_not_of(kHostCharacters) != std::string::npos) return std::nullopt;
  }
  if (authority.host.empty() || text == ":") return std::nullopt;
  if (text.empty()) return authority;
  if (text.front() != ':' || text.size() > 6) return std::nullopt;
  authority.port = text.substr(1);
  if (authority.port.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return authority;
}

}  // namespace

std::string host_and_port(const std::string& address, std::uint16_t port) {
  const bool six = address.find(':') != std::string::npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

bool is_wildcard(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

std::string local_address(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  return address == "::" ? "::1" : address;
}

std::string local_url(const std::string& address, std::uint16_t port) {
  return "http://" + host_and_port(local_address(address), port);
}

std::string tls_host_of(const std::string& url) {
  constexpr std::string_view kScheme = "https://";
  return url.starts_with(kScheme) ? url.substr(kScheme.size()) : "";
}

std::string external_url(const std::string& text) {
  std::string_view rest = text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    if (rest.ends_with("/")) rest.remove_suffix(1);
    if (authority_of(rest)) return std::string(scheme) + std::string(rest);
    break;
  }
  throw Error("InvalidExternalUrl",
              "\"" + text +
                  "\" is no external URL: give http://host, https://host, or either with "
                  ":port, without a path.");
}

std::string host_of_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const auto authority =
      authority_of(std::string_view(url).substr(scheme == std::string::npos ? 0 : scheme + 3));
  if (!authority) return "";
  const std::string& host = authority->host;
  return host.starts_with("[") ? host.substr(1, host.size() - 2) : host;
}

}  // namespace slipway::app
