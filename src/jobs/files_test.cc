// Archives and transfers: what lies in a job's directory, and what it is called in a bucket.

#include "store/files.h"

#include <fstream>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/ids.h"
#include "jobs/archive.h"
#include "jobs/instance_types.h"
#include "jobs/transfer.h"

namespace slipway::jobs {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class JobFiles : public testing::Test {
 protected:
  JobFiles() : root_(fs::path(testing::TempDir()) / ("jobs-" + base::random_hex(12))) {
    fs::create_directories(root_ / "model");
  }
  ~JobFiles() override { remove_tree(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  std::vector<std::string> members(const fs::path& file) {
    std::vector<std::string> names;
    archive* reader = archive_read_new();
    archive_read_support_filter_gzip(reader);
    archive_read_support_format_tar(reader);
    EXPECT_EQ(archive_read_open_filename(reader, file.c_str(), 1 << 16), ARCHIVE_OK);
    archive_entry* entry = nullptr;
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
      std::string name = archive_entry_pathname(entry);
      if (archive_entry_filetype(entry) == AE_IFLNK) {
        name += std::string(" -> ") + archive_entry_symlink(entry);
      }
      names.push_back(name);
    }
    archive_read_free(reader);
    return names;
  }

  const fs::path root_;
};

TEST_F(JobFiles, ArchivesMembersAtTheRootSorted) {
  write("model/b.json", "b");
  write("model/a/weights.bin", "w");
  write_tar_gz(root_ / "model", root_ / "model.tar.gz");

  EXPECT_THAT(members(root_ / "model.tar.gz"), ElementsAre("a/", "a/weights.bin", "b.json"));
}

TEST_F(JobFiles, ArchivesTheSameContentsToTheSameBytes) {
  write("model/a", "1");
  write("model/b", "2");
  write("again/b", "2");
  write("again/a", "1");
  fs::last_write_time(root_ / "again/a", fs::file_time_type::clock::now() - std::chrono::hours(5));
  write_tar_gz(root_ / "model", root_ / "one.tar.gz");
  write_tar_gz(root_ / "again", root_ / "two.tar.gz");

  EXPECT_EQ(store::read_file(root_ / "one.tar.gz"), store::read_file(root_ / "two.tar.gz"));
}

TEST_F(JobFiles, ArchivesALinkAsALink) {
  write("secret", "of the machine");
  fs::create_symlink(root_ / "secret", root_ / "model/link");
  write_tar_gz(root_ / "model", root_ / "model.tar.gz");

  EXPECT_THAT(members(root_ / "model.tar.gz"),
              ElementsAre("link -> " + (root_ / "secret").string()));
}

TEST_F(JobFiles, LeavesPipesOutOfAnArchive) {
  write("model/a", "1");
  ASSERT_EQ(::mkfifo((root_ / "model/pipe").c_str(), 0600), 0);
  write_tar_gz(root_ / "model", root_ / "model.tar.gz");

  EXPECT_THAT(members(root_ / "model.tar.gz"), ElementsAre("a"));
}

TEST_F(JobFiles, ArchivesNamesThatAreNotAscii) {
  write("model/größe.txt", "1");
  write_tar_gz(root_ / "model", root_ / "model.tar.gz");

  EXPECT_EQ(members(root_ / "model.tar.gz").size(), 1u);
}

TEST_F(JobFiles, SeesNoContentsInALinkToADirectory) {
  fs::create_directory_symlink("/etc", root_ / "data");

  EXPECT_FALSE(has_contents(root_ / "data"));
  EXPECT_FALSE(has_contents(root_ / "absent"));
  EXPECT_FALSE(has_contents(root_ / "model"));
}

TEST_F(JobFiles, ReadsTheStartOfAMessage) {
  write("failure", "0123456789");
  EXPECT_EQ(read_start(root_ / "failure", 4), "0123");
}

TEST_F(JobFiles, ReadsNoMessageThroughALink) {
  fs::create_symlink("/etc/passwd", root_ / "failure");
  EXPECT_EQ(read_start(root_ / "failure", 4), std::nullopt);
}

TEST_F(JobFiles, DoesNotWaitOnAPipeForAMessage) {
  ASSERT_EQ(::mkfifo((root_ / "failure").c_str(), 0600), 0);
  EXPECT_EQ(read_start(root_ / "failure", 4), std::nullopt);
}

struct PathCase {
  std::string prefix;
  std::string key;
  std::string relative;
};
class RelativePath : public testing::TestWithParam<PathCase> {};

TEST_P(RelativePath, FollowsThePrefix) {
  EXPECT_EQ(relative_path(GetParam().prefix, GetParam().key), GetParam().relative);
}

INSTANTIATE_TEST_SUITE_P(Each, RelativePath,
                         testing::Values(PathCase{"data/train", "data/train/a.csv", "a.csv"},
                                         PathCase{"data/train/", "data/train/a/b.csv", "a/b.csv"},
                                         PathCase{"data/part", "data/part-1.csv", "part-1.csv"},
                                         PathCase{"data/tr", "data/train/a.csv", "train/a.csv"},
                                         PathCase{"data/x.csv", "data/x.csv", "x.csv"},
                                         PathCase{"", "data/x.csv", "data/x.csv"},
                                         PathCase{"x", "xy", "xy"},
                                         PathCase{"data/", "data//x.csv", "x.csv"},
                                         PathCase{"data", "data/sub/", ""},
                                         PathCase{"data/", "data/", ""}));

TEST(RelativePath, NeverLeavesTheDirectory) {
  EXPECT_THROW(relative_path("data/", "data/../../etc/passwd"), Error);
}

TEST(JoinS3, PutsOneSlashBetween) {
  EXPECT_EQ(join_s3("s3://b/a//", "c"), "s3://b/a/c");
  EXPECT_EQ(join_s3("s3://b", "c/d"), "s3://b/c/d");
}

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
struct SizeCase {
  std::string type;
  double cpus;
  double gigabytes;
};
class InstanceSizes : public testing::TestWithParam<SizeCase> {};

TEST_P(InstanceSizes, AreThoseOfTheType) {
  const InstanceSize size = size_of_instance(GetParam().type);
  EXPECT_EQ(size.cpus, GetParam().cpus);
  EXPECT_NEAR(static_cast<double>(size.memory_bytes) / kGiB, GetParam().gigabytes, 0.5);
}

INSTANTIATE_TEST_SUITE_P(
    Each, InstanceSizes,
    testing::Values(SizeCase{"ml.m5.large", 2, 8}, SizeCase{"ml.m5.xlarge", 4, 16},
                    SizeCase{"ml.m4.16xlarge", 64, 256}, SizeCase{"ml.c5.2xlarge", 8, 16},
                    SizeCase{"ml.r5.4xlarge", 16, 128}, SizeCase{"ml.t3.medium", 2, 4},
                    SizeCase{"ml.t3.large", 2, 8}, SizeCase{"ml.p3.2xlarge", 8, 61},
                    SizeCase{"ml.p4d.24xlarge", 96, 1152}, SizeCase{"local", 2, 8}));

TEST(InstanceSize, IsNoLargerThanTheMachine) {
  const InstanceSize size = capped({.cpus = 64, .memory_bytes = 1}, {.cpus = 2, .memory_bytes = 9});
  EXPECT_EQ(size.cpus, 2);
  EXPECT_EQ(size.memory_bytes, 1u);
}

}  // namespace
}  // namespace slipway::jobs
