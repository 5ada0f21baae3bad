#pragma once

// The services that an Api serves, and which of them a request is for.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/http.h"
#include "wire/api.h"
#include "wire/failures.h"
#include "wire/model.h"
#include "wire/router.h"

namespace slipway::wire {

struct Service {
  explicit Service(std::string name, std::string_view text) : model(std::move(name), text) {}
  ServiceModel model;
  Router router;                                             // REST protocols
  std::unordered_map<std::string_view, Operation> handlers;  // by the model's names
};

// Where a request goes. Found in steps, so that a failure on the way is told in the words
// of what had been found by then.
struct Target {
  const Service* service = nullptr;
  Dialect dialect = Dialect::kS3;
  std::string asked_for;  // the service's name where there is none to serve it
  const OperationModel* operation = nullptr;
  std::vector<std::pair<std::string, std::string>> labels;
};

// Thread-safe after the last registration.
class Services {
 public:
  // Throws Error{InternalError} where the embedded models lack the operation.
  void add(std::string_view service, std::string_view operation, Operation run);
  void serve_host(std::string host) { hosts_.push_back(std::move(host)); }
  const std::vector<std::string>& hosts() const noexcept { return hosts_; }

  // The service: by target, by the signature's scope, or by what an unsigned request looks like.
  Target find_service(const net::RequestHead& head, std::string_view signing_name) const;
  // The operation of the service that find_service() gave. Throws Error, in the dialect's
  // words, where there is none or nobody serves it. `form` is a query protocol's body.
  void find_operation(const net::RequestHead& head, std::string_view form, Target& target) const;

 private:
  const Service* by_target(std::string_view target) const;

  std::vector<std::unique_ptr<Service>> services_;
  std::vector<std::string> hosts_;
};

// The path of a request to S3 with its bucket first, also where the bucket is in Host.
std::string s3_path(const net::RequestHead& head, const std::vector<std::string>& hosts);

}  // namespace slipway::wire
