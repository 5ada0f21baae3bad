#include "gitlab/zip_entry.h"

#include <filesystem>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace slipway::gitlab {
namespace {

class ZipEntryTest : public testing::Test {
 protected:
  ZipEntryTest()
      : path_(std::filesystem::temp_directory_path() /
              ("zip-entry-test-" + std::to_string(::getpid()) + ".zip")) {
    archive* writer = archive_write_new();
    archive_write_set_format_zip(writer);
    EXPECT_EQ(archive_write_open_filename(writer, path_.c_str()), ARCHIVE_OK);
    add(writer, "dir/", AE_IFDIR, "");
    add(writer, "dir/a.txt", AE_IFREG, "first");
    add(writer, "big", AE_IFREG, std::string(1'000'000, 'x'));
    archive_write_free(writer);
  }
  ~ZipEntryTest() override { std::filesystem::remove(path_); }

  static void add(archive* writer, const char* name, unsigned type, const std::string& contents) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(contents.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, contents.data(), contents.size());
    archive_entry_free(entry);
  }
  std::optional<std::string> contents(const std::string& name) const {
    const auto entry = find_in_zip(path_, name);
    if (!entry) return std::nullopt;
    std::string all;
    while (auto piece = entry->contents()) all += *piece;
    return all;
  }

  const std::filesystem::path path_;
};

TEST_F(ZipEntryTest, FindsRegularFilesAlone) {
  EXPECT_EQ(contents("dir/a.txt"), "first");
  EXPECT_EQ(contents("./dir/a.txt"), "first");
  EXPECT_EQ(contents("big"), std::string(1'000'000, 'x'));
  for (const char* name : {"dir", "dir/", "a.txt", "../dir/a.txt", "", "none"})
    EXPECT_FALSE(contents(name)) << name;
}

TEST_F(ZipEntryTest, HasNothingOfWhatIsNoArchive) {
  std::filesystem::resize_file(path_, 10);
  EXPECT_FALSE(contents("dir/a.txt"));
  std::filesystem::remove(path_);
  EXPECT_FALSE(contents("dir/a.txt"));
}

}  // namespace
}  // namespace slipway::gitlab
