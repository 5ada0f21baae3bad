#pragma once

// The character classes of RFC 9110, and comparisons without case. ASCII only, whatever
// the locale.

#include <array>
#include <string_view>

namespace slipway::net {

enum : unsigned char { kTokenClass = 1, kValueClass = 2 };

constexpr std::array<unsigned char, 256> make_byte_classes() {
  std::array<unsigned char, 256> classes{};
  for (int byte = 0; byte < 256; ++byte) {
    const bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                              (byte >= 'a' && byte <= 'z');
    const bool mark =
        byte != 0 && byte < 128 &&
        std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != std::string_view::npos;
    const bool visible = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    classes[static_cast<std::size_t>(byte)] = static_cast<unsigned char>(
        (alphanumeric || mark ? kTokenClass : 0) | (visible ? kValueClass : 0));
  }
  return classes;
}
inline constexpr std::array<unsigned char, 256> kByteClasses = make_byte_classes();

constexpr bool is_token_byte(char byte) {
  return (kByteClasses[static_cast<unsigned char>(byte)] & kTokenClass) != 0;
}
// Of a field's value: visible ASCII, space, tab, and bytes from 0x80 up.
constexpr bool is_value_byte(char byte) {
  return (kByteClasses[static_cast<unsigned char>(byte)] & kValueClass) != 0;
}
constexpr bool is_space(char byte) { return byte == ' ' || byte == '\t'; }

constexpr std::string_view trim_spaces(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

constexpr char lower_byte(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}
constexpr bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower_byte(a[i]) != lower_byte(b[i])) return false;
  }
  return true;
}
constexpr bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && same_ignoring_case(text.substr(0, prefix.size()), prefix);
}

}  // namespace slipway::net
