#include "containers/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::containers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(DecideTest, CommandLineFollowsDocker) {
  struct Case {
    const char* what;
    Words image_entrypoint, image_command;
    std::optional<Words> entrypoint, arguments;
    Words line;
  };
  const Case cases[] = {
      {"the image's own", {"python"}, {"app.py"}, {}, {}, {"python", "app.py"}},
      {"only a command", {}, {"app"}, {}, {}, {"app"}},
      {"train", {"python", "x"}, {"app.py"}, {}, Words{"train"}, {"python", "x", "train"}},
      {"arguments without entrypoint", {}, {"app"}, {}, Words{"serve"}, {"serve"}},
      {"an entrypoint drops the command", {"a"}, {"b"}, Words{"c"}, {}, {"c"}},
      {"both given", {"a"}, {"b"}, Words{"c"}, Words{"d", "e"}, {"c", "d", "e"}},
      {"an empty entrypoint", {"a"}, {"b"}, Words{}, Words{"d"}, {"d"}},
      {"empty arguments", {"a"}, {"b"}, {}, Words{}, {"a"}},
      {"nothing at all", {}, {}, {}, {}, {}},
  };
  for (const Case& one : cases) {
    images::RunConfig image;
    image.entrypoint = one.image_entrypoint;
    image.command = one.image_command;
    EXPECT_EQ(command_line(image, one.entrypoint, one.arguments), one.line) << one.what;
  }
}

TEST(DecideTest, Ids) {
  for (const char* good : {"a", "0", "job-1.algo-1", "a--b"}) EXPECT_TRUE(is_container_id(good));
  for (const char* bad : {"", ".a", "-a", "A", "a/b", "a_b", "a b", ".."}) {
    EXPECT_FALSE(is_container_id(bad)) << bad;
  }
  EXPECT_TRUE(is_container_id(std::string(128, 'a')));
  EXPECT_FALSE(is_container_id(std::string(129, 'a')));
}

TEST(DecideTest, RuntimesByTheLayoutOfControlGroups) {
  EXPECT_THAT(runtimes_to_try("", CgroupLayout::kVersion2), ElementsAre("crun", "runc"));
  EXPECT_THAT(runtimes_to_try("", CgroupLayout::kHybrid), ElementsAre("runc"));
  EXPECT_THAT(runtimes_to_try("", CgroupLayout::kVersion1), ElementsAre("runc", "crun"));
  EXPECT_THAT(runtimes_to_try("crun", CgroupLayout::kHybrid), ElementsAre("crun"));
}

TEST(DecideTest, Users) {
  const char* passwd = "root:x:0:0::/root:/bin/sh\nmodel:x:1000:100::/:/bin/sh\nbroken\n";
  const char* group = "root:x:0:\nusers:x:100:\ngpu:x:44:model,other\n";
  struct Case {
    const char* user;
    std::uint32_t uid, gid;
    std::vector<std::uint32_t> groups;
  };
  const Case cases[] = {{"", 0, 0, {}},
                        {"root", 0, 0, {}},
                        {"model", 1000, 100, {44}},
                        {"1000", 1000, 100, {44}},
                        {"77", 77, 0, {}},
                        {"model:gpu", 1000, 44, {}},
                        {"77:88", 77, 88, {}}};
  for (const Case& one : cases) {
    const User user = resolve_user(one.user, passwd, group);
    EXPECT_EQ(user.uid, one.uid) << one.user;
    EXPECT_EQ(user.gid, one.gid) << one.user;
    EXPECT_EQ(user.groups, one.groups) << one.user;
  }
  EXPECT_THROW(resolve_user("nobody", passwd, group), Error);
  EXPECT_THROW(resolve_user("model:nogroup", passwd, group), Error);
}

TEST(DecideTest, StartFailures) {
  struct Case {
    const char* message;
    int code;
  };
  const Case cases[] = {
      {"runc run failed: unable to start container process: exec: \\\"x\\\": executable file not "
       "found in $PATH",
       127},
      {"unable to start container process: exec: \\\"/x\\\": stat /x: no such file or directory",
       127},
      {"executable file `x` not found in $PATH: No such file or directory", 127},
      {"unable to start container process: exec: \\\"/etc/passwd\\\": permission denied", 126},
      {"error mounting \\\"/no\\\": no such file or directory", 125},
  };
  for (const Case& one : cases) {
    const std::string log = std::string("{\"level\":\"warning\",\"msg\":\"w\"}\nnoise\n") +
                            "{\"level\":\"error\",\"msg\":\"" + one.message + "\"}\n";
    const Exit exit = start_failure(log, 5);
    EXPECT_EQ(exit.code, one.code) << one.message;
    EXPECT_THAT(exit.reason, testing::StartsWith("cannot start: "));
    EXPECT_EQ(exit.at, 5);
  }
  EXPECT_EQ(start_failure("", 5).code, 125);
}

TEST(DecideTest, ExitStatuses) {
  EXPECT_EQ(exit_from_status(3 << 8, false, 1).code, 3);
  EXPECT_EQ(exit_from_status(9, false, 1).code, 137);
  EXPECT_EQ(exit_from_status(9, true, 1).reason, "out of memory");
  // A helper process may have been killed while the program ended well.
  EXPECT_EQ(exit_from_status(0, true, 1).reason, "");
}

TEST(DecideTest, Recovery) {
  EXPECT_EQ(recover({true, true, false}), Recovery::kRunning);
  EXPECT_EQ(recover({true, false, false}), Recovery::kRunning);
  EXPECT_EQ(recover({true, true, true}), Recovery::kExited);
  EXPECT_EQ(recover({false, true, true}), Recovery::kExited);
  EXPECT_EQ(recover({false, true, false}), Recovery::kLost);
  EXPECT_EQ(recover({false, false, false}), Recovery::kNeverStarted);
}

}  // namespace
}  // namespace slipway::containers
