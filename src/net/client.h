#pragma once

// Outgoing HTTP and HTTPS, by libcurl: the CLI, webhooks, registries.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http.h"

namespace slipway::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  std::optional<std::filesystem::path> body_file;      // sent instead of `body` where set
  std::optional<std::filesystem::path> response_file;  // the response's body goes there where set
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{60'000};
  std::uint64_t response_limit = 64u << 20;  // bytes of a response's body that is kept in memory
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// Keeps connections open between requests. Thread-safe: each request takes a handle
// of its own from a pool.
class Client {
 public:
  Client();
  ~Client();
  // Throws Error{ConnectionError} with the address and the reason where no answer came;
  // a status of 4xx or 5xx is an answer. Redirects are not followed. After an Error
  // `response_file` may hold a part of the answer.
  ClientResponse send(const ClientRequest& request);

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

}  // namespace slipway::net
