#pragma once

// Text and bytes: splitting, encodings, hexadecimal, base64.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::base {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string lower(std::string_view text);
std::string upper(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
std::string replace_all(std::string text, std::string_view from, std::string_view to);

// The whole of `text` as a number; nothing where any character is left over.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);

std::string hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view text);
std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

enum class Slash { kKeep, kEncode };
// RFC 3986: everything but the unreserved characters becomes %XX.
std::string percent_encode(std::string_view text, Slash slash = Slash::kEncode);
enum class Plus { kKeep, kIsSpace };
std::string percent_decode(std::string_view text, Plus plus = Plus::kKeep);

// "a=1&b" as decoded pairs in their order.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

// Compares without leaking by its duration where the first difference is.
bool equals_in_constant_time(std::string_view a, std::string_view b) noexcept;

bool is_utf8(std::string_view text) noexcept;
// At most `bytes` of `text`, never cutting a UTF-8 character in two.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes) noexcept;

}  // namespace slipway::base
