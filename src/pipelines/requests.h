#pragma once

// What the steps send to the services: their arguments held to the services' own models, and
// the key under which a step's result is found again.

#include <string>
#include <string_view>

#include "base/json.h"
#include "pipelines/definition.h"
#include "wire/model.h"

namespace slipway::pipelines {

// Thread-safe.
class Requests {
 public:
  Requests();
  // `arguments` as the input of the operation: members that it does not know are left out, and
  // numbers and texts become what the model asks for. Throws Error{ValidationException} in the
  // words of the service where something is missing or wrong.
  Json checked(std::string_view operation, const Json& arguments) const;

 private:
  wire::ServiceModel model_;
};

// SHA-256 over the step's type and its resolved arguments, without names, tags and where its
// outputs go.
std::string cache_key(const Step& step, const Json& arguments, const Json& target);

}  // namespace slipway::pipelines
