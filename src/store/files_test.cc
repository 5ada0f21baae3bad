#include "store/files.h"

#include <fstream>
#include <map>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/ids.h"

namespace slipway::store {
namespace {

namespace fs = std::filesystem;

std::uint64_t inode_of(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// Works on real files, stops at a step, and knows what a power cut would leave: the synced bytes
// of files, under the names that their directory had when it was synced last.
class FaultyDisk final : public Disk {
 public:
  // Step `fail_at` (from 0) and all later ones throw; a write that fails has written half.
  FaultyDisk(fs::path directory, int fail_at)
      : directory_(std::move(directory)), fail_at_(fail_at) {
    for (const auto& entry : fs::directory_iterator(directory_)) {
      if (entry.is_regular_file()) synced_[inode_of(entry.path())] = read_file(entry.path());
    }
    remember_names();
  }

  base::FileDescriptor create(const fs::path& path) override {
    step();
    return system_disk().create(path);
  }
  void write(int descriptor, std::string_view bytes) override {
    if (steps_ == fail_at_) system_disk().write(descriptor, bytes.substr(0, bytes.size() / 2));
    step();
    system_disk().write(descriptor, bytes);
  }
  void sync(int descriptor) override {
    step();
    const fs::path path = fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor));
    synced_[inode_of(path)] = read_file(path);
  }
  void rename(const fs::path& from, const fs::path& to) override {
    step();
    system_disk().rename(from, to);
  }
  void sync_directory(const fs::path& directory) override {
    step();
    if (directory == directory_) remember_names();
  }
  void remove(const fs::path& path) override {
    step();
    system_disk().remove(path);
  }

  bool failed() const { return steps_ > fail_at_; }

  // The directory's files by name, as the next start would find them.
  std::map<std::string, std::string> after_power_cut() const {
    std::map<std::string, std::string> files;
    for (const auto& [name, inode] : names_) {
      const auto found = synced_.find(inode);
      files[name] = found == synced_.end() ? "" : found->second;
    }
    return files;
  }

 private:
  void step() {
    if (steps_++ >= fail_at_) throw Error("InternalError", "the disk stopped", 500);
  }
  void remember_names() {
    names_.clear();
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names_[entry.path().filename().string()] = inode_of(entry.path());
    }
  }

  const fs::path directory_;
  const int fail_at_;
  int steps_ = 0;
  std::map<std::uint64_t, std::string> synced_;  // by inode
  std::map<std::string, std::uint64_t> names_;   // durable
};

class Files : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("files-" + base::random_hex(16));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      found.push_back(entry.path().filename().string());
    }
    return found;
  }

  fs::path directory_;
};

TEST_F(Files, WriteAtomicallyReplacesAFile) {
  const fs::path path = directory_ / "file";
  write_atomically(system_disk(), path, "old");
  write_atomically(system_disk(), path, "new");

  EXPECT_EQ(read_file(path), "new");
  EXPECT_THAT(names(), testing::ElementsAre("file"));
}

TEST_F(Files, WriteAtomicallyLeavesOldOrNewWhereverItStops) {
  const fs::path path = directory_ / "file";
  for (int fail_at = 0;; ++fail_at) {
    write_atomically(system_disk(), path, "old contents");
    FaultyDisk disk(directory_, fail_at);

    bool done = true;
    try {
      write_atomically(disk, path, "new contents");
    } catch (const Error&) {
      done = false;
    }

    const std::string found = disk.after_power_cut()["file"];
    if (done) {
      EXPECT_EQ(found, "new contents");
      EXPECT_FALSE(disk.failed());
      ASSERT_GE(fail_at, 5) << "create, write, sync, rename, sync directory";
      return;
    }
    EXPECT_EQ(found, "old contents") << "stopped at step " << fail_at;
    EXPECT_THAT(read_file(path), testing::AnyOf("old contents", "new contents"));
  }
}

TEST_F(Files, AdoptIsDurableWhenItReturnsAndAllOrNothingBefore) {
  for (int fail_at = 0;; ++fail_at) {
    const fs::path temporary = directory_ / "temporary";
    const fs::path path = directory_ / ("file" + std::to_string(fail_at));
    std::ofstream(temporary) << "contents";
    FaultyDisk disk(directory_, fail_at);

    bool done = true;
    try {
      adopt(disk, temporary, path);
    } catch (const Error&) {
      done = false;
    }

    auto files = disk.after_power_cut();
    if (done) {
      EXPECT_EQ(files[path.filename().string()], "contents");
      ASSERT_GE(fail_at, 3) << "sync, rename, sync directory";
      return;
    }
    EXPECT_FALSE(files.contains(path.filename().string())) << "stopped at step " << fail_at;
    fs::remove(path);
  }
}

TEST_F(Files, AdoptCreatesTheParentDirectories) {
  const fs::path temporary = directory_ / "temporary";
  std::ofstream(temporary) << "contents";

  adopt(system_disk(), temporary, directory_ / "a" / "b" / "file");

  EXPECT_EQ(read_file(directory_ / "a" / "b" / "file"), "contents");
  EXPECT_FALSE(fs::exists(temporary));
}

TEST_F(Files, CreatingDirectoriesSyncsEachParent) {
  class Recorder final : public Disk {
   public:
    base::FileDescriptor create(const fs::path&) override { return {}; }
    void write(int, std::string_view) override {}
    void sync(int) override {}
    void rename(const fs::path&, const fs::path&) override {}
    void sync_directory(const fs::path& directory) override { synced.push_back(directory); }
    void remove(const fs::path&) override {}
    std::vector<fs::path> synced;
  };
  Recorder disk;

  create_directories_durably(disk, directory_ / "a" / "b");
  create_directories_durably(disk, directory_ / "a" / "b");

  EXPECT_TRUE(fs::is_directory(directory_ / "a" / "b"));
  EXPECT_THAT(disk.synced, testing::ElementsAre(directory_, directory_ / "a"));
}

TEST_F(Files, ReadFileNamesWhatItCannotRead) {
  std::ofstream(directory_ / "long") << std::string(100, 'x');

  EXPECT_THROW(read_file(directory_ / "absent"), Error);
  EXPECT_THROW(read_file(directory_ / "long", 99), Error);
  EXPECT_EQ(read_file(directory_ / "long", 100).size(), 100u);
}

TEST_F(Files, RemovingWhatIsAbsentIsFine) {
  EXPECT_NO_THROW(system_disk().remove(directory_ / "absent"));
}

TEST_F(Files, SpoolStartsEmpty) {
  fs::create_directories(directory_ / "left" / "over");
  std::ofstream(directory_ / "file") << "x";

  const Spool spool(directory_);

  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_F(Files, SpoolFileEndsWithItsObject) {
  Spool spool(directory_);
  {
    Spool::File file = spool.create();
    file.append("abc");
    file.append("def");
    EXPECT_EQ(file.size(), 6u);
    EXPECT_EQ(read_file(file.path()), "abcdef");
    Spool::File moved = std::move(file);
    EXPECT_EQ(read_file(moved.path()), "abcdef");
    Spool::File other = spool.create();
    other = std::move(moved);
    EXPECT_EQ(other.size(), 6u);
  }

  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_F(Files, SpoolFileThatWasRenamedStays) {
  Spool spool(directory_ / "spool");
  {
    Spool::File file = spool.create();
    file.append("abc");
    adopt(system_disk(), file.path(), directory_ / "kept");
  }

  EXPECT_EQ(read_file(directory_ / "kept"), "abc");
}

TEST_F(Files, AFullDiskIsReportedWith507AndThePath) {
  // The one device that is always full.
  const base::FileDescriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));

  try {
    system_disk().write(full.get(), "x");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), 507);
    EXPECT_THAT(error.message(), testing::HasSubstr("/dev/full"));
  }
}

TEST_F(Files, SpoolGivesPrivateDirectories) {
  Spool spool(directory_);

  const fs::path created = spool.create_directory();

  EXPECT_TRUE(fs::is_directory(created));
  EXPECT_EQ(created.parent_path(), directory_);
  EXPECT_EQ(fs::status(created).permissions() & fs::perms::others_all, fs::perms::none);
}

}  // namespace
}  // namespace slipway::store
