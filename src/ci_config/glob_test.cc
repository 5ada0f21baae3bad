#include "ci_config/glob.h"

#include <gtest/gtest.h>

namespace slipway::ci_config {
namespace {

struct Case {
  std::string pattern;
  std::string path;
  bool matches;
};

class GlobCase : public testing::TestWithParam<Case> {};

TEST_P(GlobCase, MatchesAsRubysFnmatch) {
  EXPECT_EQ(Glob(GetParam().pattern).matches(GetParam().path), GetParam().matches)
      << GetParam().pattern << " on " << GetParam().path;
}

INSTANTIATE_TEST_SUITE_P(
    Glob, GlobCase,
    testing::Values(Case{"Dockerfile", "Dockerfile", true},
                    Case{"Dockerfile", "docker/Dockerfile", false}, Case{"*.md", "README.md", true},
                    Case{"*.md", "docs/README.md", false}, Case{"*", ".hidden", true},
                    Case{"docs/*", "docs/a", true}, Case{"docs/*", "docs/a/b", false},
                    Case{"docs/**", "docs/a", true}, Case{"docs/**", "docs/a/b", false},
                    Case{"docs/**/*", "docs/a", true}, Case{"docs/**/*", "docs/a/b/c", true},
                    Case{"docs/**/*", "other/a", false}, Case{"**/*.py", "a.py", true},
                    Case{"**/*.py", "a/b/c.py", true}, Case{"**/*.py", ".venv/c.py", true},
                    Case{"**/*.py", "a.pyc", false}, Case{"a/**/z", "a/z", true},
                    Case{"a/**/z", "a/b/c/z", true}, Case{"a/**/b/**/c", "a/x/b/y/z/c", true},
                    Case{"a/**/b/**/c", "a/x/y/c", false}, Case{"a**b", "axxb", true},
                    Case{"a**b", "ax/xb", false}, Case{"*.{py,sh}", "a.py", true},
                    Case{"*.{py,sh}", "a.sh", true}, Case{"*.{py,sh}", "a.rb", false},
                    Case{"{a,b/{c,d}}/x", "b/d/x", true}, Case{"{a,b/{c,d}}/x", "b/x", false},
                    Case{"a{,b}c", "ac", true}, Case{"{open", "{open", true},
                    Case{"file?.txt", "file1.txt", true}, Case{"file?.txt", "file12.txt", false},
                    Case{"?.txt", "\xC3\xA4.txt", true}, Case{"file?.txt", "file/.txt", false},
                    Case{"[a-c]x", "bx", true}, Case{"[a-c]x", "dx", false},
                    Case{"[!a-c]x", "dx", true}, Case{"[^a-c]x", "ax", false},
                    Case{"[]x]", "]", true}, Case{"[open", "[open", false},
                    Case{"a\\*b", "a*b", true}, Case{"a\\*b", "axb", false},
                    Case{"\\{a,b\\}", "{a,b}", true}, Case{"", "", true}, Case{"", "a", false}));

TEST(Glob, TakesNoLongerForManyStars) {
  const std::string text(2000, 'a');
  EXPECT_FALSE(Glob("*a*a*a*a*a*a*a*a*a*a*a*a*b").matches(text));

  std::string path, pattern;
  for (int i = 0; i < 200; ++i) {
    path += "a/";
    pattern += "**/";
  }
  EXPECT_FALSE(Glob(pattern + "b").matches(path + "c"));
}

TEST(Glob, BoundsWhatBracesMakeOfAPattern) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "{a,b}";
  EXPECT_FALSE(Glob(pattern).matches("x"));
}

TEST(IncludePattern, LetsTwoStarsCrossDirectories) {
  EXPECT_TRUE(matches_include_pattern("configs/*.yml", "configs/a.yml"));
  EXPECT_FALSE(matches_include_pattern("configs/*.yml", "configs/a/b.yml"));
  EXPECT_TRUE(matches_include_pattern("configs/**.yml", "configs/a.yml"));
  EXPECT_TRUE(matches_include_pattern("configs/**.yml", "configs/a/b.yml"));
  EXPECT_FALSE(matches_include_pattern("configs/**/*.yml", "configs/a.yml"));
  EXPECT_TRUE(matches_include_pattern("configs/**/*.yml", "configs/a/b/c.yml"));
  EXPECT_FALSE(matches_include_pattern("configs/*.yml", "xconfigs/a.yml"));
}

}  // namespace
}  // namespace slipway::ci_config
