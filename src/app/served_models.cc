#include "app/served_models.h"

#include "base/error.h"

namespace slipway::app {
namespace {

using base::text_or;

void add_models_of(const endpoints::Endpoints& endpoints, const std::string& account,
                   const std::string& endpoint, std::vector<models::ServedModel>& served) {
  const Json found = endpoints.describe(account, {{"EndpointName", endpoint}});
  const Json config = endpoints.describe_config(
      account, {{"EndpointConfigName", text_or(found, "EndpointConfigName")}});
  for (const Json& variant : base::array_or_empty(config, "ProductionVariants"))
    served.push_back({endpoint, text_or(variant, "ModelName")});
}

}  // namespace

std::vector<models::ServedModel> served_models(const endpoints::Endpoints& endpoints,
                                               const std::string& account) {
  std::vector<models::ServedModel> served;
  Json asked{{"MaxResults", 100}};
  while (true) {
    const Json page = endpoints.list(account, asked);
    for (const Json& endpoint : base::array_or_empty(page, "Endpoints")) {
      const std::string status = text_or(endpoint, "EndpointStatus");
      if (status != "InService" && status != "Updating") continue;
      try {
        add_models_of(endpoints, account, text_or(endpoint, "EndpointName"), served);
      } catch (const Error&) {
        // Gone since the list was made, or without a configuration that would say what it serves.
      }
    }
    const std::string next = text_or(page, "NextToken");
    if (next.empty()) return served;
    asked["NextToken"] = next;
  }
}

}  // namespace slipway::app
