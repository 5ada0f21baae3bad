#pragma once

// SHA-256 and HMAC for signatures: the same results as base/digest.h, without an
// allocation or a provider look-up for each, because the gateway computes them for
// every request.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/sigv4.h"

namespace slipway::wire {

using Sha256Bytes = std::array<unsigned char, 32>;

// Running SHA-256. Copies continue from the same point.
class Sha256 {
 public:
  Sha256() noexcept;
  void update(std::string_view bytes) noexcept;
  Sha256Bytes finish() noexcept;

 private:
  // OpenSSL's SHA256_CTX, whose header is not for everybody.
  alignas(8) std::array<unsigned char, 112> context_;
};

// HMAC-SHA256 with a key that is used many times: both padded blocks are hashed once.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key) noexcept;
  Sha256Bytes of(std::string_view bytes) const noexcept;

 private:
  Sha256 inner_;
  Sha256 outer_;
};

std::string_view as_text(const Sha256Bytes& bytes) noexcept;
std::array<char, 64> as_hex(const Sha256Bytes& bytes) noexcept;
// Whether a declared payload is a digest, and not "UNSIGNED-PAYLOAD" or the like.
bool is_hex_digest(std::string_view text) noexcept;
std::string sha256_hex_quickly(std::string_view bytes);

struct SigningKeyCache::Derived {
  explicit Derived(std::string raw_key) : raw(std::move(raw_key)), mac(raw) {}
  std::string raw;
  HmacSha256 mac;
  std::string secret;  // from which it was derived
};

}  // namespace slipway::wire
