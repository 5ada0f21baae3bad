#include "objects/checksums.h"

#include "base/strings.h"
#include "objects/errors.h"

namespace slipway::objects {
namespace {

struct Name {
  std::string_view name;
  std::optional<base::Algorithm> algorithm;
};
constexpr Name kNames[] = {{"CRC32", base::Algorithm::kCrc32},
                           {"CRC32C", base::Algorithm::kCrc32c},
                           {"CRC64NVME", base::Algorithm::kCrc64Nvme},
                           {"SHA1", base::Algorithm::kSha1},
                           {"SHA256", base::Algorithm::kSha256},
                           {"SHA512", base::Algorithm::kSha512},
                           {"MD5", base::Algorithm::kMd5},
                           {"XXHASH64", std::nullopt},
                           {"XXHASH3", std::nullopt},
                           {"XXHASH128", std::nullopt}};

bool is_crc(std::string_view name) { return name.starts_with("CRC"); }

// A CRC's polynomial with the bits reversed, as the bytes are taken lowest bit first.
struct Polynomial {
  std::uint64_t bits;
  int width;
};
Polynomial polynomial(base::Algorithm algorithm) {
  if (algorithm == base::Algorithm::kCrc32) return {0xedb88320, 32};
  if (algorithm == base::Algorithm::kCrc32c) return {0x82f63b78, 32};
  return {0x9a6c9329ac4bc9b5, 64};
}

// a·b modulo the polynomial, over GF(2); the highest bit is the power 0.
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, Polynomial p) {
  std::uint64_t product = 0;
  for (std::uint64_t bit = std::uint64_t{1} << (p.width - 1); bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ p.bits : b >> 1;
  }
  return product;
}

// x to the power of 8·bytes.
std::uint64_t power_of_bytes(std::uint64_t bytes, Polynomial p) {
  std::uint64_t square = std::uint64_t{1} << (p.width - 1 - 8);  // x^8
  std::uint64_t result = std::uint64_t{1} << (p.width - 1);      // 1
  for (; bytes != 0; bytes >>= 1) {
    if (bytes & 1) result = multiply(result, square, p);
    square = multiply(square, square, p);
  }
  return result;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (unsigned char byte : bytes) value = value << 8 | byte;
  return value;
}

std::string to_big_endian(std::uint64_t value, int width) {
  std::string bytes;
  for (int shift = width - 8; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift & 0xff);
  }
  return bytes;
}

}  // namespace

std::optional<base::Algorithm> checksum_algorithm(std::string_view name) {
  for (const Name& known : kNames) {
    if (known.name == name) return known.algorithm;
  }
  return std::nullopt;
}

std::map<std::string, std::string> checksums_of_headers(
    const std::map<std::string, std::string>& headers) {
  static constexpr std::string_view kPrefix = "x-amz-checksum-";
  std::map<std::string, std::string> checksums;
  for (const auto& [header, value] : headers) {
    std::string name = base::lower(header);
    if (!name.starts_with(kPrefix)) continue;
    name = base::upper(name.substr(kPrefix.size()));
    for (const Name& known : kNames) {
      if (known.name == name) checksums[name] = value;
    }
  }
  return checksums;
}

std::map<std::string, std::string> checksums_of_members(const Json& object) {
  std::map<std::string, std::string> checksums;
  for (const Name& known : kNames) {
    std::string value = base::text_or(object, "Checksum" + std::string(known.name));
    if (!value.empty()) checksums[std::string(known.name)] = value;
  }
  return checksums;
}

void add_checksum_members(Json& object, const std::map<std::string, std::string>& checksums) {
  for (const auto& [name, value] : checksums) object["Checksum" + name] = value;
}

std::string decide_checksum_type(const std::string& algorithm, const std::string& asked) {
  if (algorithm.empty()) return "";
  std::string type = asked;
  if (type.empty()) type = algorithm == "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE";
  bool possible =
      type == "FULL_OBJECT" ? is_crc(algorithm) : type == "COMPOSITE" && algorithm != "CRC64NVME";
  if (!possible) {
    throw invalid_request("The " + type + " checksum type cannot be used with the " +
                          base::lower(algorithm) + " checksum algorithm.");
  }
  return type;
}

std::string combine_crc(base::Algorithm algorithm, std::string_view crc_a, std::string_view crc_b,
                        std::uint64_t length_b) {
  Polynomial p = polynomial(algorithm);
  std::uint64_t shifted = multiply(power_of_bytes(length_b, p), from_big_endian(crc_a), p);
  return to_big_endian(shifted ^ from_big_endian(crc_b), p.width);
}

std::optional<std::string> checksum_of_parts(const std::string& algorithm, const std::string& type,
                                             const std::vector<Part>& parts) {
  auto known = checksum_algorithm(algorithm);
  if (!known || parts.empty()) return std::nullopt;
  std::string joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto found = parts[i].checksums.find(algorithm);
    auto raw = found == parts[i].checksums.end() ? std::nullopt : base::from_base64(found->second);
    if (!raw) return std::nullopt;
    if (type == "COMPOSITE" || i == 0) {
      joined += *raw;
    } else {
      joined = combine_crc(*known, joined, *raw, parts[i].content.size);
    }
  }
  if (type != "COMPOSITE") return base::base64(joined);
  return base::base64(base::digest(*known, joined)) + "-" + std::to_string(parts.size());
}

}  // namespace slipway::objects
