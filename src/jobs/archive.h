#pragma once

// Directories as tar.gz: model.tar.gz and output.tar.gz.

#include <filesystem>

namespace slipway::jobs {

// Writes what lies in `directory` to `file`, members at the archive's root. The same
// contents give the same bytes: sorted by name, owner 0, one fixed time, none in the gzip header.
// Symbolic links are kept as links and never followed; sockets, pipes and devices are left out.
// Throws Error where something cannot be read or written.
void write_tar_gz(const std::filesystem::path& directory, const std::filesystem::path& file);

}  // namespace slipway::jobs
