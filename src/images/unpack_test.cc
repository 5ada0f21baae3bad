#include "images/unpack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "images/test_room.h"

namespace slipway::images {
namespace {

namespace fs = std::filesystem;

constexpr TarType kHardLink = static_cast<TarType>('1');
constexpr TarType kCharacterDevice = static_cast<TarType>('3');

class Unpack : public testing::Test {
 protected:
  LayerSize unpack(const std::vector<std::pair<TarEntry, std::string>>& entries,
                   const LayerLimits& limits = {}) {
    write_text(directory_.path() / "layer", tar_of(entries));
    fs::create_directory(target_);
    return unpack_layer(directory_.path() / "layer", target_, limits);
  }

  bool is_whiteout(const std::string& path) const {
    struct stat status {};
    return ::lstat((target_ / path).c_str(), &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == ::makedev(0, 0);
  }

  bool is_opaque(const std::string& path) const {
    char value = 0;
    const std::string full = target_ / path;
    return (::getxattr(full.c_str(), "trusted.overlay.opaque", &value, 1) == 1 ||
            ::getxattr(full.c_str(), "user.overlay.opaque", &value, 1) == 1) &&
           value == 'y';
  }

  TemporaryDirectory directory_;
  fs::path target_ = directory_.path() / "target";
};

TEST_F(Unpack, KeepsContentsModesAndTimes) {
  auto program = tar_file("usr/bin/program", "text");
  program.first.mode = 04755;
  program.first.time = 1'000'000;

  const LayerSize size = unpack({tar_directory("usr"), program, tar_link("bin", "usr/bin")});

  struct stat status {};
  ASSERT_EQ(::stat((target_ / "usr/bin/program").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 04755u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000);
  EXPECT_EQ(read_text(target_ / "bin/program"), "text");
  EXPECT_EQ(size.bytes, 4u);
  EXPECT_EQ(size.files, 3u);
}

TEST_F(Unpack, KeepsADirectoryWithoutWritePermissionAndItsContents) {
  auto closed = tar_directory("closed");
  closed.first.mode = 0555;

  unpack({closed, tar_file("closed/file", "text")});

  struct stat status {};
  ASSERT_EQ(::stat((target_ / "closed").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0555u);
  EXPECT_EQ(read_text(target_ / "closed/file"), "text");
}

TEST_F(Unpack, RefusesAPathThatLeavesTheLayer) {
  EXPECT_THROW(unpack({tar_file("../outside", "x")}), Error);
  EXPECT_FALSE(fs::exists(directory_.path() / "outside"));
}

TEST_F(Unpack, TakesAnAbsolutePathAsRelative) {
  unpack({tar_file("/etc/slipway-test", "x")});

  EXPECT_EQ(read_text(target_ / "etc/slipway-test"), "x");
  EXPECT_FALSE(fs::exists("/etc/slipway-test"));
}

TEST_F(Unpack, RefusesToWriteThroughASymbolicLink) {
  const fs::path outside = directory_.path() / "outside";
  fs::create_directory(outside);

  EXPECT_THROW(unpack({tar_link("link", outside), tar_file("link/file", "x")}), Error);
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(Unpack, ReplacesASymbolicLinkInsteadOfWritingToItsTarget) {
  write_text(directory_.path() / "victim", "untouched");

  unpack({tar_link("file", directory_.path() / "victim"), tar_file("file", "new")});

  EXPECT_EQ(read_text(directory_.path() / "victim"), "untouched");
  EXPECT_EQ(read_text(target_ / "file"), "new");
}

TEST_F(Unpack, LinksFilesOfTheLayer) {
  unpack({tar_file("a", "text"), tar_link("b", "a", kHardLink)});

  struct stat status {};
  ASSERT_EQ(::stat((target_ / "b").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 2u);
}

TEST_F(Unpack, RefusesAHardLinkToWhatIsOutside) {
  write_text(directory_.path() / "secret", "x");

  EXPECT_THROW(unpack({tar_link("b", "../secret", kHardLink)}), Error);
}

TEST_F(Unpack, RefusesAHardLinkThroughASymbolicLink) {
  write_text(directory_.path() / "outside/secret", "x");

  EXPECT_THROW(unpack({tar_link("link", directory_.path() / "outside"),
                       tar_link("b", "link/secret", kHardLink)}),
               Error);
}

TEST_F(Unpack, LeavesDevicesOut) {
  unpack({tar_link("null", "", kCharacterDevice), tar_file("kept", "x")});

  EXPECT_FALSE(fs::exists(target_ / "null"));
  EXPECT_TRUE(fs::exists(target_ / "kept"));
}

TEST_F(Unpack, TurnsAWhiteoutIntoADevice) {
  unpack({tar_directory("etc"), tar_file("etc/.wh.removed")});

  EXPECT_TRUE(is_whiteout("etc/removed"));
  EXPECT_FALSE(fs::exists(target_ / "etc/.wh.removed"));
}

TEST_F(Unpack, TurnsAnOpaqueWhiteoutIntoAnAttribute) {
  unpack({tar_directory("data"), tar_file("data/.wh..wh..opq"), tar_file("data/new", "x")});

  EXPECT_TRUE(is_opaque("data"));
  EXPECT_TRUE(fs::exists(target_ / "data/new"));
}

TEST_F(Unpack, HidesOldContentsOfADirectoryThatWasRemovedAndMadeAgain) {
  unpack({tar_file(".wh.data"), tar_directory("data"), tar_file("data/new", "x")});

  EXPECT_TRUE(is_opaque("data"));
}

TEST_F(Unpack, KeepsTheLayersOwnFileDespiteAWhiteoutOfItsName) {
  unpack({tar_file("file", "new"), tar_file(".wh.file")});

  EXPECT_EQ(read_text(target_ / "file"), "new");
}

TEST_F(Unpack, RefusesAWhiteoutOfTheParent) {
  EXPECT_THROW(unpack({tar_directory("a"), tar_file("a/.wh...")}), Error);
}

TEST_F(Unpack, StopsAtTheBoundOfBytes) {
  LayerLimits limits;
  limits.bytes = 10;

  EXPECT_THROW(unpack({tar_file("a", "123456"), tar_file("b", "123456")}, limits), Error);
}

TEST_F(Unpack, StopsAtTheBoundOfEntries) {
  LayerLimits limits;
  limits.files = 2;

  EXPECT_THROW(unpack({tar_file("a"), tar_file("b"), tar_file("c")}, limits), Error);
}

TEST_F(Unpack, RefusesWhatIsNoTar) {
  write_text(directory_.path() / "layer", std::string(4096, 'x'));
  fs::create_directory(target_);

  EXPECT_THROW(unpack_layer(directory_.path() / "layer", target_, {}), Error);
}

TEST_F(Unpack, ReadsNamesThatTheLocaleCannotExpress) {
  unpack(
      {tar_file("données/fichier", "x"), tar_file(std::string(300, 'n').insert(150, "/é"), "y")});

  EXPECT_TRUE(fs::exists(target_ / "données/fichier"));
  EXPECT_TRUE(fs::exists(target_ / std::string(300, 'n').insert(150, "/é")));
}

}  // namespace
}  // namespace slipway::images
