#include "ci_config/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <cctype>

#include <pcre2.h>

namespace slipway::ci_config {
namespace {

constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::uint32_t kHeapLimitKiB = 20'000;
constexpr std::size_t kLongestPattern = 16 * 1024;

// The position of the "/" that ends the pattern, or nothing.
std::optional<std::size_t> end_of_pattern(std::string_view text) {
  if (text.size() < 2 || text.front() != '/') return std::nullopt;
  const std::size_t end = text.rfind('/');
  if (end == 0) return std::nullopt;
  const std::string_view flags = text.substr(end + 1);
  if (flags.find_first_not_of("ismU") != std::string_view::npos) return std::nullopt;
  return end;
}

// Whether RE2 would refuse the pattern although PCRE2 takes it.
bool is_beyond_re2(std::string_view pattern) {
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\') {
      if (!in_class && next >= '1' && next <= '9') return true;
      if (next == 'k' || next == 'g' || next == 'K' || next == 'R' || next == 'X' || next == 'G') {
        return true;
      }
      ++i;
      continue;
    }
    if (in_class) {
      if (c == ']') in_class = false;
      continue;
    }
    if (c == '[') {
      in_class = true;
      if (next == '^') ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') ++i;  // a "]" first is itself
      continue;
    }
    if (c == '(' && next == '*') return true;  // (*VERB)
    if (c == '(' && next == '?') {
      const std::string_view rest = pattern.substr(i + 2);
      const bool named = rest.starts_with("P<") ||
                         (rest.size() > 1 && rest[0] == '<' && rest[1] != '=' && rest[1] != '!');
      const bool flagged =
          !rest.empty() && (rest[0] == ':' || rest[0] == '-' ||
                            std::string_view("imsU").find(rest[0]) != std::string_view::npos);
      if (!named && !flagged) return true;
    }
    if ((c == '*' || c == '+' || c == '?' || c == '}') && next == '+') return true;  // possessive
  }
  return false;
}

}  // namespace

struct Regex::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
  }
};

bool Regex::looks_like(std::string_view text) { return end_of_pattern(text).has_value(); }

std::optional<Regex> Regex::parse(std::string_view text) {
  const auto end = end_of_pattern(text);
  if (!end) return std::nullopt;
  const std::string_view pattern = text.substr(1, *end - 1);
  if (pattern.size() > kLongestPattern || is_beyond_re2(pattern)) return std::nullopt;
  // "$" is the end of the text and nothing else, as in RE2.
  std::uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
                          PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
  for (const char flag : text.substr(*end + 1)) {
    if (flag == 'i') options |= PCRE2_CASELESS;
    if (flag == 's') options |= PCRE2_DOTALL;
    if (flag == 'm') options |= PCRE2_MULTILINE;
    if (flag == 'U') options |= PCRE2_UNGREEDY;
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto compiled = std::make_shared<Compiled>();
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 options, &error, &offset, nullptr);
  if (!compiled->code) return std::nullopt;
  compiled->data = pcre2_match_data_create_from_pattern(compiled->code, nullptr);
  compiled->context = pcre2_match_context_create(nullptr);
  if (!compiled->data || !compiled->context) return std::nullopt;
  pcre2_set_match_limit(compiled->context, kMatchLimit);
  pcre2_set_depth_limit(compiled->context, kMatchLimit);
  pcre2_set_heap_limit(compiled->context, kHeapLimitKiB);
  Regex regex;
  regex.compiled_ = std::move(compiled);
  return regex;
}

bool Regex::matches(std::string_view text) const {
  return pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                     compiled_->data, compiled_->context) >= 0;
}

}  // namespace slipway::ci_config
