#include "images/decide.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::images {
namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

struct ReferenceCase {
  const char* text;
  const char* host;
  const char* repository;
  const char* tag;
};

class ReferenceForms : public testing::TestWithParam<ReferenceCase> {};

TEST_P(ReferenceForms, AreTakenApart) {
  const auto parsed = parse_reference(GetParam().text);

  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host, GetParam().host);
  EXPECT_EQ(parsed->repository, GetParam().repository);
  EXPECT_EQ(parsed->tag, GetParam().tag);
  EXPECT_EQ(parsed->digest, "");
}

INSTANTIATE_TEST_SUITE_P(
    Reference, ReferenceForms,
    testing::Values(
        ReferenceCase{"health/tumour:1.0.0", "", "health/tumour", "1.0.0"},
        ReferenceCase{"tumour", "", "tumour", "latest"},
        ReferenceCase{"127.0.0.1:4700/health/tumour:1", "127.0.0.1:4700", "health/tumour", "1"},
        ReferenceCase{"localhost/tumour:1", "localhost", "tumour", "1"},
        ReferenceCase{"123456789012.dkr.ecr.us-east-1.amazonaws.com/health/tumour:2",
                      "123456789012.dkr.ecr.us-east-1.amazonaws.com", "health/tumour", "2"}));

TEST(Reference, PrefersTheDigestToTheTag) {
  const auto parsed = parse_reference("example.org/health/tumour:1.0@" + kDigest);

  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->repository, "health/tumour");
  EXPECT_EQ(parsed->tag, "");
  EXPECT_EQ(parsed->digest, kDigest);
}

class BrokenReference : public testing::TestWithParam<const char*> {};

TEST_P(BrokenReference, IsNone) { EXPECT_FALSE(parse_reference(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Reference, BrokenReference,
                         testing::Values("", ":1", "Health/tumour", "a//b:1", "health/tumour:",
                                         "health/tumour@sha256:12", "../etc:1", "tumour:a b"));

TEST(RepositoryName, FollowsTheGrammar) {
  EXPECT_TRUE(is_repository_name("health/tumour/eu_west__1.a-b--c"));
  EXPECT_FALSE(is_repository_name("a"));
  EXPECT_FALSE(is_repository_name("health/"));
  EXPECT_FALSE(is_repository_name("health/___x"));
  EXPECT_FALSE(is_repository_name("a..b"));
  EXPECT_FALSE(is_repository_name(std::string(257, 'a')));
}

struct RouteCase {
  const char* path;
  RouteKind kind;
  const char* repository;
  const char* reference;
};

class RouteForms : public testing::TestWithParam<RouteCase> {};

TEST_P(RouteForms, AreRecognised) {
  const Route route = route_of(GetParam().path);

  EXPECT_EQ(route.kind, GetParam().kind);
  EXPECT_EQ(route.repository, GetParam().repository);
  EXPECT_EQ(route.reference, GetParam().reference);
}

INSTANTIATE_TEST_SUITE_P(
    Route, RouteForms,
    testing::Values(RouteCase{"/v2/", RouteKind::kBase, "", ""},
                    RouteCase{"/v2/_catalog", RouteKind::kCatalog, "", ""},
                    RouteCase{"/v2/a/b/c/tags/list", RouteKind::kTags, "a/b/c", ""},
                    RouteCase{"/v2/a/b/manifests/1.0", RouteKind::kManifest, "a/b", "1.0"},
                    RouteCase{"/v2/a/b/blobs/x", RouteKind::kBlob, "a/b", "x"},
                    RouteCase{"/v2/a/b/blobs/uploads/", RouteKind::kUploads, "a/b", ""},
                    RouteCase{"/v2/a/b/blobs/uploads/id", RouteKind::kUpload, "a/b", "id"},
                    RouteCase{"/v2/a/b/referrers/x", RouteKind::kReferrers, "a/b", "x"},
                    RouteCase{"/v2/manifests/manifests/manifests", RouteKind::kManifest,
                              "manifests", "manifests"},
                    RouteCase{"/v2/a", RouteKind::kNone, "", ""},
                    RouteCase{"/v3/a/blobs/x", RouteKind::kNone, "", ""}));

TEST(Manifest, GivesConfigurationAndLayersButNoForeignOnes) {
  const std::string text = R"({"schemaVersion":2,"mediaType":")" + std::string(kOciManifest) +
                           R"(","config":{"mediaType":"c","digest":")" + kDigest +
                           R"(","size":3},"layers":[{"mediaType":"l","digest":")" + kDigest +
                           R"(","size":4},{"mediaType":"f","digest":")" + kDigest +
                           R"(","size":100,"urls":["https://example.org/x"]}]})";

  const ParsedManifest parsed = parse_manifest(text, "");

  EXPECT_FALSE(parsed.is_index);
  EXPECT_EQ(parsed.blobs.size(), 2u);
  EXPECT_EQ(parsed.image_size, 7u);
  EXPECT_EQ(parsed.artifact_type, "c");
}

class BrokenManifest : public testing::TestWithParam<const char*> {};

TEST_P(BrokenManifest, IsRefused) { EXPECT_THROW(parse_manifest(GetParam(), kOciManifest), Error); }

INSTANTIATE_TEST_SUITE_P(
    Manifest, BrokenManifest,
    testing::Values("", "[]", "{}", R"({"schemaVersion":1})", R"({"schemaVersion":2,"layers":[]})",
                    R"({"schemaVersion":2,"config":{"digest":"sha256:0","size":1},"layers":[]})",
                    R"({"schemaVersion":2,"mediaType":"text/plain","config":{},"layers":[]})",
                    R"({"schemaVersion":2,"config":7,"layers":[]})"));

TEST(TagMutability, HasExceptions) {
  Repository repository;
  EXPECT_TRUE(may_move_tag(repository, "1.0"));

  repository.tag_mutability = "IMMUTABLE";
  EXPECT_FALSE(may_move_tag(repository, "1.0"));

  repository.tag_mutability = "IMMUTABLE_WITH_EXCLUSION";
  repository.exclusion_filters = Json::array({{{"filterType", "WILDCARD"}, {"filter", "dev-*"}}});
  EXPECT_FALSE(may_move_tag(repository, "1.0"));
  EXPECT_TRUE(may_move_tag(repository, "dev-7"));

  repository.tag_mutability = "MUTABLE_WITH_EXCLUSION";
  EXPECT_TRUE(may_move_tag(repository, "1.0"));
  EXPECT_FALSE(may_move_tag(repository, "dev-7"));
}

struct RangeCase {
  const char* header;
  RangeKind kind;
  std::uint64_t first;
  std::uint64_t last;
};

class RangeForms : public testing::TestWithParam<RangeCase> {};

TEST_P(RangeForms, AreDecidedForTenBytes) {
  const RangeDecision decision = decide_range(GetParam().header, 10);

  EXPECT_EQ(decision.kind, GetParam().kind);
  EXPECT_EQ(decision.range.first, GetParam().first);
  EXPECT_EQ(decision.range.last, GetParam().last);
}

INSTANTIATE_TEST_SUITE_P(Range, RangeForms,
                         testing::Values(RangeCase{"", RangeKind::kWhole, 0, 0},
                                         RangeCase{"bytes=0-0", RangeKind::kPart, 0, 0},
                                         RangeCase{"bytes=2-", RangeKind::kPart, 2, 9},
                                         RangeCase{"bytes=-3", RangeKind::kPart, 7, 9},
                                         RangeCase{"bytes=-30", RangeKind::kPart, 0, 9},
                                         RangeCase{"bytes=5-100", RangeKind::kPart, 5, 9},
                                         RangeCase{"bytes=10-", RangeKind::kUnsatisfiable, 0, 0},
                                         RangeCase{"bytes=-0", RangeKind::kUnsatisfiable, 0, 0},
                                         RangeCase{"bytes=0-1,3-4", RangeKind::kWhole, 0, 0},
                                         RangeCase{"bytes=4-2", RangeKind::kWhole, 0, 0},
                                         RangeCase{"lines=1-2", RangeKind::kWhole, 0, 0}));

TEST(ContentRange, IsReadInBothForms) {
  EXPECT_EQ(parse_content_range("0-9")->last, 9u);
  EXPECT_EQ(parse_content_range("bytes 5-9/10")->first, 5u);
  EXPECT_FALSE(parse_content_range("9-5"));
  EXPECT_FALSE(parse_content_range("-5"));
  EXPECT_FALSE(parse_content_range("x"));
}

TEST(Platform, IsChosenByArchitecture) {
  const Json index{
      {"manifests", Json::array({{{"digest", "sha256:" + std::string(64, 'b')},
                                  {"platform", {{"os", "windows"}, {"architecture", "amd64"}}}},
                                 {{"digest", kDigest},
                                  {"platform", {{"os", "linux"}, {"architecture", "amd64"}}}}})}};

  EXPECT_EQ(choose_platform(index, "amd64"), kDigest);
  EXPECT_FALSE(choose_platform(index, "arm64"));
}

TEST(Accept, NamesTheMediaTypeOrAnything) {
  EXPECT_TRUE(accepts("", kOciIndex));
  EXPECT_TRUE(accepts("text/plain, */*;q=0.1", kOciIndex));
  EXPECT_TRUE(accepts(std::string(kOciManifest) + ";q=1, " + kOciIndex, kOciIndex));
  EXPECT_FALSE(accepts(kOciManifest, kOciIndex));
}

}  // namespace
}  // namespace slipway::images
