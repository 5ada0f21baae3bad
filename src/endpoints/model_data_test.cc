#include "endpoints/model_data.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/files.h"

namespace slipway::endpoints {
namespace {

namespace fs = std::filesystem;

class ModelDataTest : public testing::Test {
 protected:
  ModelDataTest() {
    char name[] = "/tmp/model_data_test.XXXXXX";
    directory_ = ::mkdtemp(name);
    archive_ = archive_write_new();
    archive_write_set_format_pax_restricted(archive_);
    archive_write_add_filter_gzip(archive_);
    archive_write_open_filename(archive_, (directory_ / "model.tar.gz").c_str());
  }
  ~ModelDataTest() override {
    if (archive_) archive_write_free(archive_);
    fs::remove_all(directory_);
  }

  void add(const std::string& name, const std::string& contents, mode_t mode = 0600) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_size(entry, static_cast<la_int64_t>(contents.size()));
    archive_write_header(archive_, entry);
    archive_write_data(archive_, contents.data(), contents.size());
    archive_entry_free(entry);
  }

  void add_symlink(const std::string& name, const std::string& target) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFLNK);
    archive_entry_set_symlink(entry, target.c_str());
    archive_write_header(archive_, entry);
    archive_entry_free(entry);
  }

  void unpack(ModelDataLimits limits = {1u << 20, 100}) {
    if (archive_) archive_write_free(archive_);
    archive_ = nullptr;
    unpack_model_data(directory_ / "model.tar.gz", directory_ / "model", limits);
  }

  fs::path directory_;
  archive* archive_ = nullptr;
};

TEST_F(ModelDataTest, UnpacksFilesReadableForEverybody) {
  add("model.json", "{}");
  add("./code/run", "#!/bin/sh", 0700);

  unpack();

  EXPECT_EQ(store::read_file(directory_ / "model/model.json"), "{}");
  EXPECT_EQ(fs::status(directory_ / "model/model.json").permissions(), fs::perms(0644));
  EXPECT_EQ(fs::status(directory_ / "model/code/run").permissions(), fs::perms(0755));
  EXPECT_EQ(fs::status(directory_ / "model/code").permissions(), fs::perms(0755));
}

TEST_F(ModelDataTest, RefusesNamesThatLeaveTheDirectory) {
  add("../escaped", "x");

  EXPECT_THROW(unpack(), Error);

  EXPECT_FALSE(fs::exists(directory_ / "escaped"));
}

TEST_F(ModelDataTest, WritesThroughNoSymbolicLink) {
  fs::create_directory(directory_ / "outside");
  add_symlink("link", directory_ / "outside");
  add("link/file", "x");

  EXPECT_THROW(unpack(), Error);

  EXPECT_TRUE(fs::is_empty(directory_ / "outside"));
}

TEST_F(ModelDataTest, ReplacesALinkRatherThanFollowIt) {
  store::write_atomically(store::system_disk(), directory_ / "outside", "before");
  add_symlink("file", directory_ / "outside");
  add("file", "inside");

  unpack();

  EXPECT_EQ(store::read_file(directory_ / "outside"), "before");
  EXPECT_EQ(store::read_file(directory_ / "model/file"), "inside");
}

TEST_F(ModelDataTest, BoundsWhatItUnpacks) {
  add("large", std::string(1000, 'x'));

  EXPECT_THROW(unpack({999, 100}), Error);
}

TEST_F(ModelDataTest, RefusesWhatIsNoArchive) {
  archive_write_free(archive_);
  archive_ = nullptr;
  store::write_atomically(store::system_disk(), directory_ / "model.tar.gz",
                          std::string(5000, 'q'));

  EXPECT_THROW(unpack(), Error);
}

}  // namespace
}  // namespace slipway::endpoints
