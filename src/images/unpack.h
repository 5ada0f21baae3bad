#pragma once

// Unpacking one image layer, written by anybody, into a directory of its own.
//
// Every entry is made relative to an open directory that was reached from the target without
// following a symbolic link, so nothing can be written outside it. An absolute path is taken
// as relative to the target, as Docker does; one with ".." or through a link is refused.
// Whiteouts become overlayfs's (a character device 0/0; the attribute overlay.opaque), devices
// and sockets are left out, modes are kept, owners only as root.

#include <cstdint>
#include <filesystem>

namespace slipway::images {

struct LayerLimits {
  std::uint64_t bytes = 64ull << 30;  // of all files, unpacked
  std::uint64_t files = 4'000'000;    // entries
};

struct LayerSize {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};

// Unpacks the tar file `archive` (plain, gzip or zstd) into `directory`, which exists and is
// empty. Throws Error{InvalidLayer} that says what is wrong with the layer; what was unpacked
// until then stays. Does not sync.
LayerSize unpack_layer(const std::filesystem::path& archive, const std::filesystem::path& directory,
                       const LayerLimits& limits);

// Removes a tree, also where its directories are not writable to this user.
void remove_tree(const std::filesystem::path& directory);

}  // namespace slipway::images
