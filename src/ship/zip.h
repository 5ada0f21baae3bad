#pragma once

// A small zip archive in memory: a function's code.

#include <map>
#include <string>

namespace slipway::ship {

// Path to contents. The same files give the same bytes.
std::string zip_of(const std::map<std::string, std::string>& files);

}  // namespace slipway::ship
