#include "wire/checksums.h"

#include <array>
#include <optional>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

struct Kind {
  std::string_view header;
  std::string_view name;
  base::Algorithm algorithm;
  std::size_t size;  // bytes
};
constexpr std::array<Kind, 5> kKinds{{
    {"x-amz-checksum-crc32", "CRC32", base::Algorithm::kCrc32, 4},
    {"x-amz-checksum-crc32c", "CRC32C", base::Algorithm::kCrc32c, 4},
    {"x-amz-checksum-crc64nvme", "CRC64NVME", base::Algorithm::kCrc64Nvme, 8},
    {"x-amz-checksum-sha1", "SHA1", base::Algorithm::kSha1, 20},
    {"x-amz-checksum-sha256", "SHA256", base::Algorithm::kSha256, 32},
}};

std::string digest_of(const net::Body& payload, base::Algorithm algorithm) {
  if (algorithm == base::Algorithm::kSha256) return base::from_hex(payload.sha256()).value_or("");
  base::Digest digest(algorithm);
  payload.for_each_piece([&](std::string_view piece) { digest.update(piece); });
  return digest.finish();
}

}  // namespace

std::map<std::string, std::string> verify_checksums(const net::Headers& headers,
                                                    const net::Headers& trailers,
                                                    const net::Body& payload, ChecksumNeed need) {
  std::map<std::string, std::string> verified;
  for (const Kind& kind : kKinds) {
    auto declared = headers.find(kind.header);
    if (!declared) declared = trailers.find(kind.header);
    if (!declared) continue;
    const auto bytes = base::from_base64(base::trim(*declared));
    if (!bytes || bytes->size() != kind.size)
      throw Error("InvalidRequest",
                  "Value for " + std::string(kind.header) + " header is invalid.");
    if (digest_of(payload, kind.algorithm) != *bytes)
      throw Error("BadDigest", "The " + std::string(kind.name) +
                                   " you specified did not match the calculated checksum.");
    verified.emplace(kind.header, base::trim(*declared));
  }
  if (const auto trailer = headers.find("x-amz-trailer");
      trailer && base::lower(*trailer).starts_with("x-amz-checksum-") &&
      !trailers.has(base::trim(*trailer)))
    throw Error("MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform "
                "to our published schema.");
  const auto md5 = headers.find("content-md5");
  if (md5) {
    const auto bytes = base::from_base64(base::trim(*md5));
    if (!bytes || bytes->size() != 16)
      throw Error("InvalidDigest", "The Content-MD5 you specified was invalid.");
    if (digest_of(payload, base::Algorithm::kMd5) != *bytes)
      throw Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
  }
  if (need == ChecksumNeed::kRequired && verified.empty() && !md5)
    throw Error("InvalidRequest",
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  return verified;
}

}  // namespace slipway::wire
