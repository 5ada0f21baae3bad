#pragma once

// GitLab's refusals.

#include <string>

#include "base/error.h"

namespace slipway::forge {

// 400 {"message": {"<field>": ["<problem>"]}}
[[noreturn]] inline void refuse(const std::string& field, const std::string& problem) {
  throw Error("Invalid", field + " " + problem, 400, {{field, Json::array({problem})}});
}

// "404 Project Not Found"
[[noreturn]] inline void throw_not_found(const std::string& what) {
  throw Error("NotFound", "404 " + what + " Not Found", 404);
}

}  // namespace slipway::forge
