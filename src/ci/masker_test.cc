#include "ci/masker.h"

#include <gtest/gtest.h>

namespace slipway::ci {
namespace {

std::string through(Masker& masker, const std::vector<std::string>& pieces) {
  std::string shown;
  for (const std::string& piece : pieces) shown += masker.feed(piece);
  return shown + masker.flush();
}

TEST(Masker, HidesASecretWhereverItIsCut) {
  const std::string secret = "s3cr3t-value";
  const std::string text = "a " + secret + " b " + secret;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    for (std::size_t second = cut; second <= text.size(); ++second) {
      Masker masker({secret});
      EXPECT_EQ(through(masker,
                        {text.substr(0, cut), text.substr(cut, second - cut), text.substr(second)}),
                "a [MASKED]xxxx b [MASKED]xxxx")
          << cut << " " << second;
    }
  }
}

TEST(Masker, KeepsTheLength) {
  Masker masker({"password1234", "short"});
  const std::string text = "x password1234 short glpat-abcdefghijklmnop \n";
  EXPECT_EQ(through(masker, {text}).size(), text.size());
}

TEST(Masker, HoldsBackOnlyWhatMayBeASecret) {
  Masker masker({"secret"});
  EXPECT_EQ(masker.feed("line\n"), "line\n");
  EXPECT_EQ(masker.feed("sec"), "");
  EXPECT_EQ(masker.held(), 3u);
  EXPECT_EQ(masker.feed("ond\n"), "second\n");
}

TEST(Masker, HidesTokensByTheirPrefix) {
  Masker masker({});
  EXPECT_EQ(through(masker, {"token glcbt-64_ab", "cdefgh and more"}),
            "token glcbt-[MASKED]xxx and more");
  EXPECT_EQ(through(masker, {"glp", "at-12345678"}), "glpat-[MASKED]");
  EXPECT_EQ(through(masker, {"glass"}), "glass");
}

TEST(Masker, PrefersTheLongerOfTwoSecrets) {
  Masker masker({"abcdefgh", "abcdefghijkl"});
  EXPECT_EQ(through(masker, {"abcdefgh", "ijkl abcdefgh!"}), "[MASKED]xxxx [MASKED]!");
}

TEST(Masker, HidesSecretsThatOverlap) {
  for (std::size_t cut = 0; cut <= 16; ++cut) {
    Masker masker({"abcdefgh", "efghijkl"});
    const std::string text = "- abcdefghijkl -";
    EXPECT_EQ(through(masker, {text.substr(0, cut), text.substr(cut)}), "- [MASKED]xxxx -") << cut;
  }
  Masker twice({"abcdefgh"});
  EXPECT_EQ(through(twice, {"abcdefghabcdefgh"}), "[MASKED][MASKED]");
}

TEST(Masker, HidesASecretThatTheEndCutsOff) {
  Masker masker({"s3cr3t-value"});
  EXPECT_EQ(through(masker, {"it is s3cr3t-va"}), "it is [MASKED]x");
  EXPECT_EQ(through(masker, {"the end of us"}), "the end of us");
}

TEST(Masker, HidesALongToken) {
  Masker masker({});
  const std::string token = "glcbt-" + std::string(900, 'e');
  EXPECT_EQ(through(masker, {token.substr(0, 300), token.substr(300)}).find("ee"),
            std::string::npos);
}

TEST(Masker, HoldsLittleBackOfWhatGoesOnForEver) {
  Masker masker({std::string(8, 'a')});
  std::string shown;
  for (int i = 0; i < 100; ++i) shown += masker.feed(std::string(4096, 'a'));
  EXPECT_LT(masker.held(), 100'000u);
  shown += masker.flush();
  EXPECT_EQ(shown.size(), 409'600u);
  EXPECT_EQ(shown.find('a'), std::string::npos);
}

TEST(Masker, LearnsMore) {
  Masker masker({"first-secret"});
  EXPECT_EQ(masker.feed("second-secret "), "second-secret ");
  masker.add({"second-secret"});
  EXPECT_EQ(masker.feed("second-secret "), "[MASKED]xxxxx ");
}

TEST(Masker, KnowsATextThatShowsASecret) {
  EXPECT_TRUE(shows_secret("user:pass-word@host", {"x", "", "pass-word"}));
  EXPECT_FALSE(shows_secret("user", {"", "pass-word"}));
}

TEST(Masker, HidesWhatIsLeftAtTheEnd) {
  Masker masker({"abcdefgh", "abcdefghijkl"});
  EXPECT_EQ(masker.feed("abcdefgh"), "");
  EXPECT_EQ(masker.flush(), "[MASKED]");
}

}  // namespace
}  // namespace slipway::ci
