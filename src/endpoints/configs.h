#pragma once

// Endpoint configurations and deployment configurations: what the API gives, checked and turned
// into the values of types.h.

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "endpoints/types.h"
#include "images/images.h"
#include "models/models.h"

namespace slipway::endpoints {

// The containers of a model; throws Error{ValidationException} "Could not find model …".
using ModelSource = std::function<std::vector<models::ServedContainer>(
    const std::string& account, const std::string& model_name)>;
// As images::Images::resolve().
using ImageSource =
    std::function<images::ResolvedImage(const std::string& account, const std::string& reference)>;

// Refuses what cannot be served, with a sentence that says what to give instead.
void check_config(const Json& config, const std::string& account, const ModelSource& models);

// A fleet as a configuration asks for it, with models and images as they are now. `config` is
// the stored CreateEndpointConfig input. Throws Error{ValidationException}, and
// Error{ResourceLimitExceeded} for more than `most_replicas`.
Fleet make_fleet(const Json& config, const std::string& account, const ModelSource& models,
                 const ImageSource& images, int most_replicas, base::Millis now);

// Keeps counts, weights and capture of `live` in `next`, but for the `excluded`
// VariantPropertyTypes (RetainAllVariantProperties).
void retain_properties(Fleet& next, const Fleet& live, const std::vector<std::string>& excluded);

// The policy of a DeploymentConfig (null: all at once) for a fleet of `replicas`. Throws
// Error{ValidationException} where its parts contradict each other.
DeploymentPolicy make_policy(const Json& deployment_config, int replicas);

}  // namespace slipway::endpoints
