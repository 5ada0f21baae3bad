#include "ci_config/yaml_scalar.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::ci_config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Node boolean(bool value) {
  Node node;
  node.kind = Kind::kBoolean;
  node.boolean = value;
  node.text = value ? "true" : "false";
  return node;
}

Node integer(std::int64_t value) {
  Node node;
  node.kind = Kind::kInteger;
  node.integer = value;
  node.text = std::to_string(value);
  return node;
}

// Ruby's Float#to_s: "1.0", "0.5", "1.0e+20".
std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[64];
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, error == std::errc() ? end : buffer);
  const std::size_t exponent = text.find('e');
  const std::size_t mantissa = exponent == std::string::npos ? text.size() : exponent;
  if (text.find('.') == std::string::npos) text.insert(mantissa, ".0");
  return text;
}

Node floating(double value) {
  Node node;
  node.kind = Kind::kFloat;
  node.text = text_of(value);
  return node;
}

// Digits of `base` with "_" and "," between them, at least one of these characters.
std::optional<std::int64_t> digits(std::string_view text, int base, bool negative) {
  std::string clean = negative ? "-" : "";
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    if (c == '_' || c == ',') continue;
    clean += c;
  }
  std::int64_t value = 0;
  const char* end = clean.data() + clean.size();
  const auto [stop, error] = std::from_chars(clean.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// [0-9] first, then digits, each of which may follow one "," or "_".
bool is_grouped_decimal(std::string_view text) {
  if (text.empty() || !is_digit(text[0])) return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (is_digit(text[i])) continue;
    if ((text[i] != ',' && text[i] != '_') || i + 1 == text.size() || !is_digit(text[i + 1])) {
      return false;
    }
  }
  return true;
}

bool only(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::optional<std::int64_t> sexagesimal(std::string_view text, bool negative) {
  const auto parts = base::split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || !only(parts[0], "0123456789_")) return std::nullopt;
  if (!is_digit(parts[0][0])) return std::nullopt;
  auto value = digits(parts[0], 10, false);
  for (std::size_t i = 1; value && i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty() || part.size() > 2 || !only(part, "0123456789")) return std::nullopt;
    if (part.size() == 2 && part[0] > '5') return std::nullopt;
    if (*value > 1'000'000'000'000) return std::nullopt;
    value = *value * 60 + *digits(part, 10, false);
  }
  if (value && negative) value = -*value;
  return value;
}

std::optional<std::int64_t> as_integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || !is_digit(text[0])) return std::nullopt;
  if (text.starts_with("0b") && only(text.substr(2), "01_,")) {
    return digits(text.substr(2), 2, negative);
  }
  if ((text.starts_with("0x") || text.starts_with("0X")) &&
      only(text.substr(2), "0123456789abcdefABCDEF_,")) {
    return digits(text.substr(2), 16, negative);
  }
  if (text.size() > 1 && text[0] == '0' && only(text.substr(1), "01234567_,")) {
    return digits(text.substr(1), 8, negative);
  }
  if (text.find(':') != std::string_view::npos) return sexagesimal(text, negative);
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  if (!is_grouped_decimal(text)) return std::nullopt;
  return digits(text, 10, negative);
}

// [-+]? digits? "." digits? ([eE][-+]digits)?, as Psych has it: "1e3" is text.
std::optional<double> as_float(std::string_view text) {
  const std::string low = base::lower(text);
  if (low == ".inf" || low == "+.inf") return HUGE_VAL;
  if (low == "-.inf") return -HUGE_VAL;
  if (low == ".nan") return std::nan("");
  std::size_t i = 0;
  const auto run = [&](bool grouped) {
    const std::size_t start = i;
    while (i < text.size() &&
           (is_digit(text[i]) || (grouped && i > start && (text[i] == '_' || text[i] == ',')))) {
      ++i;
    }
    return i - start;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  const std::size_t whole = run(true);
  if (i >= text.size() || text[i] != '.') return std::nullopt;
  ++i;
  const std::size_t fraction = run(false);
  if (whole + fraction == 0) return std::nullopt;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i >= text.size() || (text[i] != '-' && text[i] != '+')) return std::nullopt;
    ++i;
    if (run(false) == 0) return std::nullopt;
  }
  if (i != text.size()) return std::nullopt;
  std::string clean;
  for (const char c : text) {
    if (c != '_' && c != ',' && c != '+') clean += c;
  }
  if (clean.back() == '.') clean += '0';
  double value = 0;
  const auto [stop, error] = std::from_chars(clean.data(), clean.data() + clean.size(), value);
  if (stop == clean.data()) return std::nullopt;
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

bool is_date(std::string_view text) {
  const auto parts = base::split(text, '-');
  if (parts.size() != 3 || parts[0].size() != 4) return false;
  for (const auto& part : parts) {
    if (!only(part, "0123456789") || (&part != &parts[0] && part.size() > 2)) return false;
  }
  const auto month = base::parse_integer(parts[1]).value_or(99);
  const auto day = base::parse_integer(parts[2]).value_or(99);
  return month <= 12 && day <= 31;
}

}  // namespace

Node resolve_plain(std::string_view text) {
  const std::string low = text.size() <= 5 ? base::lower(text) : std::string();
  if (text.empty() || text == "~" || low == "null") return {};
  if (low == "yes" || low == "true" || low == "on") return boolean(true);
  if (low == "no" || low == "false" || low == "off") return boolean(false);
  const char first = text[0];
  if (is_digit(first) || first == '-' || first == '+' || first == '.') {
    if (is_date(text)) {
      throw base::Error("InvalidConfig", "Tried to load unspecified class: Date");
    }
    if (const auto value = as_integer(text)) return integer(*value);
    if (const auto value = as_float(text)) return floating(*value);
  }
  return Node::of_text(std::string(text));
}

}  // namespace slipway::ci_config
