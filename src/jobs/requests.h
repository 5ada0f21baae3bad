#pragma once

// Checks and reads that the requests of all kinds share.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "objects/objects.h"

namespace slipway::jobs {

[[noreturn]] void refuse(const std::string& message);  // ValidationException

// The role must be one of the caller's account.
void check_role(const std::string& account, const std::string& role_arn);
// "s3://bucket[/key]"; `member` names the place in the message.
objects::Location s3_location(const std::string& uri, std::string_view member);
// Absolute, without "." and "..".
void check_container_path(const std::string& path, std::string_view member);
void check_instance_count(std::int64_t count, std::string_view member);

// A list of texts, or nothing where the member is absent.
std::optional<std::vector<std::string>> texts_of(const Json& object, std::string_view key);

}  // namespace slipway::jobs
