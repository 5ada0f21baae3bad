#pragma once

// The parts of the OCI distribution protocol; registry.cc authenticates and routes to them.
// Source: OCI distribution specification 1.1. What a part cannot do ends in an Error with one of
// the specification's codes.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "images/decide.h"
#include "images/state.h"
#include "net/http.h"

namespace slipway::images {

struct RegistryCall {
  Images::State& state;
  const net::Request& request;
  RepositoryKey key;
  Route route;
  std::vector<std::pair<std::string, std::string>> query;

  std::optional<std::string> parameter(std::string_view name) const;
  bool is_read() const { return request.method == "GET" || request.method == "HEAD"; }
};

net::Response handle_blob(const RegistryCall& call);
net::Response handle_uploads(const RegistryCall& call);
net::Response handle_upload(const RegistryCall& call);
net::Response handle_manifest(const RegistryCall& call);
net::Response handle_tags(const RegistryCall& call);
net::Response handle_catalog(const RegistryCall& call);
net::Response handle_referrers(const RegistryCall& call);

// Throws Error{NAME_UNKNOWN, 404} where the repository is missing, otherwise Error{`code`, 404}.
[[noreturn]] void throw_unknown(const RegistryCall& call, const std::string& code,
                                const std::string& message);
[[noreturn]] void throw_unsupported();
net::Response json_response(const Json& body, std::string_view content_type = "application/json");

}  // namespace slipway::images
