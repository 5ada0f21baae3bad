#pragma once

// Which models endpoints serve now.

#include <string>
#include <vector>

#include "endpoints/endpoints.h"
#include "models/models.h"

namespace slipway::app {

// As models::ServedModels. An endpoint that is gone meanwhile, or whose configuration is, is left
// out.
std::vector<models::ServedModel> served_models(const endpoints::Endpoints& endpoints,
                                               const std::string& account);

}  // namespace slipway::app
