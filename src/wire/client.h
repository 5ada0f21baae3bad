#pragma once

// Calls of AWS operations, as a stock SDK would make them: what the command line uses
// to reach a server, on this machine or another.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "net/client.h"
#include "wire/sigv4.h"

namespace slipway::wire {

struct ClientOptions {
  std::string endpoint;  // "http://127.0.0.1:4700"
  std::string region = "us-east-1";
  SigningKey key;
  int attempts = 4;  // for connections that fail and answers of 500, 502, 503 and 429
};

struct InvokeResult {
  int status = 0;
  std::string body;
  std::string content_type;
  std::string variant;
};

// Thread-safe. Every call throws Error with the service's code and message where the
// server refuses, and Error{ConnectionError} where it cannot be reached.
class ServiceClient {
 public:
  ServiceClient(net::Client& http, const base::Clock& clock, ClientOptions options);

  // An operation of a JSON-protocol service: "sagemaker", "ecr" or "logs".
  Json call(std::string_view service, std::string_view operation, const Json& input);
  // The same, or nothing where the answer is an error whose message contains `absent`.
  std::optional<Json> call_if_exists(std::string_view service, std::string_view operation,
                                     const Json& input, std::string_view absent);

  // An operation of a REST-JSON service by its route: ("lambda", "POST", "/2015-03-31/functions",
  // …).
  Json call_path(std::string_view service, const std::string& method, const std::string& path,
                 const Json& input);

  // The caller's account number, by STS GetCallerIdentity.
  std::string account();

  void ensure_bucket(const std::string& bucket);
  void put_object(const std::string& bucket, const std::string& key,
                  const std::filesystem::path& file);
  void put_object_bytes(const std::string& bucket, const std::string& key, std::string bytes);
  std::string get_object(const std::string& bucket, const std::string& key);
  bool has_object(const std::string& bucket, const std::string& key);

  // InvokeEndpoint. A status other than 200 is a result, not an error.
  InvokeResult invoke(const std::string& endpoint, std::string body,
                      const std::string& content_type, const std::string& accept);

  const ClientOptions& options() const { return options_; }

 private:
  net::ClientResponse send(std::string_view service, net::ClientRequest request,
                           const std::string& payload_sha256);
  net::ClientResponse s3(const std::string& method, const std::string& bucket,
                         const std::string& key, std::string body,
                         const std::optional<std::filesystem::path>& file);

  net::Client& http_;
  const base::Clock& clock_;
  const ClientOptions options_;
};

}  // namespace slipway::wire
