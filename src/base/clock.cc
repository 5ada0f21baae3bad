#include "base/clock.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace slipway::base {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Parts {
  std::tm calendar{};
  int millis = 0;
};

Parts parts_of(Millis at) {
  Millis rest = at % 1000;
  if (rest < 0) rest += 1000;
  const std::time_t seconds = static_cast<std::time_t>((at - rest) / 1000);
  Parts parts;
  ::gmtime_r(&seconds, &parts.calendar);
  parts.millis = static_cast<int>(rest);
  return parts;
}

template <class... Arguments>
std::string print(const char* format, Arguments... arguments) {
  std::array<char, 96> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), format, arguments...);
  return std::string(buffer.data(), static_cast<std::size_t>(length));
}

// Reads a text from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool literal(std::string_view expected) {
    if (rest_.substr(0, expected.size()) != expected) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  bool number(std::size_t digits, int& value) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }
  template <std::size_t N>
  bool one_of(const std::array<const char*, N>& words, int& index) {
    for (std::size_t i = 0; i < N; ++i) {
      if (literal(words[i])) {
        index = static_cast<int>(i);
        return true;
      }
    }
    return false;
  }
  // The digits after a decimal point as milliseconds; what is finer is cut off.
  bool fraction(int& millis) {
    std::size_t count = 0;
    millis = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') {
      if (count < 3) millis = millis * 10 + (rest_[count] - '0');
      ++count;
    }
    for (std::size_t i = count; i < 3; ++i) millis *= 10;
    rest_.remove_prefix(count);
    return count > 0;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

struct Fields {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millis = 0;
};

std::optional<Millis> instant(const Fields& f) {
  const std::chrono::year_month_day date{std::chrono::year(f.year),
                                         std::chrono::month(static_cast<unsigned>(f.month)),
                                         std::chrono::day(static_cast<unsigned>(f.day))};
  if (!date.ok() || f.hour > 23 || f.minute > 59 || f.second > 60) return std::nullopt;
  const Millis days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + f.hour) * 60 + f.minute) * 60'000 + f.second * 1000 + f.millis;
}

}  // namespace

Millis SystemClock::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Millis FakeClock::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

void FakeClock::advance(Millis by) {
  const std::lock_guard lock(mutex_);
  now_ += by;
}

std::string iso8601_millis(Millis at) {
  const auto [t, millis] = parts_of(at);
  return print("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
               t.tm_hour, t.tm_min, t.tm_sec, millis);
}

std::string iso8601(Millis at) {
  const std::tm t = parts_of(at).calendar;
  return print("%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
               t.tm_hour, t.tm_min, t.tm_sec);
}

std::string basic_time(Millis at) {
  const std::tm t = parts_of(at).calendar;
  return print("%04d%02d%02dT%02d%02d%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
               t.tm_min, t.tm_sec);
}

std::string http_date(Millis at) {
  const std::tm t = parts_of(at).calendar;
  return print("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<std::size_t>(t.tm_wday)],
               t.tm_mday, kMonths[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour,
               t.tm_min, t.tm_sec);
}

std::optional<Millis> parse_iso8601(std::string_view text) {
  Scanner scan(text);
  Fields f;
  const bool date_and_time =
      scan.number(4, f.year) && scan.literal("-") && scan.number(2, f.month) && scan.literal("-") &&
      scan.number(2, f.day) && (scan.literal("T") || scan.literal(" ")) && scan.number(2, f.hour) &&
      scan.literal(":") && scan.number(2, f.minute) && scan.literal(":") &&
      scan.number(2, f.second);
  if (!date_and_time) return std::nullopt;
  if (scan.literal(".") && !scan.fraction(f.millis)) return std::nullopt;
  Millis offset = 0;
  if (!scan.literal("Z")) {
    const bool ahead = scan.literal("+");
    if (!ahead && !scan.literal("-")) return std::nullopt;
    int hours = 0, minutes = 0;
    if (!scan.number(2, hours)) return std::nullopt;
    scan.literal(":");
    if (!scan.number(2, minutes) || hours > 23 || minutes > 59) return std::nullopt;
    offset = (hours * 60 + minutes) * 60'000 * (ahead ? 1 : -1);
  }
  const auto at = instant(f);
  if (!at || !scan.done()) return std::nullopt;
  return *at - offset;
}

std::optional<Millis> parse_basic_time(std::string_view text) {
  Scanner scan(text);
  Fields f;
  const bool whole = scan.number(4, f.year) && scan.number(2, f.month) && scan.number(2, f.day) &&
                     scan.literal("T") && scan.number(2, f.hour) && scan.number(2, f.minute) &&
                     scan.number(2, f.second) && scan.literal("Z") && scan.done();
  return whole ? instant(f) : std::nullopt;
}

std::optional<Millis> parse_http_date(std::string_view text) {
  Scanner scan(text);
  Fields f;
  int weekday = 0;
  const bool whole = scan.one_of(kDays, weekday) && scan.literal(", ") && scan.number(2, f.day) &&
                     scan.literal(" ") && scan.one_of(kMonths, f.month) && scan.literal(" ") &&
                     scan.number(4, f.year) && scan.literal(" ") && scan.number(2, f.hour) &&
                     scan.literal(":") && scan.number(2, f.minute) && scan.literal(":") &&
                     scan.number(2, f.second) && scan.literal(" GMT") && scan.done();
  if (!whole) return std::nullopt;
  f.month += 1;
  return instant(f);
}

double epoch_seconds(Millis at) { return static_cast<double>(at) / 1000.0; }

Millis from_epoch_seconds(double seconds) { return std::llround(seconds * 1000.0); }

}  // namespace slipway::base
