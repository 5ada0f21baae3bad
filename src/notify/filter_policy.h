#pragma once

// Filter policies: which messages a subscription wants.
//
// All keys of a policy must match, each by any of its conditions. By message attributes a key
// names an attribute; by message body it is a member of the JSON message, nested as there, where
// arrays match by any element. Conditions: a text, number, boolean or null itself; prefix, suffix,
// equals-ignore-case, anything-but (texts, numbers, or a prefix or suffix), numeric, exists; and
// "$or" with a list of policies.

#include <string>

#include "base/json.h"

namespace slipway::notify {

// Throws Error{InvalidParameter} where `policy` is none.
void check_filter_policy(const std::string& policy);

// Whether it names members of members, which only a message body has.
bool is_nested(const Json& policy);

// `attributes` as Publish gives them: {"name": {"DataType", "StringValue"}}.
bool matches_attributes(const Json& policy, const Json& attributes);
// False where `body` is no JSON object.
bool matches_body(const Json& policy, const std::string& body);

}  // namespace slipway::notify
