#pragma once

// What the operations of this room read from their inputs and write into their answers in the
// same way.

#include <string>

#include "base/json.h"
#include "store/resources.h"

namespace slipway::models {

inline constexpr const char* kModelKind = "model";
inline constexpr const char* kGroupKind = "model-package-group";
inline constexpr const char* kPackageKind = "model-package";

// NameContains, CreationTimeAfter/Before, SortBy, SortOrder, MaxResults (10, at most 100) and
// NextToken.
store::ListQuery list_query(const std::string& account, const std::string& kind, const Json& input,
                            store::Order default_order);

// "Tags": [{Key, Value}], both ways.
store::Tags tags_in(const Json& input);
Json tag_list(const store::Tags& tags);

// A list's answer; a summary is made of those members of each document that it has.
Json list_answer(const store::Page& page, const char* list_name,
                 std::initializer_list<const char*> members);

}  // namespace slipway::models
