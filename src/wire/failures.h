#pragma once

// What the services of AWS call the failures that every one of them can have.

#include <string>

#include "base/error.h"
#include "wire/model.h"

namespace slipway::wire {

// Which dialect of error names a client expects.
enum class Dialect { kJson, kQuery, kRestJson, kS3 };
Dialect dialect_of(const ServiceModel& model) noexcept;

// verify()'s error in the service's own words and status.
Error in_dialect(Dialect dialect, const Error& refusal);

// An input that breaks its model's constraints.
Error validation_failure(const ServiceModel& model, const std::string& message);
// An input that is not of its shape.
Error serialization_failure(Dialect dialect, const Error& failure);
// An operation that the service does not have, or that Slipway does not serve.
Error unknown_operation(Dialect dialect, const std::string& service, const std::string& operation);
Error unserved_operation(Dialect dialect, const std::string& service, const std::string& operation);
// A defect of this server, without its details.
Error internal_failure(Dialect dialect);

}  // namespace slipway::wire
