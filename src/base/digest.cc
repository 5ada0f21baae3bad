#include "base/digest.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <variant>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::base {
namespace {

// Reflected CRC tables for eight bytes a step ("slicing-by-8").
template <class Word>
using SlicingTable = std::array<std::array<Word, 256>, 8>;

template <class Word>
constexpr SlicingTable<Word> make_table(Word polynomial) {
  SlicingTable<Word> table{};
  for (unsigned i = 0; i < 256; ++i) {
    Word value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) != 0 ? value >> 1 ^ polynomial : value >> 1;
    table[0][i] = value;
  }
  for (std::size_t slice = 1; slice < 8; ++slice) {
    for (std::size_t i = 0; i < 256; ++i) {
      const Word before = table[slice - 1][i];
      table[slice][i] = before >> 8 ^ table[0][before & 255];
    }
  }
  return table;
}

constexpr SlicingTable<std::uint32_t> kCrc32Table = make_table<std::uint32_t>(0xEDB88320u);
constexpr SlicingTable<std::uint32_t> kCrc32cTable = make_table<std::uint32_t>(0x82F63B78u);
constexpr SlicingTable<std::uint64_t> kCrc64NvmeTable =
    make_table<std::uint64_t>(0x9A6C9329AC4BC9B5u);

// All three start with ones and are inverted at the end.
template <class Word>
class Crc {
 public:
  explicit Crc(const SlicingTable<Word>& table) : table_(&table) {}

  void update(std::string_view bytes) {
    const SlicingTable<Word>& table = *table_;
    Word value = value_;
    while (bytes.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);  // little-endian, as all of Slipway's machines are
      word ^= value;
      value = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
              table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
              table[1][word >> 48 & 255] ^ table[0][word >> 56];
      bytes.remove_prefix(8);
    }
    for (const char c : bytes) {
      value = value >> 8 ^ table[0][(value ^ static_cast<unsigned char>(c)) & 255];
    }
    value_ = value;
  }

  std::string finish() const {
    const Word value = ~value_;
    std::string bytes;
    for (int shift = static_cast<int>(sizeof(Word)) * 8 - 8; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(value >> shift & 255);
    }
    return bytes;
  }

 private:
  const SlicingTable<Word>* table_;
  Word value_ = static_cast<Word>(~Word{0});
};

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

class Hash {
 public:
  explicit Hash(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) {
      throw_internal("OpenSSL refused to start a digest");
    }
  }
  void update(std::string_view bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
      throw_internal("OpenSSL refused to continue a digest");
    }
  }
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    if (EVP_DigestFinal_ex(context_.get(), bytes.data(), &length) != 1) {
      throw_internal("OpenSSL refused to end a digest");
    }
    return std::string(reinterpret_cast<const char*>(bytes.data()), length);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

using Running = std::variant<Hash, Crc<std::uint32_t>, Crc<std::uint64_t>>;

Running start(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return Hash(EVP_md5());
    case Algorithm::kSha1:
      return Hash(EVP_sha1());
    case Algorithm::kSha256:
      return Hash(EVP_sha256());
    case Algorithm::kSha512:
      return Hash(EVP_sha512());
    case Algorithm::kCrc32:
      return Crc<std::uint32_t>(kCrc32Table);
    case Algorithm::kCrc32c:
      return Crc<std::uint32_t>(kCrc32cTable);
    case Algorithm::kCrc64Nvme:
      return Crc<std::uint64_t>(kCrc64NvmeTable);
  }
  throw_internal("unknown digest algorithm");
}

}  // namespace

struct Digest::State {
  Running running;
};

Digest::Digest(Algorithm algorithm) : state_(std::make_unique<State>(State{start(algorithm)})) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::string_view bytes) {
  std::visit([&](auto& running) { running.update(bytes); }, state_->running);
}

std::string Digest::finish() {
  return std::visit([](auto& running) { return running.finish(); }, state_->running);
}

std::string digest(Algorithm algorithm, std::string_view bytes) {
  Digest running(algorithm);
  running.update(bytes);
  return running.finish();
}

std::string sha256_hex(std::string_view bytes) { return hex(digest(Algorithm::kSha256, bytes)); }

std::string md5_hex(std::string_view bytes) { return hex(digest(Algorithm::kMd5, bytes)); }

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, 32> result{};
  unsigned length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), result.data(),
           &length) == nullptr) {
    throw_internal("OpenSSL refused an HMAC");
  }
  return std::string(reinterpret_cast<const char*>(result.data()), length);
}

std::string sha256_hex_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_errno("cannot read " + path.string());
  Digest running(Algorithm::kSha256);
  std::vector<char> buffer(1u << 18);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    running.update({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (!file.eof()) throw_errno("cannot read " + path.string());
  return hex(running.finish());
}

}  // namespace slipway::base
