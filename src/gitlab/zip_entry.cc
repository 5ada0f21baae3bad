#include "gitlab/zip_entry.h"

#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "base/error.h"

namespace slipway::gitlab {
namespace {

constexpr std::size_t kPiece = 1u << 18;
constexpr int kMostEntries = 1'000'000;

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::shared_ptr<archive>;

std::string normal(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  return path;
}

std::optional<std::string> next_piece(const Reader& reader) {
  std::string piece(kPiece, '\0');
  const la_ssize_t count = archive_read_data(reader.get(), piece.data(), piece.size());
  if (count < 0) base::throw_internal("an artifacts archive cannot be read");
  if (count == 0) return std::nullopt;
  piece.resize(static_cast<std::size_t>(count));
  return piece;
}

}  // namespace

std::optional<ZipEntry> find_in_zip(const std::filesystem::path& archive_path,
                                    const std::string& path) {
  const Reader reader(archive_read_new(), FreeArchive{});
  archive_read_support_format_zip(reader.get());
  if (archive_read_open_filename(reader.get(), archive_path.c_str(), kPiece) != ARCHIVE_OK)
    return std::nullopt;
  const std::string wanted = normal(path);
  archive_entry* entry = nullptr;
  for (int i = 0; i < kMostEntries; ++i) {
    if (archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN) return std::nullopt;
    if (entry == nullptr) return std::nullopt;
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || normal(name) != wanted) {
      entry = nullptr;
      continue;
    }
    if (archive_entry_filetype(entry) != AE_IFREG) return std::nullopt;
    ZipEntry found;
    if (archive_entry_size_is_set(entry))
      found.size = static_cast<std::uint64_t>(archive_entry_size(entry));
    found.contents = [reader] { return next_piece(reader); };
    return found;
  }
  return std::nullopt;
}

}  // namespace slipway::gitlab
