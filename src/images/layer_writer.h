#pragma once

// Writes a layer that depends on nothing but its contents: entries in the order of their
// names, one time for all, owner 0, modes 0755 and 0644, gzip without name and time.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "images/build.h"
#include "store/files.h"

namespace slipway::images {

// True for a path, relative to the source, that stays out of the layer.
using Ignored = std::function<bool(const std::string& path)>;
// BuildPlan::ignore as a predicate.
Ignored ignore_patterns(std::vector<std::string> patterns);

struct LayerTree {
  std::filesystem::path source;  // may be empty
  std::string destination;       // absolute path in the image
  Ignored ignored;
};

// Writes a layer with the tree and the files (absolute path to contents, mode 0755) to
// <blobs>/<hex>. Compiled Python (__pycache__, *.pyc), sockets and devices are left out.
BuiltLayer write_layer(store::Disk& disk, const LayerTree& tree,
                       const std::map<std::string, std::string>& files, std::int64_t time,
                       const std::filesystem::path& blobs);

}  // namespace slipway::images
