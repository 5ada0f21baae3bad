#include "ship/zip.h"

#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

namespace slipway::ship {
namespace {

constexpr std::time_t kEarliest = 315'532'800;  // 1980-01-01, the first time that a zip can say

la_ssize_t append(struct archive*, void* target, const void* bytes, std::size_t count) {
  static_cast<std::string*>(target)->append(static_cast<const char*>(bytes), count);
  return static_cast<la_ssize_t>(count);
}

void check(int status, struct archive* archive) {
  if (status != ARCHIVE_OK)
    base::throw_internal(std::string("writing a zip: ") + archive_error_string(archive));
}

}  // namespace

std::string zip_of(const std::map<std::string, std::string>& files) {
  std::string result;
  const std::unique_ptr<struct archive, int (*)(struct archive*)> writer(archive_write_new(),
                                                                         archive_write_free);
  check(archive_write_set_format_zip(writer.get()), writer.get());
  check(archive_write_open(writer.get(), &result, nullptr, append, nullptr), writer.get());
  for (const auto& [path, contents] : files) {
    const std::unique_ptr<struct archive_entry, void (*)(struct archive_entry*)> entry(
        archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(contents.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), kEarliest, 0);
    check(archive_write_header(writer.get(), entry.get()), writer.get());
    if (archive_write_data(writer.get(), contents.data(), contents.size()) < 0)
      check(ARCHIVE_FATAL, writer.get());
  }
  check(archive_write_close(writer.get()), writer.get());
  return result;
}

}  // namespace slipway::ship
