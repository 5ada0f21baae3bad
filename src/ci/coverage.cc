#define PCRE2_CODE_UNIT_WIDTH 8
#include "ci/coverage.h"

#include <memory>

#include <pcre2.h>

#include "base/strings.h"

namespace slipway::ci {
namespace {

constexpr std::uint32_t kMatchLimit = 100'000;

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// The last number in a text such as "TOTAL 91.5%".
std::optional<double> number_in(std::string_view text) {
  const std::size_t end = text.find_last_of("0123456789");
  if (end == std::string_view::npos) return std::nullopt;
  std::size_t start = end;
  while (start > 0 &&
         std::string_view("0123456789.").find(text[start - 1]) != std::string_view::npos) {
    --start;
  }
  return base::parse_number(text.substr(start, end + 1 - start));
}

}  // namespace

std::optional<double> coverage_in(std::string_view trace, const std::string& expression) {
  std::string pattern = expression;
  if (pattern.size() > 1 && pattern.front() == '/' && pattern.rfind('/') > 0) {
    pattern = pattern.substr(1, pattern.rfind('/') - 1);
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, Free> code(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_MULTILINE | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr));
  if (!code) return std::nullopt;
  const std::unique_ptr<pcre2_match_data, Free> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr));
  const std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
  if (!data || !context) return std::nullopt;
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_depth_limit(context.get(), kMatchLimit);
  std::optional<double> found;
  std::size_t at = 0;
  while (at <= trace.size()) {
    const int groups = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(trace.data()),
                                   trace.size(), at, 0, data.get(), context.get());
    if (groups < 1) break;
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    const int group = groups > 1 ? 1 : 0;
    const PCRE2_SIZE from = ends[2 * group];
    const PCRE2_SIZE to = ends[2 * group + 1];
    if (from != PCRE2_UNSET && to >= from) {
      if (const auto number = number_in(trace.substr(from, to - from))) found = number;
    }
    at = ends[1] > at ? ends[1] : at + 1;
  }
  return found;
}

}  // namespace slipway::ci
