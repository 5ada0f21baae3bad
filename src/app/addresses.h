#pragma once

// The server's two addresses: where this machine's programs reach it, and what it calls itself in
// answers, pages and mails, which people on other machines follow.

#include <cstdint>
#include <string>

namespace slipway::app {

// "127.0.0.1:4700", "[::1]:4700".
std::string host_and_port(const std::string& address, std::uint16_t port);

// Where this machine's programs reach a server that listens on `address`: on every address by
// loopback.
std::string local_address(const std::string& address);
// "http://127.0.0.1:4700".
std::string local_url(const std::string& address, std::uint16_t port);

bool is_wildcard(const std::string& address);

// `text` without a slash at its end, where it is "http://host", "https://host" or either with a
// port; otherwise throws Error{InvalidExternalUrl}. A path is refused: clients of S3, ECR and git
// build addresses from the root.
std::string external_url(const std::string& text);

// "ml.example.org:8443" of "https://ml.example.org:8443"; nothing of a plain URL.
std::string tls_host_of(const std::string& url);
// "ml.example.org" of "https://ml.example.org:8443".
std::string host_of_url(const std::string& url);

}  // namespace slipway::app
