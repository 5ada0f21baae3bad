#pragma once

// How an endpoint lies in the resource table (kind "endpoint"): name, status and times
// in the row, the rest in its document. The members are in docs/formats/endpoints.md.

#include "endpoints/types.h"
#include "store/resources.h"

namespace slipway::endpoints {

inline constexpr const char* kEndpointKind = "endpoint";
inline constexpr const char* kEndpointConfigKind = "endpoint-config";

Json document_of(const Endpoint& endpoint);
// `version` of the row is not part of the endpoint; the caller keeps it.
Endpoint endpoint_of(const store::Resource& resource);
store::Resource resource_of(const Endpoint& endpoint, std::int64_t version);

// DescribeEndpoint's answer.
Json describe(const Endpoint& endpoint);

}  // namespace slipway::endpoints
