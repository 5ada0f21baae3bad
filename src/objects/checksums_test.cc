#include "objects/checksums.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::objects {
namespace {

class CombinedCrc : public testing::TestWithParam<base::Algorithm> {};

TEST_P(CombinedCrc, IsThatOfTheWhole) {
  const std::string a = "The first part of a text, ", b(100'003, 'x'), none;
  for (const auto& [left, right] :
       {std::pair{a, b}, std::pair{b, a}, std::pair{a, none}, std::pair{none, b}}) {
    EXPECT_EQ(combine_crc(GetParam(), base::digest(GetParam(), left),
                          base::digest(GetParam(), right), right.size()),
              base::digest(GetParam(), left + right));
  }
}

INSTANTIATE_TEST_SUITE_P(All, CombinedCrc,
                         testing::Values(base::Algorithm::kCrc32, base::Algorithm::kCrc32c,
                                         base::Algorithm::kCrc64Nvme));

Part part(const std::string& algorithm, const std::string& bytes) {
  Part part;
  part.content.size = bytes.size();
  part.checksums[algorithm] = base::base64(base::digest(*checksum_algorithm(algorithm), bytes));
  return part;
}

TEST(ChecksumOfParts, IsTheWholesForFullObjects) {
  auto checksum = checksum_of_parts(
      "CRC32", "FULL_OBJECT", {part("CRC32", "one"), part("CRC32", "two"), part("CRC32", "three")});
  EXPECT_EQ(checksum, base::base64(base::digest(base::Algorithm::kCrc32, "onetwothree")));
}

TEST(ChecksumOfParts, IsTheDigestOfDigestsForComposites) {
  auto checksum =
      checksum_of_parts("SHA256", "COMPOSITE", {part("SHA256", "one"), part("SHA256", "two")});
  const std::string joined =
      base::digest(base::Algorithm::kSha256, "one") + base::digest(base::Algorithm::kSha256, "two");
  EXPECT_EQ(checksum, base::base64(base::digest(base::Algorithm::kSha256, joined)) + "-2");
}

TEST(ChecksumOfParts, IsUnknownWhereAPartHasNone) {
  EXPECT_EQ(checksum_of_parts("CRC32", "FULL_OBJECT", {part("CRC32", "one"), Part{}}),
            std::nullopt);
  EXPECT_EQ(checksum_of_parts("", "", {Part{}}), std::nullopt);
}

TEST(ChecksumType, HasTheDefaultsOfS3) {
  EXPECT_EQ(decide_checksum_type("CRC64NVME", ""), "FULL_OBJECT");
  EXPECT_EQ(decide_checksum_type("CRC32", ""), "COMPOSITE");
  EXPECT_EQ(decide_checksum_type("CRC32", "FULL_OBJECT"), "FULL_OBJECT");
  EXPECT_EQ(decide_checksum_type("", ""), "");
  EXPECT_THROW(decide_checksum_type("SHA256", "FULL_OBJECT"), Error);
  EXPECT_THROW(decide_checksum_type("CRC64NVME", "COMPOSITE"), Error);
}

TEST(ChecksumNames, AreReadFromHeadersAndMembers) {
  auto sent =
      checksums_of_headers({{"X-Amz-Checksum-Crc32c", "a"}, {"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(sent, (std::map<std::string, std::string>{{"CRC32C", "a"}}));
  EXPECT_EQ(checksums_of_members({{"ChecksumSHA1", "b"}, {"ETag", "c"}}),
            (std::map<std::string, std::string>{{"SHA1", "b"}}));
}

}  // namespace
}  // namespace slipway::objects
