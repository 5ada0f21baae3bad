#include "jobs/metrics.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <cmath>
#include <cstdint>
#include <utility>

#include <pcre2.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace slipway::jobs {
namespace {

constexpr std::size_t kLineLimit = 4096;
// Scanning runs inside a database write; these bound how long one line can hold it up.
constexpr std::uint32_t kMatchLimit = 20'000;
constexpr std::uint32_t kHeapLimitKiB = 1024;
constexpr int kStrikes = 3;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

std::string text_of_error(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct MetricScanner::Expression {
  std::string name;
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::unique_ptr<pcre2_match_data, FreeData> data;
  std::unique_ptr<pcre2_match_context, FreeContext> context;
  int strikes = 0;  // times that the match limit was met
};

MetricScanner::MetricScanner(const std::vector<MetricDefinition>& definitions) {
  for (const MetricDefinition& definition : definitions) {
    auto expression = std::make_unique<Expression>();
    expression->name = definition.name;
    int error = 0;
    PCRE2_SIZE offset = 0;
    // What a program prints need not be UTF-8: the option makes such bytes match nothing.
    expression->code.reset(pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(definition.regex.data()), definition.regex.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr));
    if (!expression->code) {
      throw Error("ValidationException", "MetricDefinitions: the Regex of '" + definition.name +
                                             "' is not valid: " + text_of_error(error) +
                                             " at offset " + std::to_string(offset));
    }
    expression->data.reset(pcre2_match_data_create_from_pattern(expression->code.get(), nullptr));
    expression->context.reset(pcre2_match_context_create(nullptr));
    if (!expression->data || !expression->context) base::throw_internal("out of memory");
    pcre2_set_match_limit(expression->context.get(), kMatchLimit);
    pcre2_set_depth_limit(expression->context.get(), kMatchLimit);
    pcre2_set_heap_limit(expression->context.get(), kHeapLimitKiB);
    expressions_.push_back(std::move(expression));
  }
}

MetricScanner::~MetricScanner() = default;
MetricScanner::MetricScanner(MetricScanner&&) noexcept = default;

std::optional<double> MetricScanner::value_in(Expression& expression, std::string_view line) {
  const int groups =
      pcre2_match(expression.code.get(), reinterpret_cast<PCRE2_SPTR>(line.data()), line.size(), 0,
                  0, expression.data.get(), expression.context.get());
  if (groups == PCRE2_ERROR_MATCHLIMIT || groups == PCRE2_ERROR_DEPTHLIMIT ||
      groups == PCRE2_ERROR_HEAPLIMIT) {
    if (++expression.strikes == kStrikes) {
      log(Level::kWarning, "metric definition is too slow and was dropped",
          {{"metric", expression.name}});
    }
    return std::nullopt;
  }
  if (groups < 2) return std::nullopt;  // no match, or no first group in it
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(expression.data.get());
  if (ends[2] == PCRE2_UNSET || ends[3] < ends[2]) return std::nullopt;
  const auto value = base::parse_number(base::trim(line.substr(ends[2], ends[3] - ends[2])));
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return value;
}

void MetricScanner::scan(std::string_view line,
                         const std::function<void(const std::string&, double)>& found) {
  line = line.substr(0, kLineLimit);
  for (const auto& expression : expressions_) {
    if (expression->strikes >= kStrikes) continue;
    if (const auto value = value_in(*expression, line)) found(expression->name, *value);
  }
}

}  // namespace slipway::jobs
