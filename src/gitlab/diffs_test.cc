#include "gitlab/diffs.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

const std::string kZero(40, '0');
const std::string kOne(40, '1');

std::string raw_of(const std::vector<std::string>& parts) {
  std::string raw;
  for (const std::string& part : parts) raw += part + '\0';
  return raw;
}

TEST(Diffs, PutsFilesAndPatchesTogether) {
  const std::string raw = raw_of({":000000 100644 " + kZero + " " + kOne + " A", "new.txt",
                                  ":100644 100644 " + kOne + " " + kOne + " R100", "old", "moved",
                                  ":100644 000000 " + kOne + " " + kZero + " D", "gone"});
  const std::string patch =
      "diff --git a/new.txt b/new.txt\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n"
      "@@ -0,0 +1 @@\n+one\n"
      "diff --git a/old b/moved\nsimilarity index 100%\nrename from old\nrename to moved\n"
      "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n"
      "@@ -1 +0,0 @@\n-diff --git x\n";
  const Json all = parse_diffs(raw, patch);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["new_path"], "new.txt");
  EXPECT_EQ(all[0]["new_file"], true);
  EXPECT_EQ(all[0]["diff"], "@@ -0,0 +1 @@\n+one\n");
  EXPECT_EQ(all[1]["old_path"], "old");
  EXPECT_EQ(all[1]["new_path"], "moved");
  EXPECT_EQ(all[1]["renamed_file"], true);
  EXPECT_EQ(all[1]["diff"], "");
  EXPECT_EQ(all[2]["deleted_file"], true);
  EXPECT_EQ(all[2]["diff"], "@@ -1 +0,0 @@\n-diff --git x\n");
}

TEST(Diffs, SaysWhereThePatchIsTooLarge) {
  const Json all = parse_diffs(raw_of({":100644 100644 " + kOne + " " + kOne + " M", "a"}), "");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["too_large"], true);
  EXPECT_TRUE(parse_diffs("", "").empty());
  EXPECT_TRUE(parse_diffs(raw_of({":100644 100644 x"}), "").empty());
}

}  // namespace
}  // namespace slipway::gitlab
