#include "ci_config/variables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::ci_config {
namespace {

using testing::ElementsAre;

const Variables kSome = {{.key = "A", .value = "1"},
                         {.key = "A", .value = "one"},
                         {.key = "_b2", .value = "two"},
                         {.key = "FILE", .value = "secret", .file = true},
                         {.key = "RAW", .value = "$A", .raw = true}};

TEST(Variables, TheLastOfAKeyCounts) {
  EXPECT_EQ(value_of(kSome, "A"), "one");
  EXPECT_EQ(value_of(kSome, "Z", "none"), "none");
  EXPECT_EQ(find(kSome, "Z"), nullptr);
}

struct Case {
  std::string text;
  std::string kept;     // unknown ones stay
  std::string emptied;  // unknown ones go
};

class Expand : public testing::TestWithParam<Case> {};

TEST_P(Expand, PutsValuesIn) {
  EXPECT_EQ(expand(GetParam().text, kSome), GetParam().kept);
  EXPECT_EQ(expand(GetParam().text, kSome, false), GetParam().emptied);
}

INSTANTIATE_TEST_SUITE_P(
    Variables, Expand,
    testing::Values(Case{"plain", "plain", "plain"}, Case{"$A", "one", "one"},
                    Case{"${A}b", "oneb", "oneb"}, Case{"%A%", "one", "one"},
                    Case{"$Ab", "$Ab", ""}, Case{"$A-$_b2", "one-two", "one-two"},
                    Case{"$UNKNOWN/x", "$UNKNOWN/x", "/x"},
                    Case{"${UNKNOWN}/x", "${UNKNOWN}/x", "/x"}, Case{"$$A", "$$A", "$$A"},
                    Case{"%%A%%", "%%A%%", "%%A%%"}, Case{"100%", "100%", "100%"},
                    Case{"$1", "$1", "$1"}, Case{"${A", "${A", "${A"}, Case{"$", "$", "$"},
                    Case{"$FILE", "$FILE", "$FILE"}, Case{"$RAW", "$A", "$A"}));

std::string all_of(const Variables& variables) {
  std::string text;
  for (const Variable& one : variables) text += one.key + "=" + one.value + " ";
  return text;
}

TEST(ExpandAll, FollowsReferencesInAnyOrder) {
  EXPECT_EQ(all_of(expand_all({{.key = "C", .value = "$B!"},
                               {.key = "B", .value = "b$A"},
                               {.key = "A", .value = "a"}})),
            "C=ba! B=ba A=a ");
}

TEST(ExpandAll, LeavesACycleAsItIs) {
  EXPECT_EQ(all_of(expand_all({{.key = "A", .value = "a$B"},
                               {.key = "B", .value = "b$C"},
                               {.key = "C", .value = "c$A"},
                               {.key = "D", .value = "d$D"},
                               {.key = "E", .value = "e$A"}})),
            "A=a$B B=b$C C=c$A D=d$D E=ea$B ");
}

TEST(ExpandAll, LeavesRawAndFileVariablesToTheRunner) {
  EXPECT_EQ(all_of(expand_all({{.key = "A", .value = "a"},
                               {.key = "RAW", .value = "$A", .raw = true},
                               {.key = "FILE", .value = "f$A", .file = true},
                               {.key = "B", .value = "$RAW $FILE $UNKNOWN $$A"}})),
            "A=a RAW=$A FILE=fa B=$RAW $FILE $UNKNOWN $$A ");
}

TEST(ExpandAll, KeepsOfDuplicatesTheLast) {
  EXPECT_EQ(
      all_of(expand_all(
          {{.key = "A", .value = "1"}, {.key = "B", .value = "$A"}, {.key = "A", .value = "2"}})),
      "B=2 A=2 ");
}

TEST(ExpandAll, TakesLongChains) {
  Variables chain;
  for (int i = 0; i < 20'000; ++i) {
    chain.push_back({.key = "V" + std::to_string(i), .value = "$V" + std::to_string(i + 1)});
  }
  chain.push_back({.key = "V20000", .value = "end"});

  EXPECT_EQ(expand_all(chain).front().value, "end");
}

TEST(ExpandAll, BoundsWhatReferencesGrowTo) {
  Variables laughs{{.key = "V0", .value = "ha"}};
  for (int i = 1; i < 40; ++i) {
    const std::string before = "$V" + std::to_string(i - 1);
    laughs.push_back({.key = "V" + std::to_string(i), .value = before + before + before + before});
  }

  EXPECT_LE(expand_all(laughs).back().value.size(), 1024u * 1024u);
}

TEST(NamesReferredTo, AreInOrder) {
  EXPECT_THAT(names_referred_to("$A ${B} %C% $$D $A"), ElementsAre("A", "B", "C", "A"));
}

TEST(Slug, IsAHostName) {
  EXPECT_EQ(slug("Feature/Some_Thing"), "feature-some-thing");
  EXPECT_EQ(slug("--v1.0--"), "v1-0");
  EXPECT_EQ(slug("\xC3\xA4"), "");
  EXPECT_EQ(slug(std::string(70, 'x')).size(), 63u);
  EXPECT_EQ(slug(std::string(62, 'x') + "/y"), std::string(62, 'x'));
}

}  // namespace
}  // namespace slipway::ci_config
