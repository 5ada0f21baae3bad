#pragma once

// The parts of the ECR API; ecr_api.cc puts them together.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "iam/iam.h"
#include "images/state.h"
#include "store/database.h"
#include "wire/api.h"

namespace slipway::images {

// What the operations need; copied into each of them.
struct EcrContext {
  Images::State& state;
  const iam::Iam& iam;
  std::string registry_url;  // "http://127.0.0.1:4700"

  // What images are named by: the URL without its scheme.
  std::string registry_host() const;

  RepositoryKey key_of(const wire::Call& call) const;  // registryId and repositoryName
  std::string arn_of(const RepositoryKey& key) const;
};

void register_ecr_repositories(wire::Api& api, const EcrContext& context);
void register_ecr_images(wire::Api& api, const EcrContext& context);
void register_ecr_layers(wire::Api& api, const EcrContext& context);

// Throws Error{RepositoryNotFoundException}.
Repository get_repository(store::Reader& reader, const RepositoryKey& key);
[[noreturn]] void throw_repository_missing(const RepositoryKey& key);

// One page of `items`, each a pair of a unique key and a value, by the call's maxResults and
// nextToken. Sorts. The token of the next page, empty on the last, is put into `next`.
std::vector<Json> page_by_key(std::vector<std::pair<std::string, Json>> items,
                              const wire::Call& call, std::string& next);

}  // namespace slipway::images
