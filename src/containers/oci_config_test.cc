#include "containers/oci_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "containers/host_base.h"

namespace slipway::containers {
namespace {

using testing::ElementsAre;

Plan plan() {
  Plan plan;
  plan.spec.id = "job-1";
  plan.spec.arguments = {"train"};
  plan.limits = {true, true, true};
  plan.cgroup_path = "slipway/job-1";
  return plan;
}

std::vector<std::string> namespaces(const Json& config) {
  std::vector<std::string> types;
  for (const Json& entry : config["linux"]["namespaces"]) types.push_back(entry["type"]);
  return types;
}

TEST(OciConfigTest, MergesTheEnvironmentInOrder) {
  ContainerSpec spec = plan().spec;
  spec.image.config.environment = {"PATH=/opt/bin", "A=1", "=broken", "EMPTY="};
  spec.environment = {{"A", "2"}, {"B", "x=y"}};
  EXPECT_THAT(environment_of(spec),
              ElementsAre("PATH=/opt/bin", "HOSTNAME=job-1", "A=2", "EMPTY=", "B=x=y"));
}

TEST(OciConfigTest, GrantsTheNetworkOnlyOnRequest) {
  Plan with = plan();
  EXPECT_THAT(namespaces(oci_config(with, {})), testing::Contains("network"));
  with.spec.network = Network::kHost;
  EXPECT_THAT(namespaces(oci_config(with, {})), testing::Not(testing::Contains("network")));
}

TEST(OciConfigTest, SetsOnlyLimitsThatAreWantedAndPossible) {
  Plan limited = plan();
  limited.spec.limits = {1.5, 1 << 20, 100, 1};
  Json resources = oci_config(limited, {})["linux"]["resources"];
  EXPECT_EQ(resources["cpu"]["quota"], 150'000);
  EXPECT_EQ(resources["memory"]["limit"], 1 << 20);
  EXPECT_EQ(resources["pids"]["limit"], 100);
  limited.limits = {};
  limited.rootless = true;
  EXPECT_TRUE(oci_config(limited, {})["linux"]["resources"].empty());
  Plan free = plan();
  free.spec.limits.processes = 0;
  resources = oci_config(free, {})["linux"]["resources"];
  EXPECT_FALSE(resources.contains("cpu") || resources.contains("memory") ||
               resources.contains("pids"));
}

TEST(OciConfigTest, GivesCapabilitiesToRootAlone) {
  BundleFacts facts;
  Json process = oci_config(plan(), facts)["process"];
  EXPECT_EQ(process["capabilities"]["effective"].size(), 11u);
  EXPECT_EQ(process["noNewPrivileges"], true);
  facts.user.uid = 1000;
  process = oci_config(plan(), facts)["process"];
  EXPECT_TRUE(process["capabilities"]["effective"].empty());
  EXPECT_EQ(process["capabilities"]["bounding"].size(), 11u);
}

TEST(OciConfigTest, WorksInTheCallersDirectoryThenTheImages) {
  Plan where = plan();
  EXPECT_EQ(oci_config(where, {})["process"]["cwd"], "/");
  where.spec.image.config.working_directory = "/image";
  EXPECT_EQ(oci_config(where, {})["process"]["cwd"], "/image");
  where.spec.working_directory = "/own";
  EXPECT_EQ(oci_config(where, {})["process"]["cwd"], "/own");
}

TEST(OciConfigTest, PutsTheCallersMountsLast) {
  Plan mounted = plan();
  mounted.spec.mounts = {{"/data/in", "/opt/ml/input", Access::kReadOnly}};
  BundleFacts facts;
  facts.mounts = {{"/usr", "/usr", Access::kReadOnly}};
  const Json mounts = oci_config(mounted, facts)["mounts"];
  EXPECT_EQ(mounts[mounts.size() - 2]["destination"], "/usr");
  EXPECT_EQ(mounts.back()["destination"], "/opt/ml/input");
  EXPECT_THAT(mounts.back()["options"].get<std::vector<std::string>>(), testing::Contains("ro"));
}

TEST(OciConfigTest, DoesNotInsistOnControlGroupsThatAreNotThere) {
  Plan without = plan();
  without.runtime = "/usr/bin/runc";
  EXPECT_THAT(runtime_command(without, "/b"), testing::Not(testing::Contains("--rootless=true")));
  without.cgroup_path.clear();
  EXPECT_THAT(runtime_command(without, "/b"), testing::Contains("--rootless=true"));
  without.runtime = "/usr/bin/crun";
  EXPECT_THAT(runtime_command(without, "/b"), testing::Contains("--cgroup-manager=disabled"));
}

TEST(OciConfigTest, PlansSurviveTheirFile) {
  Plan full = plan();
  full.spec.image.layers = {"/images/a", "/images/b"};
  full.spec.image.config.user = "model";
  full.spec.mounts = {{"/data", "/opt", Access::kReadWrite}};
  full.spec.network = Network::kHost;
  full.spec.limits = {2, 3, 4, 5};
  full.cgroup_directories = {{"memory", "/m"}};
  full.spec.environment = {{"A", "b"}};
  const Json once = to_json(full);
  EXPECT_EQ(to_json(plan_from_json(once)), once);
  EXPECT_EQ(plan_from_json(once).spec.mounts.at(0).access, Access::kReadWrite);
}

TEST(HostBaseTest, FindsMountsBelow) {
  const char* mountinfo =
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "2 1 8:2 / /usr rw - ext4 /dev/sda2 rw\n"
      "3 2 0:5 / /usr/local rw - nfs server:/local rw\n"
      "4 1 0:6 / /usrother rw - tmpfs tmpfs rw\n";
  EXPECT_THAT(mounts_below(mountinfo, "/usr"), ElementsAre("/usr/local"));
}

TEST(HostBaseTest, LetsNoSecretIn) {
  for (const HostPath& path : host_paths()) {
    for (const char* secret : {"shadow", "ssh", "private", "sudoers", "/root", "/home"}) {
      EXPECT_EQ(path.path.find(secret), std::string::npos) << path.path;
    }
  }
}

}  // namespace
}  // namespace slipway::containers
