#pragma once

// One file out of an artifacts archive.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "net/http.h"

namespace slipway::gitlab {

struct ZipEntry {
  std::optional<std::uint64_t> size;  // where the archive says
  net::Stream contents;               // reads on as it is asked; holds the archive open
};

// The regular file of that path; nothing where there is none, or no readable archive. Throws Error
// where the archive breaks off while it is read.
std::optional<ZipEntry> find_in_zip(const std::filesystem::path& archive, const std::string& path);

}  // namespace slipway::gitlab
