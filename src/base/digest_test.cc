#include "base/digest.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::base {
namespace {

struct Known {
  const char* name;
  Algorithm algorithm;
  const char* hex;  // of "123456789"
};

// The check values of RFC 1321, FIPS 180-4 and of the CRC catalogues.
constexpr Known kKnown[] = {
    {"Md5", Algorithm::kMd5, "25f9e794323b453885f5181f1b624d0b"},
    {"Sha1", Algorithm::kSha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
    {"Sha256", Algorithm::kSha256,
     "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
    {"Sha512", Algorithm::kSha512,
     "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
     "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"},
    {"Crc32", Algorithm::kCrc32, "cbf43926"},
    {"Crc32c", Algorithm::kCrc32c, "e3069283"},
    {"Crc64Nvme", Algorithm::kCrc64Nvme, "ae8b14860a799888"},
};

class KnownDigest : public testing::TestWithParam<Known> {};

TEST_P(KnownDigest, HasItsPublishedCheckValue) {
  EXPECT_EQ(hex(digest(GetParam().algorithm, "123456789")), GetParam().hex);
}

TEST_P(KnownDigest, IsTheSameInPiecesOfAnyLength) {
  const std::string bytes = random_bytes(1000);
  Digest running(GetParam().algorithm);
  std::size_t at = 0;
  for (std::size_t length = 0; at < bytes.size(); ++length) {
    running.update(std::string_view(bytes).substr(at, length));
    at += length;
  }

  EXPECT_EQ(running.finish(), digest(GetParam().algorithm, bytes));
}

INSTANTIATE_TEST_SUITE_P(All, KnownDigest, testing::ValuesIn(kKnown),
                         [](const auto& known) { return std::string(known.param.name); });

// RFC 3720, B.4: 32 bytes of zeroes, of ones.
TEST(Digest, Crc32cOfLongerBlocksIsThatOfRfc3720) {
  EXPECT_EQ(hex(digest(Algorithm::kCrc32c, std::string(32, '\0'))), "8a9136aa");
  EXPECT_EQ(hex(digest(Algorithm::kCrc32c, std::string(32, '\xff'))), "62a8ab43");
}

// RFC 4231, test case 2.
TEST(Digest, HmacIsThatOfRfc4231) {
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, ReadsAFileWhole) {
  const auto path = std::filesystem::temp_directory_path() / ("digest-" + random_hex(16));
  const std::string bytes = random_bytes(600'001);
  std::ofstream(path, std::ios::binary) << bytes;

  const std::string found = sha256_hex_of_file(path);
  std::filesystem::remove(path);

  EXPECT_EQ(found, sha256_hex(bytes));
  EXPECT_THROW(sha256_hex_of_file(path), Error);
}

}  // namespace
}  // namespace slipway::base
