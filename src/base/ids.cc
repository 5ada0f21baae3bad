#include "base/ids.h"

#include <openssl/rand.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::base {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    throw_internal("the system's random generator gave no bytes");
  }
  return bytes;
}

std::string random_hex(std::size_t digits) {
  return hex(random_bytes((digits + 1) / 2)).substr(0, digits);
}

std::string random_text(std::size_t length, std::string_view alphabet) {
  // Bytes at or above the largest multiple of the alphabet's size would favour its first letters.
  const std::size_t usable = 256 - 256 % alphabet.size();
  std::string text;
  while (text.size() < length) {
    for (const char c : random_bytes(length - text.size())) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < usable) text += alphabet[byte % alphabet.size()];
    }
  }
  return text;
}

std::string uuid() {
  std::string bytes = random_bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string digits = hex(bytes);
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

std::string Arn::text() const {
  return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource;
}

std::optional<Arn> parse_arn(std::string_view text) {
  constexpr std::string_view kPrefix = "arn:aws:";
  if (text.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  Arn arn;
  for (std::string* part : {&arn.service, &arn.region, &arn.account}) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    *part = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (arn.service.empty() || text.empty()) return std::nullopt;
  arn.resource = text;
  return arn;
}

std::string name_of(std::string_view name_or_arn) {
  const std::size_t slash = name_or_arn.rfind('/');
  return std::string(slash == std::string_view::npos ? name_or_arn : name_or_arn.substr(slash + 1));
}

}  // namespace slipway::base
