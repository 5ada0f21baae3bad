#pragma once

// A registered version of a model, as people name it.

#include <string>

#include "base/json.h"
#include "wire/client.h"

namespace slipway::cli {

// DescribeModelPackage of the newest package of that version ("1.2.0", or the package's number): a
// version that was trained again keeps its number. Throws Error{NotFound} with the names that there
// are.
Json find_package(wire::ServiceClient& services, const std::string& model,
                  const std::string& version);

// What a decision is about: commit, digests, and the figures beside those of the version that the
// model's endpoint serves.
void print_evidence(wire::ServiceClient& services, const Json& package);

}  // namespace slipway::cli
