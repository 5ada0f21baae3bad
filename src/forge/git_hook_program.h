#pragma once

// The program that git runs as its hooks (main.cc), as bytes of this one.

#include <string_view>

namespace slipway::forge {

std::string_view git_hook_program();

}  // namespace slipway::forge
