#include "containers/cgroups.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "containers/directory.h"

namespace slipway::containers {
namespace {

constexpr const char* kVersion2 =
    "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kVersion1 =
    "30 25 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 25 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup systemd rw,name=systemd\n";

TEST(CgroupsTest, Version2AsRootIsBelowTheTop) {
  const CgroupTree tree =
      parse_cgroups(kVersion2, "0::/system.slice/slipway.service\n", Privilege::kRoot);
  EXPECT_EQ(tree.layout, CgroupLayout::kVersion2);
  EXPECT_EQ(tree.runtime_parent, "/slipway");
  EXPECT_EQ(cgroup_directories(tree, "a").at(""), "/sys/fs/cgroup/slipway/a");
}

TEST(CgroupsTest, Version2WithoutRootIsBesideItself) {
  const CgroupTree tree = parse_cgroups(
      kVersion2, "0::/user.slice/user@1000.service/app.slice/x.scope\n", Privilege::kNone);
  EXPECT_EQ(tree.runtime_parent, "/user.slice/user@1000.service/app.slice/slipway");
  EXPECT_EQ(cgroup_directories(tree, "a").at(""),
            "/sys/fs/cgroup/user.slice/user@1000.service/app.slice/slipway/a");
}

TEST(CgroupsTest, Version1IsBelowItsOwnGroups) {
  const CgroupTree tree = parse_cgroups(
      kVersion1, "3:memory:/limited\n2:cpu,cpuacct:/\n1:name=systemd:/s\n", Privilege::kRoot);
  EXPECT_EQ(tree.layout, CgroupLayout::kVersion1);
  EXPECT_EQ(tree.runtime_parent, "slipway");
  const CgroupDirectories directories = cgroup_directories(tree, "a");
  EXPECT_EQ(directories.at("memory"), "/sys/fs/cgroup/memory/limited/slipway/a");
  EXPECT_EQ(directories.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/slipway/a");
  EXPECT_EQ(directories.at("name=systemd"), "/sys/fs/cgroup/systemd/s/slipway/a");
}

TEST(CgroupsTest, HybridHasBoth) {
  const std::string both =
      std::string(kVersion1) + "40 25 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  const CgroupTree tree = parse_cgroups(both, "3:memory:/\n0::/u\n", Privilege::kRoot);
  EXPECT_EQ(tree.layout, CgroupLayout::kHybrid);
  EXPECT_EQ(cgroup_directories(tree, "a").at("unified"), "/sys/fs/cgroup/unified/u/slipway/a");
}

TEST(CgroupsTest, AMountMayShowOnlyAPart) {
  const CgroupTree tree =
      parse_cgroups("30 25 0:26 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                    "3:memory:/docker/x\n", Privilege::kRoot);
  EXPECT_EQ(tree.parents.at("memory"), "/sys/fs/cgroup/memory");
}

TEST(CgroupsTest, NoneWhereNothingIsMounted) {
  const CgroupTree tree =
      parse_cgroups("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n", "", Privilege::kRoot);
  EXPECT_EQ(tree.layout, CgroupLayout::kNone);
  EXPECT_FALSE(probe_cgroups(tree).any());
}

TEST(CgroupsTest, ReadsBothVersionsFiles) {
  char name[] = "/tmp/cgroups-test-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::filesystem::path top = name;
  const auto write = [&](const char* file, const char* text) { std::ofstream(top / file) << text; };
  write("cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
  write("memory.current", "5000\n");
  write("memory.stat", "anon 1\ninactive_file 1000\ntotal_inactive_file 2000\n");
  write("memory.events", "low 0\noom_kill 0\n");
  write("cpuacct.usage", "1500000000\n");
  write("memory.usage_in_bytes", "7000\n");
  write("memory.oom_control", "oom_kill_disable 0\noom_kill 1\n");
  const CgroupDirectories version2 = {{"", name}};
  EXPECT_DOUBLE_EQ(usage_of(version2)->cpu_seconds, 2.5);
  EXPECT_EQ(usage_of(version2)->memory_bytes, 4000u);
  EXPECT_FALSE(killed_for_memory(version2));
  const CgroupDirectories version1 = {{"cpuacct", name}, {"memory", name}};
  EXPECT_DOUBLE_EQ(usage_of(version1)->cpu_seconds, 1.5);
  EXPECT_EQ(usage_of(version1)->memory_bytes, 5000u);
  EXPECT_TRUE(killed_for_memory(version1));
  EXPECT_FALSE(usage_of({{"", "/no/such/group"}}));
  remove_tree(top);
}

}  // namespace
}  // namespace slipway::containers
