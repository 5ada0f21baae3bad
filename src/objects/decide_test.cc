#include "objects/decide.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::objects {
namespace {

std::string code_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST(BucketName, FollowsTheNamingRules) {
  const std::pair<std::string, bool> table[] = {
      {"abc", true},          {"a.b-c.9", true}, {std::string(63, 'a'), true},
      {"ab", false},          {"Abc", false},    {"a_b", false},
      {"-abc", false},        {"abc-", false},   {"a..b", false},
      {"192.168.0.1", false}, {"1.2.3", true},   {"xn--abc", false},
      {"abc-s3alias", false}, {"", false},       {"a/b", false}};
  for (const auto& [text, good] : table) {
    EXPECT_EQ(code_of([&] { check_bucket_name(text); }), good ? "" : "InvalidBucketName") << text;
  }
  EXPECT_EQ(code_of([] { check_bucket_name(std::string(64, 'a')); }), "InvalidBucketName");
}

TEST(Key, IsAnyTextOfAtMostAThousandBytes) {
  for (const char* key : {"a", "../../etc/passwd", "//", "/lead", "a b", "ü", "\x01"}) {
    EXPECT_EQ(code_of([&] { check_key(key); }), "") << key;
  }
  EXPECT_EQ(code_of([] { check_key(std::string(1024, 'k')); }), "");
  EXPECT_EQ(code_of([] { check_key(std::string(1025, 'k')); }), "KeyTooLongError");
  EXPECT_EQ(code_of([] { check_key("\xff\xfe"); }), "InvalidURI");
  EXPECT_EQ(code_of([] { check_key(""); }), "InvalidURI");
}

struct RangeCase {
  const char* header;
  std::uint64_t size;
  const char* expected;  // "offset+length", "all" or "416"
};

std::string range_text(const RangeCase& c) {
  try {
    auto range = decide_range(c.header, c.size);
    if (!range) return "all";
    return std::to_string(range->offset) + "+" + std::to_string(range->length);
  } catch (const Error& error) {
    return std::to_string(error.status());
  }
}

TEST(Range, IsReadAsRfc9110Says) {
  const RangeCase table[] = {{"bytes=0-3", 10, "0+4"},
                             {"bytes=2-", 10, "2+8"},
                             {"bytes=-3", 10, "7+3"},
                             {"bytes=-30", 10, "0+10"},
                             {"bytes=9-100", 10, "9+1"},
                             {"bytes=10-", 10, "416"},
                             {"bytes=-0", 10, "416"},
                             {"bytes=0-", 0, "416"},
                             {"bytes=-1", 0, "416"},
                             {"bytes=5-2", 10, "all"},
                             {"bytes=a-b", 10, "all"},
                             {"bytes=0-1,4-5", 10, "all"},
                             {"items=0-1", 10, "all"},
                             {"", 10, "all"},
                             {"bytes=-", 10, "all"},
                             {"bytes=0", 10, "all"},
                             {"bytes=99999999999999999999-", 10, "all"}};
  for (const RangeCase& c : table) EXPECT_EQ(range_text(c), c.expected) << c.header;
}

TEST(CopyRange, MustLieWithinTheSource) {
  EXPECT_EQ(decide_copy_range("bytes=2-5", 6).offset, 2u);
  EXPECT_EQ(decide_copy_range("bytes=2-5", 6).length, 4u);
  for (const char* header : {"bytes=2-6", "bytes=2-", "bytes=-2", "2-5", "bytes=5-2"}) {
    EXPECT_EQ(code_of([&] { decide_copy_range(header, 6); }), "InvalidArgument") << header;
  }
}

TEST(Etag, MatchesQuotedBareAndListed) {
  EXPECT_TRUE(etag_matches("\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("a", "\"a\""));
  EXPECT_TRUE(etag_matches("\"b\", \"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("*", "\"a\""));
  EXPECT_FALSE(etag_matches("\"b\"", "\"a\""));
}

TEST(ReadConditions, FollowTheOrderOfRfc9110) {
  Version version;
  version.etag = "\"a\"";
  version.modified = 10'500;
  auto decide = [&](ReadConditions conditions) { return decide_read(conditions, version); };

  EXPECT_EQ(decide({}), ReadOutcome::kProceed);
  EXPECT_EQ(decide({"\"b\"", "", {}, {}}), ReadOutcome::kPreconditionFailed);
  EXPECT_EQ(decide({"\"a\"", "", {}, 1'000}), ReadOutcome::kProceed) << "If-Match wins";
  EXPECT_EQ(decide({"", "", {}, 9'000}), ReadOutcome::kPreconditionFailed);
  EXPECT_EQ(decide({"", "", {}, 10'000}), ReadOutcome::kProceed) << "whole seconds";
  EXPECT_EQ(decide({"", "\"a\"", {}, {}}), ReadOutcome::kNotModified);
  EXPECT_EQ(decide({"", "\"b\"", 10'000, {}}), ReadOutcome::kProceed) << "If-None-Match wins";
  EXPECT_EQ(decide({"", "", 10'000, {}}), ReadOutcome::kNotModified);
  EXPECT_EQ(decide({"", "", 9'000, {}}), ReadOutcome::kProceed);
}

TEST(WriteConditions, AreCheckedAgainstTheCurrentVersion) {
  Version version;
  version.etag = "\"a\"";
  auto code = [&](WriteConditions conditions, std::optional<Version> current) {
    return code_of([&] { check_write(conditions, "k", current); });
  };

  EXPECT_EQ(code({"", "*"}, std::nullopt), "");
  EXPECT_EQ(code({"", "*"}, version), "PreconditionFailed");
  EXPECT_EQ(code({"", "\"a\""}, version), "NotImplemented");
  EXPECT_EQ(code({"\"a\"", ""}, version), "");
  EXPECT_EQ(code({"\"b\"", ""}, version), "PreconditionFailed");
  EXPECT_EQ(code({"\"a\"", ""}, std::nullopt), "NoSuchKey");
}

TEST(CopySource, IsDecoded) {
  CopySource source = parse_copy_source("/b/dir/a%20b%3Fversion%2Bc?versionId=v%31");
  EXPECT_EQ(source.bucket, "b");
  EXPECT_EQ(source.key, "dir/a b?version+c");
  EXPECT_EQ(source.version, "v1");
  EXPECT_EQ(parse_copy_source("b/k+1").key, "k+1");
  EXPECT_EQ(parse_copy_source("b//k").key, "/k");
  for (const char* bad : {"", "/", "b", "b/", "/b/"}) {
    EXPECT_EQ(code_of([&] { parse_copy_source(bad); }), "InvalidArgument") << bad;
  }
}

TEST(Tagging, IsReadFromItsHeader) {
  auto tags = parse_tagging("a=1&b%20c=d%26e&f=");
  EXPECT_EQ(tags.size(), 3u);
  EXPECT_EQ(tags["b c"], "d&e");
  EXPECT_EQ(code_of([] { parse_tagging("a=1&a=2"); }), "InvalidArgument");
  EXPECT_EQ(code_of([] { parse_tagging("aws:x=1"); }), "InvalidTag");
}

Part part(int number, std::uint64_t size, const std::string& bytes) {
  Part part;
  part.number = number;
  part.content.size = size;
  part.etag = "\"" + base::md5_hex(bytes) + "\"";
  return part;
}

TEST(Parts, MustBeOrderedKnownAndLarge) {
  const std::map<int, Part> stored = {
      {1, part(1, kSmallestPart, "a")}, {2, part(2, 100, "b")}, {7, part(7, 1, "c")}};
  const std::string a = base::md5_hex("a"), b = base::md5_hex("b"), c = base::md5_hex("c");
  auto code = [&](std::vector<ClaimedPart> claimed) {
    return code_of([&] { decide_parts(claimed, stored); });
  };

  EXPECT_EQ(code({{1, a, {}}, {2, "\"" + b + "\"", {}}}), "");
  EXPECT_EQ(code({{1, a, {}}, {7, c, {}}}), "") << "numbers may have gaps";
  EXPECT_EQ(code({}), "MalformedXML");
  EXPECT_EQ(code({{2, b, {}}, {1, a, {}}}), "InvalidPartOrder");
  EXPECT_EQ(code({{1, a, {}}, {1, a, {}}}), "InvalidPartOrder");
  EXPECT_EQ(code({{1, b, {}}}), "InvalidPart");
  EXPECT_EQ(code({{3, a, {}}}), "InvalidPart");
  EXPECT_EQ(code({{1, a, {}}, {2, b, {}}, {7, c, {}}}), "EntityTooSmall");
}

TEST(Parts, AChecksumThatTheClientClaimsMustBeTheStoredOne) {
  std::map<int, Part> stored = {{1, part(1, 10, "a")}};
  stored[1].checksums["CRC32"] = "AAAAAA==";

  EXPECT_EQ(code_of([&] {
              decide_parts({{1, base::md5_hex("a"), {{"CRC32", "AAAAAA=="}}}}, stored);
            }),
            "");
  EXPECT_EQ(code_of([&] {
              decide_parts({{1, base::md5_hex("a"), {{"CRC32", "BBBBBB=="}}}}, stored);
            }),
            "InvalidPart");
}

TEST(Parts, TheEtagIsTheDigestOfTheirDigests) {
  // md5(md5("a") || md5("b")), as any S3 gives it.
  const std::string digests =
      base::digest(base::Algorithm::kMd5, "a") + base::digest(base::Algorithm::kMd5, "b");
  EXPECT_EQ(composite_etag({part(1, 1, "a"), part(2, 1, "b")}),
            "\"" + base::md5_hex(digests) + "-2\"");
}

}  // namespace
}  // namespace slipway::objects
