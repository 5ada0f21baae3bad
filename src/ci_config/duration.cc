#include <cctype>
#include <cstdint>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/ci_config.h"

namespace slipway::ci_config {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMost = 1000 * 365 * kDay;

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};

// A month has 30 days and a year 365.25, as in ChronicDuration.
constexpr Unit kUnits[] = {{"s", 1},
                           {"sec", 1},
                           {"secs", 1},
                           {"second", 1},
                           {"seconds", 1},
                           {"m", 60},
                           {"min", 60},
                           {"mins", 60},
                           {"minute", 60},
                           {"minutes", 60},
                           {"h", kHour},
                           {"hr", kHour},
                           {"hrs", kHour},
                           {"hour", kHour},
                           {"hours", kHour},
                           {"d", kDay},
                           {"dy", kDay},
                           {"day", kDay},
                           {"days", kDay},
                           {"w", 7 * kDay},
                           {"wk", 7 * kDay},
                           {"wks", 7 * kDay},
                           {"week", 7 * kDay},
                           {"weeks", 7 * kDay},
                           {"mo", 30 * kDay},
                           {"mos", 30 * kDay},
                           {"mon", 30 * kDay},
                           {"mons", 30 * kDay},
                           {"month", 30 * kDay},
                           {"months", 30 * kDay},
                           {"y", 31557600},
                           {"yr", 31557600},
                           {"yrs", 31557600},
                           {"year", 31557600},
                           {"years", 31557600}};

[[noreturn]] void fail(std::string_view text) {
  throw base::Error("InvalidDuration", "'" + std::string(text) + "' is not a duration");
}

std::optional<std::int64_t> seconds_of(std::string_view unit) {
  for (const Unit& one : kUnits) {
    if (one.name == unit) return one.seconds;
  }
  return std::nullopt;
}

// "1:30" is a minute and a half, "1:00:00" an hour.
std::optional<std::int64_t> clock_time(std::string_view text) {
  const auto parts = base::split(text, ':');
  if (parts.size() < 2 || parts.size() > 4) return std::nullopt;
  constexpr std::int64_t kFactors[] = {1, 60, kHour, kDay};
  std::int64_t total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto value = base::parse_integer(parts[i]);
    if (!value || *value < 0 || *value > 1'000'000 || !std::isdigit(parts[i][0])) {
      return std::nullopt;
    }
    total += *value * kFactors[parts.size() - 1 - i];
  }
  return total;
}

bool is_filler(std::string_view word) {
  return word == "and" || word == "with" || word == "plus" || word == "in";
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const std::string low = base::lower(base::trim(text));
  if (low == "never") return std::nullopt;
  if (const auto time = clock_time(low)) return std::chrono::seconds(*time);
  double total = 0;
  std::optional<double> number;
  bool any = false;
  for (std::size_t i = 0; i < low.size();) {
    const auto c = static_cast<unsigned char>(low[i]);
    if (std::isspace(c) || c == ',') {
      ++i;
      continue;
    }
    const std::size_t start = i;
    if (std::isdigit(c) || c == '.') {
      while (i < low.size() &&
             (std::isdigit(static_cast<unsigned char>(low[i])) || low[i] == '.')) {
        ++i;
      }
      if (number) fail(text);  // two numbers in a row
      number = base::parse_number(std::string_view(low).substr(start, i - start));
      if (!number) fail(text);
      continue;
    }
    while (i < low.size() && std::isalpha(static_cast<unsigned char>(low[i]))) ++i;
    const std::string_view word = std::string_view(low).substr(start, i - start);
    if (word.empty()) fail(text);
    if (is_filler(word) && !number) continue;
    const auto unit = seconds_of(word);
    if (!unit || !number) fail(text);
    total += *number * static_cast<double>(*unit);
    number.reset();
    any = true;
  }
  if (number) {  // "3600": seconds where nothing says otherwise
    total += *number;
    any = true;
  }
  if (!any || !(total <= static_cast<double>(kMost))) fail(text);
  return std::chrono::seconds(static_cast<std::int64_t>(total));
}

}  // namespace slipway::ci_config
