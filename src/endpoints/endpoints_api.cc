#include "endpoints/endpoints.h"

namespace slipway::endpoints {

void register_endpoints_api(wire::Api& api, Endpoints& endpoints) {
  using wire::Call;
  using wire::Reply;
  const auto on = [&](const char* operation, auto run) {
    api.on("sagemaker", operation, [&endpoints, run](Call& call) -> Reply {
      return run(endpoints, call.caller.account, call.input);
    });
  };
  using Text = const std::string&;
  using In = const Json&;
  on("CreateEndpointConfig",
     [](Endpoints& e, Text account, In input) -> Reply { return e.create_config(account, input); });
  on("DescribeEndpointConfig", [](Endpoints& e, Text account, In input) -> Reply {
    return e.describe_config(account, input);
  });
  on("DeleteEndpointConfig", [](Endpoints& e, Text account, In input) -> Reply {
    e.delete_config(account, input);
    return {};
  });
  on("ListEndpointConfigs",
     [](Endpoints& e, Text account, In input) -> Reply { return e.list_configs(account, input); });
  on("CreateEndpoint",
     [](Endpoints& e, Text account, In input) -> Reply { return e.create(account, input); });
  on("DescribeEndpoint",
     [](Endpoints& e, Text account, In input) -> Reply { return e.describe(account, input); });
  on("UpdateEndpoint",
     [](Endpoints& e, Text account, In input) -> Reply { return e.update(account, input); });
  on("UpdateEndpointWeightsAndCapacities", [](Endpoints& e, Text account, In input) -> Reply {
    return e.update_weights_and_capacities(account, input);
  });
  on("DeleteEndpoint", [](Endpoints& e, Text account, In input) -> Reply {
    e.remove(account, input);
    return {};
  });
  on("ListEndpoints",
     [](Endpoints& e, Text account, In input) -> Reply { return e.list(account, input); });
}

}  // namespace slipway::endpoints
