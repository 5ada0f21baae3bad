#pragma once

// Digests and checksums, whole and in pieces.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace slipway::base {

enum class Algorithm { kMd5, kSha1, kSha256, kSha512, kCrc32, kCrc32c, kCrc64Nvme };

// One running digest. Not thread-safe.
class Digest {
 public:
  explicit Digest(Algorithm algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::string_view bytes);
  // The raw bytes (CRCs big-endian, as S3 writes them). Ends the digest.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest(Algorithm algorithm, std::string_view bytes);
// Lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);
std::string md5_hex(std::string_view bytes);
// Raw 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
// Lower-case hexadecimal of a file's contents. Throws Error where it cannot be read.
std::string sha256_hex_of_file(const std::filesystem::path& path);

}  // namespace slipway::base
