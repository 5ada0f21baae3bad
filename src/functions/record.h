#pragma once

// A function's document: what CreateFunction and the Update… calls make of their input, and what
// is answered. Pure.
//
//   {"Configuration": FunctionConfiguration without name, ARN and version,
//    "Code": {"Sha256", "Size"} or {"ImageUri", "Digest"},
//    "NextVersion": 1, "Policies": {"<qualifier>": {"RevisionId", "Statement"}}, "Reserved": 5}
// Versions have the first two members.

#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "functions/types.h"

namespace slipway::functions {

std::string function_arn(const std::string& region, const std::string& account,
                         const std::string& name, const std::string& qualifier = "");

// The configuration of a new function. Throws Error{InvalidParameterValueException} for what
// this server cannot run.
Json new_configuration(const Json& request, const std::string& name);
// Lays UpdateFunctionConfiguration's members over it.
void update_configuration(Json& configuration, const Json& request);
// Writes size, digest, time and revision of new code into it.
void set_code(Json& configuration, const Json& code);
void touch(Json& configuration, base::Millis now);

// The output that most operations share.
Json configuration_output(const Json& configuration, const std::string& region,
                          const std::string& account, const std::string& name,
                          const std::string& version, const std::string& qualifier);

}  // namespace slipway::functions
