#pragma once

// The expressions of SageMaker's Search, evaluated on documents.
// Format: "SearchExpression" in the SageMaker API reference.

#include <string>

#include "base/json.h"

namespace slipway::models {

// Whether `document` fulfils a SearchExpression. Names are paths ("InferenceSpecification.
// SupportedContentTypes"); a list on the way stands for any of its elements. Members that are
// timestamps compare with ISO 8601 or with epoch seconds. Throws Error{ValidationException} for
// an expression that says nothing sensible.
bool matches(const Json& document, const Json& expression);

// Orders two documents by a member: negative where `a` comes first ascending. Documents without
// the member come first.
int compare_by(const Json& a, const Json& b, const std::string& member);

}  // namespace slipway::models
