#pragma once

// A model's data: a tar archive, compressed with gzip or not at all, unpacked into a directory.

#include <cstdint>
#include <filesystem>

namespace slipway::endpoints {

struct ModelDataLimits {
  std::uint64_t bytes;  // of all files together
  std::uint64_t files;
};

// Unpacks `archive` into `directory`, which is made and must not exist. Nothing is written outside
// of it, whatever names and links the archive holds: no symbolic link is followed. Devices, sockets
// and pipes are left out; owners and special permission bits are not kept. What is there when it
// returns is on the disk. Throws Error{ValidationException} where the archive is damaged or too
// large.
void unpack_model_data(const std::filesystem::path& archive, const std::filesystem::path& directory,
                       const ModelDataLimits& limits);

}  // namespace slipway::endpoints
