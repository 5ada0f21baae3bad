// The low-level functions are deprecated in favour of EVP, whose set-up costs more than
// hashing the few hundred bytes of a canonical request.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "wire/sigv4_keys.h"

#include <cstring>
#include <mutex>
#include <unordered_map>

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace slipway::wire {
namespace {

static_assert(sizeof(SHA256_CTX) <= 112);

constexpr std::size_t kBlock = 64;

SHA256_CTX* as_context(void* bytes) noexcept { return static_cast<SHA256_CTX*>(bytes); }

}  // namespace

Sha256::Sha256() noexcept { SHA256_Init(as_context(context_.data())); }

void Sha256::update(std::string_view bytes) noexcept {
  SHA256_Update(as_context(context_.data()), bytes.data(), bytes.size());
}

Sha256Bytes Sha256::finish() noexcept {
  Sha256Bytes digest;
  SHA256_Final(digest.data(), as_context(context_.data()));
  return digest;
}

HmacSha256::HmacSha256(std::string_view key) noexcept {
  std::array<unsigned char, kBlock> block{};
  if (key.size() > kBlock) {
    Sha256 hash;
    hash.update(key);
    const Sha256Bytes digest = hash.finish();
    std::memcpy(block.data(), digest.data(), digest.size());
  } else {
    std::memcpy(block.data(), key.data(), key.size());
  }
  std::array<char, kBlock> padded;
  for (std::size_t i = 0; i < kBlock; ++i) padded[i] = static_cast<char>(block[i] ^ 0x36);
  inner_.update({padded.data(), padded.size()});
  for (std::size_t i = 0; i < kBlock; ++i) padded[i] = static_cast<char>(block[i] ^ 0x5c);
  outer_.update({padded.data(), padded.size()});
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(padded.data(), padded.size());
}

Sha256Bytes HmacSha256::of(std::string_view bytes) const noexcept {
  Sha256 inner = inner_;
  inner.update(bytes);
  const Sha256Bytes first = inner.finish();
  Sha256 outer = outer_;
  outer.update(as_text(first));
  return outer.finish();
}

std::string_view as_text(const Sha256Bytes& bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::array<char, 64> as_hex(const Sha256Bytes& bytes) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<char, 64> text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return text;
}

bool is_hex_digest(std::string_view text) noexcept {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string sha256_hex_quickly(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  const std::array<char, 64> text = as_hex(hash.finish());
  return {text.data(), text.size()};
}

std::string derive_key(std::string_view secret, std::string_view date, std::string_view region,
                       std::string_view service) {
  Sha256Bytes key = HmacSha256("AWS4" + std::string(secret)).of(date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")})
    key = HmacSha256(as_text(key)).of(part);
  return std::string(as_text(key));
}

struct SigningKeyCache::State {
  const std::size_t limit;
  std::mutex mutex;
  // Guarded by mutex. Keyed by the four parts with a byte between that none of them can hold.
  std::unordered_map<std::string, std::shared_ptr<const Derived>> keys;
};

SigningKeyCache::SigningKeyCache(std::size_t limit) : state_(std::make_unique<State>(limit)) {}
SigningKeyCache::~SigningKeyCache() = default;

std::shared_ptr<const SigningKeyCache::Derived> SigningKeyCache::derive(std::string_view access_key,
                                                                        std::string_view secret,
                                                                        std::string_view date,
                                                                        std::string_view region,
                                                                        std::string_view service) {
  std::string name;
  name.reserve(access_key.size() + date.size() + region.size() + service.size() + 3);
  name.append(access_key).append(1, '\n').append(date).append(1, '\n');
  name.append(region).append(1, '\n').append(service);
  {
    std::lock_guard lock(state_->mutex);
    if (const auto found = state_->keys.find(name); found != state_->keys.end())
      if (found->second->secret == secret) return found->second;
  }
  auto derived = std::make_shared<Derived>(derive_key(secret, date, region, service));
  derived->secret = secret;
  std::lock_guard lock(state_->mutex);
  // Keys go stale with the day, all at once; so nothing finer than starting anew is worth it.
  if (state_->keys.size() >= state_->limit) state_->keys.clear();
  state_->keys.insert_or_assign(std::move(name), derived);
  return derived;
}

}  // namespace slipway::wire
